"""No code that a run or a file of options names runs unless the user has agreed to it."""

import dataclasses
import json
import shutil

import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.config.options import ModelOptions, TrainingOptions
from multvae_jax.config.trust import refuse_code
from multvae_jax.errors import InputError
from tests.builders import write_ratings
from tests.cli.builders import train

pytestmark = pytest.mark.updates

PARTS = ("model", "activation", "network", "likelihood", "prior", "objective")
TRAINING = ("optimizer", "beta")
MARKED = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
from multvae_jax.likelihoods import multinomial
"""


@pytest.fixture
def code(tmp_path):
    """A file that leaves the file `ran` beside it when it runs."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "own.py").write_text(MARKED)
    return tmp_path / "code" / "own.py"


def ran(code):
    return code.with_name("ran").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trust")
    assert train(write_ratings(folder / "ratings.csv"), folder / "run") == 0
    (folder / "history.csv").write_text("user,item\nann,100\n")
    return folder / "run"


def naming(run, to, option, name):
    """A copy of a run whose configuration names code; as a stranger makes it, without checksums."""
    shutil.copytree(run, to)
    (to / "manifest.json").unlink(missing_ok=True)
    config = json.loads((to / "config.json").read_text())
    config["model"][option] = name
    (to / "config.json").write_text(json.dumps(config))
    return to


@pytest.mark.parametrize("option", PARTS)
@pytest.mark.parametrize("command", ["evaluate", "recommend", "load_run"])
def test_a_run_runs_no_file_that_it_names(option, command, run, code, tmp_path, capsys):
    name = f"{code}:multinomial"
    bad = naming(run, tmp_path / "bad", option, name)
    expected = (
        f"{bad}/config.json: --{option} {name}: this would run the file {code}; if you trust its "
        "code, add --trust-code (in Python, trust_code=True)"
    )
    if command == "load_run":
        with pytest.raises(mv.InputError) as error:
            mv.load_run(bad)
        assert str(error.value) == expected
    else:
        history = ["--history", str(run.parent / "history.csv")] if command == "recommend" else []
        assert main([command, str(bad), *history]) == 2
        assert capsys.readouterr().err == f"multvae: {expected}\n"
    assert not ran(code)


@pytest.mark.parametrize(
    "name",
    ["os:abort", "sys:exit", "builtins:breakpoint", "multvae_jax.cli.main:main", "optax:adam"],
)
def test_a_run_runs_no_module_that_it_names(name, run, tmp_path):
    bad = naming(run, tmp_path / "bad", "likelihood", name)
    with pytest.raises(mv.InputError, match=f"would run the module {name.partition(':')[0]}; "):
        mv.load_run(bad)


def test_with_consent_the_code_of_a_run_runs(run, code, tmp_path, capsys):
    own = naming(run, tmp_path / "own", "likelihood", f"{code}:multinomial")
    assert main(["evaluate", str(own), "--trust-code"]) == 0
    assert ran(code)
    assert main(["evaluate", str(run)]) == 0
    with_code, without = capsys.readouterr().out.split("\n\n")[-1], capsys.readouterr().out
    assert without in with_code
    assert mv.load_run(own, trust_code=True).best_epoch == mv.load_run(run).best_epoch


def test_code_that_has_changed_since_the_training_is_said(run, code, tmp_path, capsys):
    own = tmp_path / "own"
    words = ["--likelihood", f"{code}:multinomial"]
    assert train(run.parent / "ratings.csv", own, *words) == 0
    capsys.readouterr()
    for change, said in (("", ""), ("\n", f"{code}: has changed since {own} was saved; ")):
        code.write_text(code.read_text() + change)
        mv.load_run(own, trust_code=True)
        assert capsys.readouterr().err.startswith(said)
        assert bool(said) == bool(change)


@pytest.mark.parametrize("option", [*PARTS, *TRAINING])
def test_a_file_of_options_runs_no_code_unless_the_command_line_names_it_too(
    option, code, tmp_path, capsys
):
    name, part = f"{code}:multinomial", "training" if option in TRAINING else "model"
    file = tmp_path / "config.json"
    file.write_text(json.dumps({part: {option: name}}))
    for command in (["train"], ["sweep", "--vary", "latent", "2", "3"]):
        words = [*command, "--config", str(file), "--out", str(tmp_path / "out")]
        assert main(words) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"multvae: --config {file}: --{option} {name}: this would run")
        assert not ran(code)


@pytest.mark.parametrize("consent", [["--trust-code"], ["--likelihood"], ["--likelihood="]])
def test_with_consent_the_code_of_a_file_of_options_runs(consent, code, tmp_path):
    name = f"{code}:multinomial"
    (tmp_path / "config.json").write_text(json.dumps({"model": {"likelihood": name}}))
    again = {"--likelihood": ["--likelihood", name], "--likelihood=": [f"--likelihood={name}"]}
    words = ["train", "--config", str(tmp_path / "config.json"), "--data", "no-such-file"]
    assert main([*words, *again.get(consent[0], consent)]) == 2
    assert ran(code)


def test_every_option_that_can_name_code_is_looked_at():
    for options, names in ((ModelOptions(), PARTS), (TrainingOptions(), TRAINING)):
        for name in names:
            with pytest.raises(InputError, match=f"--{name} a:b: this would run the module a"):
                refuse_code(None, dataclasses.replace(options, **{name: "a:b"}))
        refuse_code(options)

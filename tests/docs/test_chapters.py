"""The programs of the chapters run; the commands of all pages have their options."""

import re
import shlex

import pytest

from multvae_jax.cli.main import main
from tests.builders import write_ratings
from tests.docs.builders import ROOT, blocks

pytestmark = pytest.mark.updates

SMALL = {"train": ["--epochs", "1", "--latent", "4", "--baselines", "none"]}
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])


def commands(name):
    """The commands of a page, as words."""
    lines = (
        line for language, _, text in blocks(name) if language == "sh" for line in text.splitlines()
    )
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("multvae ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapters")
    write_ratings(folder / "ratings.csv", n_users=60)
    return folder


def run_programs(name, small):
    text = "\n".join(text for language, _, text in blocks(name) if language == "python")
    for written, other in small.items():
        assert written in text
        text = text.replace(written, other)
    names = {"__name__": name}
    exec(compile(text, name, "exec"), names)
    return names


def test_the_tutorial_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    # Those of the last section train on all users, or on newer data.
    ran = [words for words in commands("docs/tutorial.md") if "runs/final" not in words]
    for words in ran:
        assert main([*words, *SMALL.get(words[0], [])]) == 0, words
    assert [words[0] for words in ran] == ["train", "recommend", "recommend", "similar"]
    header, *rows = (folder / "lists.csv").read_text().splitlines()
    assert len(rows) == 10 * 60, header
    capsys.readouterr()
    run_programs("docs/tutorial.md", {"mv.mult_vae, split)": "mv.mult_vae, split, epochs=1)"})
    said = capsys.readouterr().out
    assert "ndcg@100" in said.lower() or "NDCG@100" in said
    assert "because of: 1" in said


def test_the_program_on_sweeps_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    run_programs("docs/sweeps.md", {"range(3)": "range(1)", "epochs=5": "epochs=1"})
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_programs_on_recommending_and_data_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run_programs("docs/data.md", {})
    small = {
        "validation=600, test=600": "validation=8, test=8",
        "mv.mult_vae, split)": "mv.mult_vae, split, epochs=1)",
        '["50", "181", "260"]': '["100", "101", "102"]',
        '["181"]': '["103"]',
        'similar_items("50"': 'similar_items("100"',
    }
    found = run_programs("docs/recommending.md", small)
    assert len(found["user"].items) == 10
    assert "103" not in found["user"].items
    assert found["evaluation"].mean("ndcg@100") > 0


def test_every_option_of_a_command_exists(capsys):
    helps = {}
    for page in PAGES:
        for command, *words in commands(page.relative_to(ROOT)):
            if command not in helps:
                with pytest.raises(SystemExit):
                    main([command, "--help"])
                helps[command] = set(re.findall(r"--[\w-]+|-\w\b", capsys.readouterr().out))
            options = {word for word in words if re.fullmatch(r"--?[a-z][\w-]*", word)}
            assert options <= helps[command], (page.name, command, options - helps[command])

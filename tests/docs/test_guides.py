"""Every block of the guide runs, in order, as a reader would run them."""

import re
import shlex

import jax
import numpy as np
import pytest

from multvae_jax.cli.main import main
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.tournament import rounds
from tests.builders import write_ratings
from tests.docs.builders import ROOT, blocks
from tests.tournament.builders import trial

# Not under strict promotion: these are programs of a user's own.
pytestmark = pytest.mark.updates


GUIDE, EVALUATION = blocks("docs/extending.md"), blocks("docs/evaluation.md")


def lines_of(text):
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_a_likelihood_takes_fewer_than_fifteen_lines_from_import_to_a_trained_model():
    texts = [text for language, _, text in GUIDE if language == "python"]
    first, second = lines_of(texts[0]), lines_of(texts[1])
    assert first[0].startswith("import ")
    trained = next(n for n, line in enumerate(second) if line.startswith("run = mv.fit("))
    assert len(first) + trained + 1 < 15


def test_no_line_of_the_guide_is_too_long():
    for _, _, text in GUIDE:
        assert max(map(len, text.splitlines())) <= 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the reader works: some ratings, and the guide's functions in a file."""
    folder = tmp_path_factory.mktemp("guide")
    write_ratings(folder / "ratings.csv", n_users=60)
    genres = [f"{item},{('Drama', 'Comedy')[item % 2]}" for item in range(100, 130)]
    (folder / "genres.csv").write_text("\n".join(["item,genres", *genres]) + "\n")
    for name, guide in {"my_file.py": GUIDE, "my_metrics.py": EVALUATION}.items():
        own = [text for _, file, text in guide if file == name]
        (folder / name).write_text("\n\n".join(own))
    return folder


def test_the_guides_programs_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names = {"__name__": "guide"}
    # The first run has the epochs of the recipe, ten times as many as the test needs.
    whole, short = "(likelihood=tempered()), split)", "(likelihood=tempered()), split, epochs=10)"
    assert sum(whole in text for _, _, text in GUIDE) == 1
    for number, (language, _, text) in enumerate(GUIDE):
        if language == "python":
            text = text.replace(whole, short)
            exec(compile(text, f"block {number} of the guide", "exec"), names)
    said = capsys.readouterr().out
    # What the guide says of the failure is what it is.
    (comment,) = re.findall(r"print\(error\)  # (.+)", (ROOT / "docs/extending.md").read_text())
    assert said.splitlines()[-1] == comment
    assert "ndcg@100" in said
    popularity = names["run"].params["likelihood"]["popularity"]
    assert np.asarray(popularity).any()
    assert jax.tree.structure(names["run"].state.opt_state[0].mu) == jax.tree.structure(
        names["run"].params
    )
    check_two_normals(names["TwoNormals"])


def check_two_normals(two_normals):
    """Its density integrates to 1, and its mean and its samples are of that density."""
    posterior = two_normals(jax.numpy.array([[-1.0], [2.0]]), jax.numpy.array([[0.0], [-1.0]]))
    z = np.linspace(-12, 12, 4801, dtype=np.float32)[:, None]
    density = np.exp(np.float64(jax.vmap(posterior.log_prob)(z)))
    step = z[1, 0] - z[0, 0]
    assert density.sum() * step == pytest.approx(1.0, rel=1e-4)
    mean = (z[:, 0] * density).sum() * step
    assert posterior.mean()[0] == pytest.approx(mean, abs=1e-3)
    variance = ((z[:, 0] - mean) ** 2 * density).sum() * step
    draws = np.asarray(jax.vmap(posterior.sample)(jax.random.split(jax.random.key(0), 4000)))
    # 5 standard errors: one in 1.7 million right samples is further away.
    assert abs(draws.mean() - mean) < 5 * np.sqrt(variance / 4000)
    assert (draws > 0.5).mean() == pytest.approx(density[z[:, 0] > 0.5].sum() * step, abs=0.04)


def test_the_readmes_programs_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    fits_the_table = {
        "validation=600, test=600": "validation=8, test=8",
        "mv.mult_vae, split)": "mv.mult_vae, split, epochs=1)",
        '"50", "181", "260"': '"100", "101", "102"',
    }
    text = "\n".join(text for language, _, text in blocks("README.md") if language == "python")
    for written, small in fits_the_table.items():
        assert written in text
        text = text.replace(written, small)
    exec(compile(text, "the README", "exec"), {"__name__": "readme"})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "ndcg@100" in said[0]


def test_the_guides_commands_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    commands = [
        line
        for language, _, text in GUIDE
        if language == "sh"
        for line in text.splitlines()
        if line.startswith("multvae ")
    ]
    assert len(commands) == 7
    # What is trained is tested with the tournament.
    of_nothing = trial(0.4, metrics=tuple(PAPER_METRICS))
    monkeypatch.setattr(rounds, "run_trial", lambda *given: of_nothing)
    for number, command in enumerate(commands):
        words = shlex.split(command, comments=True)[1:]
        if words[0] == "try":
            words += ["--seeds", "3"]
        if words[0] == "train":
            words += ["--epochs", "2", "--held-out", "8", "--baselines", "popularity"]
            words += [] if "--out" in words else ["--out", f"runs/{number}"]
        assert main(words) == 0, command


def test_the_programs_and_commands_of_the_page_on_evaluation_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    names = {"__name__": "evaluation"}
    users = [f"{user}::{'FM'[user % 2]}::25::4::0\n" for user in range(1000)]
    (folder / "users.dat").write_text("".join(users))
    for language, file, text in EVALUATION:
        if language == "python" and file == "":
            exec(compile(text, "the page on evaluation", "exec"), names)
    run = names["run"]
    niche = [entry["validation"]["niche@20"] for entry in run.log]
    assert niche.index(max(niche)) + 1 == run.best_epoch
    commands = [
        line
        for language, _, text in EVALUATION
        if language == "sh"
        for line in text.splitlines()
        if "my_metrics.py" in line
    ]
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)[1:]
        small = ["--epochs", "2", "--held-out", "8", "--baselines", "popularity"]
        assert main([*words, *(small if words[0] == "train" else [])]) == 0, command
    assert "Share of niche@20" in capsys.readouterr().out


def test_the_training_loop_makes_the_updates_of_fit(folder, monkeypatch, capsys):
    """The page itself compares its last loss with that of `fit`, and loads its checkpoint."""
    monkeypatch.chdir(folder)
    names = {"__name__": "training_loop"}
    texts = [text for language, _, text in blocks("docs/training-loop.md") if language == "python"]
    for number, text in enumerate(texts):
        exec(compile(text, f"block {number} of the page", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said[:5]] == [f"epoch {n}" for n in range(1, 6)]
    assert int(names["state"].step) == 6 * 10
    assert max(entry["validation"]["ndcg@100"] for entry in names["run"].log) == names["best_ndcg"]
    for best, kept in zip(
        jax.tree.leaves(names["best"]), jax.tree.leaves(names["run"].params), strict=True
    ):
        np.testing.assert_array_equal(best, kept)


def test_the_training_loop_needs_nothing_private():
    (text,) = [(ROOT / "docs/training-loop.md").read_text(encoding="utf-8")]
    assert not re.search(r"\b(import|mv|multvae_jax)[\w.]*\s_\w|\._\w", text)

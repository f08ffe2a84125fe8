"""Runs that lack something: the rest of the page is there, and a sentence says what is missing."""

import base64
import os
import re
import shutil
import subprocess
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.cli.main import main
from multvae_jax.models import blend_of
from multvae_jax.reports import figures, users
from multvae_jax.reports.contents import Content, content_of
from multvae_jax.reports.examples import Example
from multvae_jax.reports.web_page import picture
from multvae_jax.runs import Run
from tests.export.builders import conditional
from tests.reports.builders import N_ITEMS, Page, ease, entry, split, untrained

SPLIT = split()
VAE = untrained(mv.mult_vae((), 4), SPLIT)
BROWSER = os.environ.get("MULTVAE_BROWSER") or shutil.which("chromium") or shutil.which("chrome")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A run without users and validation, and two on different users."""
    folder = tmp_path_factory.mktemp("lacking")
    bare = untrained(VAE.model, SPLIT, log=[entry(1, beta=0.1), entry(2, beta=0.2)])
    runs = {
        "bare": replace(bare, split=None),
        "one": ease(SPLIT),
        "other": ease(split(seed=1)),
    }
    for name, run in runs.items():
        run.save(folder / name)
    paths, out = [str(folder / name) for name in runs], folder / "page.html"
    small = ["--metrics", "ndcg@10", "--examples", "1", "-k", "3", "--out", str(out)]
    assert main(["report", *paths, *small]) == 0
    return out.read_text(encoding="utf-8")


def test_a_run_without_users_and_without_validation(text):
    page = Page(text)
    for part, what in (
        ("results", "results"),
        ("latent-dimensions", "latent dimensions to show"),
        ("users-by-activity", "groups of users"),
        ("popularity-and-coverage", "lists to look at"),
        ("some-users", "users to show"),
    ):
        assert page.left_out[part][0] == f"mult-vae has no {what}: it has no test users."
    assert "latent-dimensions" not in page.tables
    assert [image["alt"] for image in page.images if image["alt"].endswith("by epoch")] == [
        "Loss per user by epoch", "KL term by epoch", "Beta by epoch",
    ]  # fmt: skip
    assert page.circles == 3 * N_ITEMS


def test_runs_of_other_users_are_shown_and_not_compared(text):
    page = Page(text)
    assert "the runs are not compared with each other" in page.text["results"]
    # One table, without a column for popularity, which differs.
    ((header, *_),) = page.tables["results"]
    assert header == ["", "one", "other"]


def test_users_of_one_id_with_other_histories_are_shown_apart():
    def named(name, *history):
        return Content(name, {}, SPLIT.catalogue, {}, 0, examples=[Example("7", [*history], 1, [])])

    text = users.examples([named("one", "A", "B"), named("two", "B", "A"), named("three", "C")])
    assert re.findall("<h[34]>(.*?)</h|held out.</b> (.*?)</p>", text) == [
        ("User 7", ""), ("", "A; B"), ("one", ""), ("two", ""),
        ("User 7", ""), ("", "C"), ("three", ""),
    ]  # fmt: skip


def content(run, split=SPLIT, metrics=("ndcg@10",)):
    known = {name: mv.metrics.at_cutoffs([10])[name] for name in metrics}
    return content_of("run", run, {}, {"training": run.log}, split.test, known)


def test_a_blend_has_the_curves_and_the_latent_dimensions_of_its_network():
    baseline = ease(SPLIT)
    params = {"model": VAE.params, "baseline": baseline.params, "weight": jnp.float32(0.5)}
    model = blend_of(VAE.model, baseline.model)
    run = Run(model, params, VAE.catalogue, VAE.best_epoch, None, VAE.log, SPLIT)
    found, own = content(run), content(VAE)
    np.testing.assert_array_equal(found.latent.kl, own.latent.kl)
    assert not found.left_out
    assert figures.curve([found], "ndcg@100") is not None


def test_a_model_that_reads_features_of_users_and_has_another_prior():
    prior = mv.Prior(lambda mu, logvar, z, theta: jnp.sum(mu**2))
    model = mv.mult_vae((), 4, network=conditional, prior=prior)
    given = with_features(SPLIT, np.random.default_rng(0))
    found, other = (
        content(untrained(model, each), each)
        for each in (given, with_features(given, np.random.default_rng(1)))
    )
    assert not found.left_out
    assert found.latent.variance.tolist() != other.latent.variance.tolist()
    assert found.has_other_prior


def with_features(split, rng):
    def features(n):
        return rng.normal(size=(n, 3)).astype(np.float32)

    held_out = {
        part: replace(users, user_features=features(len(users.user_ids)))
        for part, users in (("validation", split.validation), ("test", split.test))
    }
    return replace(split, user_features=features(split.train.shape[0]), **held_out)


def test_what_a_curve_shows():
    found = content(VAE)
    assert not found.has_other_prior
    axes = figures.curve([found], "ndcg@100").axes[0]
    values, best = axes.lines
    assert values.get_xydata().tolist() == [[1, 0.1], [2, 0.3], [3, 0.2]]
    assert set(best.get_xdata()) == {2}
    popular = figures.popularity_curve([found]).axes[0]
    training, shown = (line.get_ydata() for line in popular.lines)
    counts = np.sort(SPLIT.catalogue.counts)[::-1]
    assert training[3] == pytest.approx(counts[:4].sum() / counts.sum())
    assert shown[-1] == 1
    order = np.argsort(-SPLIT.catalogue.counts, kind="stable")
    assert shown[3] == pytest.approx(found.shown[order[:4]].sum() / found.shown.sum())
    # In lists of 20, or of all other items, of the users with something held out.
    is_tested = SPLIT.test.targets.sum(axis=1) > 0
    others = N_ITEMS - SPLIT.test.history.sum(axis=1)
    assert found.shown.sum() == np.minimum(20, others)[is_tested].sum()
    assert not is_tested.all()


@pytest.mark.parametrize("name", ["_実行", "$x^{$", "n" * 200])
def test_a_legend_has_the_names_of_all_runs(name, recwarn):
    """Whatever they are to matplotlib: hidden, without letters in its font, a formula, too long."""
    contents = [
        Content(each, {}, SPLIT.catalogue, {"training": VAE.log}, 2) for each in (name, "other")
    ]
    drawn = picture(figures.curve(contents, "loss"), "").partition("base64,")[2].partition('"')[0]
    # As letters, and not as outlines of the letters that matplotlib has.
    assert re.search(f"<text[^>]*>\\s*{re.escape(name[:30])}", base64.b64decode(drawn).decode())
    assert not recwarn.list


@pytest.mark.nans
def test_what_cannot_be_reported_is_one_line(tmp_path, capsys):
    ease(SPLIT).save(tmp_path / "ease")
    nan = ease(SPLIT)
    bad = nan.params["item_weights"].at[0].set(jnp.nan)
    replace(nan, params={"item_weights": bad}).save(tmp_path / "nan")
    here = tmp_path / "ease"
    cases = [
        ([], "RUN: give the directory of a run, or of several"),
        ([tmp_path / "none"], "none: not a run, it has no config.json"),
        ([here, here], "ease: is given twice"),
        ([here, "--out", tmp_path], "is a directory; name a file in it"),
        ([here, "--out", tmp_path / "no" / "page.html"], "no does not exist"),
        ([here, "--metrics", "ndgc"], "--metrics ndgc"),
        ([here, "--examples", "0"], "examples"),
        ([tmp_path / "nan"], "NaN"),
    ]
    capsys.readouterr()
    for words, message in cases:
        assert main(["report", *map(str, words)]) == 2
        out, said = capsys.readouterr()
        assert (out, len(said.splitlines())) == ("", 1), said
        assert message in said


PROBE = """
<script>
const map = document.querySelector("svg.map"), point = map.querySelector("circle");
const at = point.getBoundingClientRect();
const event = {clientX: at.x + at.width / 2, clientY: at.y + at.height / 2, bubbles: true};
map.dispatchEvent(new PointerEvent("pointermove", event));
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
document.title = "RESULT " + map.nextElementSibling.textContent + " " + wide;
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no browser: set MULTVAE_BROWSER to a Chromium")
def test_the_map_names_the_item_under_the_pointer_in_a_browser(text, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(text.replace("</body>", f"{PROBE}</body>"))
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--window-size=390,900", f"--user-data-dir={tmp_path / 'browser'}", path.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    most = int(np.argmax(SPLIT.catalogue.counts))
    users = SPLIT.catalogue.counts[most]
    title = SPLIT.catalogue.titles[str(most)].replace("&", "&amp;").replace("<", "&lt;")
    expected = f"RESULT {title.replace('>', '&gt;')} ({users} users) false"
    assert f"<title>{expected}</title>" in done.stdout

"""`multvae report`: the numbers of the page by other means, and the page itself."""

import re

import numpy as np
import pytest
import scipy.stats

import multvae_jax as mv
from multvae_jax.cli.main import main
from tests.builders import as_numpy64
from tests.reports.builders import Page, ease, number, rows, split, untrained

TEST = split()
SMALL = ["--metrics", "ndcg@10", "--examples", "3", "-k", "5"]


def reported(folder, *words):
    """The page of a command that succeeds."""
    out = folder / "report.html"
    assert main(["report", *map(str, words), *SMALL, "--out", str(out)]) == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    untrained(mv.mult_vae((), 4), TEST).save(folder / "vae")
    ease(TEST).save(folder / "ease")
    return folder


@pytest.fixture(scope="module")
def text(folder):
    return reported(folder, folder / "vae", folder / "ease")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture(scope="module")
def lists(folder):
    """The items that each run recommends to the users that are evaluated."""
    users = TEST.test.rows(TEST.test.targets.sum(axis=1) > 0)
    return {
        name: mv.recommend_lists(
            mv.load_run(folder / name).scorer, TEST.catalogue, users.history, users.user_ids, 20
        )
        for name in ("vae", "ease")
    }


NAMES = {"vae": "mult-vae", "ease": "ease"}


def ndcg(items, targets, k=10):
    """NDCG@k of one user, as a sum over the ranks of the hits."""
    places = [rank for rank, item in enumerate(items[:k]) if item >= 0 and targets[item]]
    ideal = sum(1 / np.log2(rank + 2) for rank in range(min(k, int(targets.sum()))))
    return sum(1 / np.log2(rank + 2) for rank in places) / ideal


@pytest.fixture(scope="module")
def by_user(lists):
    targets = TEST.test.targets.toarray() > 0
    targets = targets[targets.any(axis=1)]
    return {
        name: np.array([ndcg(*each) for each in zip(found.items, targets, strict=True)])
        for name, found in lists.items()
    }


def half_width(values):
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, scale=scipy.stats.sem(values))
    return (high - low) / 2


def test_the_results_and_their_intervals_are_those_of_the_users(page, by_user):
    found = rows(page.tables["results"][0])["NDCG@10"]
    for name, values in by_user.items():
        assert number(found[NAMES[name]]) == pytest.approx(
            (values.mean(), half_width(values)), abs=6e-5
        )
    popular = np.argsort(-TEST.catalogue.counts, kind="stable")
    history, targets = TEST.test.history.toarray(), TEST.test.targets.toarray()
    expected = [
        ndcg([item for item in popular if not mine[item]], own)
        for mine, own in zip(history, targets, strict=True)
        if own.any()
    ]
    assert number(found["popularity"])[0] == pytest.approx(np.mean(expected), abs=6e-5)


def test_the_differences_are_paired(page, by_user):
    best, other = sorted(by_user, key=lambda name: -by_user[name].mean())
    found = rows(next(table for table in page.tables["results"][1:] if table[0][0] == "NDCG@10"))
    difference = by_user[other] - by_user[best]
    row = found[NAMES[other]]
    assert found[NAMES[best]]["difference"] == "reference"
    assert float(row["difference"]) == pytest.approx(difference.mean(), abs=6e-5)
    half = float(row["95%, users"].removeprefix("± "))
    assert half == pytest.approx(half_width(difference), abs=6e-5)


def test_the_groups_are_quarters_by_the_length_of_the_history(page, by_user):
    has_target = TEST.test.targets.sum(axis=1) > 0
    lengths = TEST.test.history.sum(axis=1)[has_target]
    found = rows(page.tables["users-by-activity"][0])
    users = sum(int(row["users"]) for row in found.values())
    assert has_target.sum() - users == 2
    assert "1 group of fewer than 5 users (" in page.text["users-by-activity"]
    for label, row in found.items():
        low, _, high = label.partition(" to ")
        mine = (lengths >= int(low)) & (lengths <= int(high or low))
        assert int(row["users"]) == mine.sum()
        for name, values in by_user.items():
            assert number(row[NAMES[name]])[0] == pytest.approx(values[mine].mean(), abs=6e-5)


def test_coverage_and_popularity_are_those_of_the_lists(page, lists):
    found = rows(page.tables["popularity-and-coverage"][0])
    counts = TEST.catalogue.counts
    for name, each in lists.items():
        shown = [mine[mine >= 0] for mine in each.items]
        coverage = len(np.unique(np.concatenate(shown))) / len(counts)
        assert number(found["Coverage@20"][NAMES[name]]) == (pytest.approx(coverage), None)
        popularity = np.mean([counts[mine].mean() for mine in shown])
        assert number(found["Average popularity@20"][NAMES[name]])[0] == pytest.approx(
            popularity, abs=6e-5
        )


def test_the_latent_dimensions_are_those_of_the_encoder(page, folder):
    run, x = mv.load_run(folder / "vae"), TEST.test.history.toarray()
    layer = as_numpy64(run.params["network"]["encoder"]["layers_0"])
    code = x / np.linalg.norm(x, axis=1, keepdims=True) @ layer["kernel"] + layer["bias"]
    mu, logvar = np.split(code, 2, axis=1)
    kl = -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).mean(axis=0)
    ((_, *cells),) = page.tables["latent-dimensions"][0][1:]
    assert cells == ["4", str((mu.var(axis=0) > 0.01).sum()), f"{kl.sum():.2f}"]
    assert page.left_out["latent-dimensions"] == [
        "ease has no latent dimensions to show: it is not a variational autoencoder."
    ]
    assert "another prior" not in page.text["latent-dimensions"]


def test_users_are_shown_with_their_hits_and_the_reasons_of_why(page, lists, folder):
    """Three users, in the middle of each third by the length of the history."""
    users, titles = TEST.test, TEST.catalogue.titles
    (tested,) = np.nonzero(users.targets.sum(axis=1) > 0)
    order = tested[np.argsort(users.history.sum(axis=1)[tested], kind="stable")]
    shown = [order[len(order) * place // 6] for place in (1, 3, 5)]
    text = " ".join(page.text["some-users"].split())
    starts = [text.index(f"User {users.user_ids[row]} ") for row in shown]
    assert starts == sorted(starts)
    hits = 0
    for row in shown:
        for found in lists.values():
            (place,) = np.flatnonzero(found.user_ids == users.user_ids[row])
            hits += int(users.targets[[row]].toarray()[0, found.items[place, :5]].sum())
    assert page.hits == hits > 0
    recommender = mv.Recommender(mv.load_run(folder / "ease"))
    history = TEST.catalogue.ids[users.history[[shown[0]]].indices]
    (best,) = recommender.recommend([history.tolist()], k=1)
    why = recommender.why(history.tolist(), best.items[0])
    reason = f"{titles[best.items[0]]}"
    own = text[text.index(" ease ", starts[0]) : starts[1]]
    assert f"ease {reason}" in own
    assert f"because of {titles[why.history[0]]} ({why.effects[0]:+.2g})" in own


def test_the_page_is_one_file_that_loads_nothing_and_escapes_titles(text, page):
    assert "<b>Film" not in text
    assert "&lt;b&gt;Film &amp; 3&lt;/b&gt;" in text
    assert not re.search(r"(src|href)=[\"'](?!data:|#)|url\(|@import|https?:", text)
    assert "default-src 'none'" in text
    assert all(image["alt"] for image in page.images)
    # Loss, KL, validation, beta; a picture of differences per metric; latent, groups, popularity.
    assert len(page.images) == 4 + len(page.tables["results"]) - 1 + 3
    assert page.circles == 2 * len(TEST.catalogue.ids)
    assert page.left_out["training"] == [
        "ease has no learning curves: it has no epochs.",
        "ease has no curve of beta: its loss has no term that beta weights.",
    ]

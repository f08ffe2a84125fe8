"""What a run, an evaluation and a split look like in a session and in a notebook."""

import dataclasses

import jax
import numpy as np
import polars as pl
import pytest

import multvae_jax as mv
from multvae_jax.data.types import Catalogue
from multvae_jax.recommending.recommender import SimilarItems
from multvae_jax.recommending.scoring import Reasons
from multvae_jax.recommending.top_k import Recommendation
from tests.builders import checkerboard

pytestmark = pytest.mark.updates


def test_an_evaluation_shows_its_metrics():
    found = mv.Evaluation(
        {"recall@20": np.array([0.5, 1.0])}, users_without_target=0, overall={"coverage@20": 0.25}
    )
    shown = "recall@20 0.7500 ± 0.1768, coverage@20 0.2500"
    assert repr(found) == f"<Evaluation of 2 users: {shown}>"
    html = found._repr_html_()
    assert "<caption>Evaluation of 2 users</caption>" in html
    assert "<td>recall@20</td><td>0.7500 ± 0.1768</td>" in html


def test_a_split_shows_its_sizes_and_notes():
    split = dataclasses.replace(checkerboard(), notes=("a <note>",))
    sizes = split.sizes()
    assert sizes["training users"] == len(split.user_ids)
    assert repr(split).startswith(f"<Split: {sizes['training users']:,} training users, ")
    assert "<td>note</td><td>a &lt;note&gt;</td>" in split._repr_html_()


def test_data_shows_its_sizes_and_not_its_arrays():
    split = checkerboard()
    users, n_users = split.test, len(split.test.user_ids)
    sizes = f"{users.history.nnz} interactions as history, {users.targets.nnz} interactions as ta"
    assert repr(users).startswith(f"<HeldOut: {n_users} users, {sizes}")
    assert f"<td>interactions as targets</td><td>{users.targets.nnz}</td>" in users._repr_html_()
    catalogue = dataclasses.replace(split.catalogue, titles={"i0": "<b>First"})
    assert repr(catalogue) == "<Catalogue: 40 items, 1 with titles>"
    html = catalogue._repr_html_()
    assert html.count("<tr>") == 12
    assert f"<td>i0</td><td>&lt;b&gt;First</td><td>{catalogue.counts[0]}</td>" in html
    rows = [("ann", "a", 1), ("ann", "b", 1), ("bob", "a", 1)]
    frame = pl.DataFrame(rows, schema=["user", "item", "rating"], orient="row")
    data = mv.from_frame(frame, min_user_count=1)
    assert repr(data) == "<Interactions: 3 of 2 users with 2 items>"
    assert "<td>users</td><td>2</td>" in data._repr_html_()


def test_what_is_recommended_shows_titles_and_scores():
    ids, titles = [f"i{n}" for n in range(7)], ("A & B", *[None] * 6)
    scores = [2.5, 1.25, 1.0, 0.5, 0.25, 0.125, 0.0]
    line = "i0 A & B 2.5, i1 1.25, i2 1, i3 0.5, i4 0.25, ...>"
    found = Recommendation(ids, scores, 0, False, titles)
    assert repr(found) == f"<7 items: {line}"
    html = found._repr_html_()
    assert "<tr><td>1</td><td>i0</td><td>A &amp; B</td><td>2.5000</td></tr>" in html
    assert "<tr><td>7</td><td>i6</td><td></td><td>0.0000</td></tr>" in html
    popular = Recommendation(ids[:1], [31.0], 0, True)
    assert repr(popular) == "<the most popular items: i0 31>"
    assert "<th>users</th>" in popular._repr_html_()
    assert repr(SimilarItems(ids, scores, titles)) == f"<7 similar items: {line}"
    assert "<th>similarity</th>" in SimilarItems(ids, scores, titles)._repr_html_()
    reasons = Reasons("x", 0.75, ids, scores, titles, 0)
    assert repr(reasons) == f"<score 0.75 of x, because of: {line}"
    assert "<th>effect</th>" in reasons._repr_html_()
    catalogue = Catalogue(np.array(ids, object), np.ones(7, np.int64), {"i0": "A & B"})
    items = np.array([[0, 1], [2, -1]], np.int32)
    lists = mv.Lists(np.array(["ann", "bob"], object), items, items.astype(np.float32), catalogue)
    html = lists._repr_html_()
    assert "<caption>Lists of 2 users, up to 2 of 7 items each</caption>" in html
    assert "<tr><td>ann</td><td>A &amp; B</td><td>i1</td></tr>" in html
    assert "<tr><td>bob</td><td>i2</td><td></td></tr>" in html


def test_a_run_shows_its_model_epoch_and_validation():
    split = checkerboard()
    run = mv.fit(jax.random.key(0), mv.mult_dae((), 2), split, epochs=2, batch_size=20)
    best = run.log[run.best_epoch - 1]["validation"]["ndcg@100"]
    assert repr(run).startswith(f"<Run of mult-dae: items 40, epoch {run.best_epoch} of 2, ")
    assert f"validation ndcg@100 {best:.4f}" in repr(run)
    assert f"<td>validation ndcg@100</td><td>{best:.4f}</td>" in run._repr_html_()
    recommender = mv.Recommender(run)
    assert repr(recommender).startswith("<Recommender of mult-dae: items 40, epoch ")
    assert "<caption>Recommender of mult-dae</caption>" in recommender._repr_html_()
    linear = mv.fit_baseline("ease", split, constants={"regularization": 20.0})
    assert repr(linear) == "<Run of ease: items 40, regularization 20>"
    plain = dataclasses.replace(run, model=run.model._replace(made_by=None), log=[], best_epoch=0)
    assert repr(plain) == "<Run of a model of your own: items 40>"

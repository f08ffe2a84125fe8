"""What a run, an evaluation and a split look like in a session and in a notebook."""

import dataclasses

import jax
import numpy as np
import pytest

import multvae_jax as mv
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


def test_a_run_shows_its_model_epoch_and_validation():
    split = checkerboard()
    run = mv.fit(jax.random.key(0), mv.mult_dae((), 2), split, epochs=2, batch_size=20)
    best = run.log[run.best_epoch - 1]["validation"]["ndcg@100"]
    assert repr(run).startswith(f"<Run of mult-dae: items 40, epoch {run.best_epoch} of 2, ")
    assert f"validation ndcg@100 {best:.4f}" in repr(run)
    assert f"<td>validation ndcg@100</td><td>{best:.4f}</td>" in run._repr_html_()
    linear = mv.fit_baseline("ease", split, constants={"regularization": 20.0})
    assert repr(linear) == "<Run of ease: items 40, regularization 20>"
    plain = dataclasses.replace(run, model=run.model._replace(made_by=None), log=[], best_epoch=0)
    assert repr(plain) == "<Run of a model of your own: items 40>"

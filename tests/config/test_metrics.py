"""From the names of metrics to metrics: the package's own, and those of a user's file."""

import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.config.metrics import (
    final_metrics,
    named_metrics,
    shown_metrics,
    validation_metrics,
)
from multvae_jax.config.options import TrainingOptions
from multvae_jax.config.resolve import with_absolute_paths
from multvae_jax.config.trust import code_files, refuse_code
from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError
from multvae_jax.evaluation.catalogue_metrics import CatalogueMetric, coverage
from multvae_jax.evaluation.list_metrics import ListMetric, auc
from multvae_jax.evaluation.metrics import PAPER_METRICS, Metric, at_cutoffs, ndcg, recall
from multvae_jax.evaluation.named import facts_of

FACTS = facts_of(Catalogue(np.array(["a", "b", "c"], object), np.array([3, 2, 1]), {}), n_users=5)

OWN = """
import jax.numpy as jnp
from multvae_jax import ListMetric

def first_hit(hits, n_targets, k):
    return hits[0].astype(jnp.float32)

def mean_share(user_list, popularity, n_users, floor=0.5):
    return jnp.maximum((popularity[user_list.items] / n_users).mean(), floor)

def most_often(counts):
    return counts.max()

def unknown_fact(user_list, weather):
    return weather

def other_form(scores):
    return scores

FIXED = ListMetric(mean_share, 3, {"popularity": jnp.ones(3), "n_users": jnp.float32(2)})
number = 3

def ndcg(hits, n_targets, k):
    return hits.sum()
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path}/own.py"


@pytest.mark.parametrize(
    ("name", "cutoff"), [("ndcg@100", 100), ("recall@20", 20), ("mrr@10", 10), ("hit_rate@7", 7)]
)
def test_the_selecting_metric_joins_the_papers(name, cutoff):
    metrics = validation_metrics(TrainingOptions(select_by=name))
    assert list(metrics) == list(dict.fromkeys([*PAPER_METRICS, name]))
    assert metrics[name] == at_cutoffs([cutoff])[name]


@pytest.mark.parametrize("name", ["ndgc@10", "@5", "ndgc"])
def test_a_metric_that_there_is_not_lists_those_that_there_are(name):
    with pytest.raises(InputError) as caught:
        validation_metrics(TrainingOptions(select_by=name))
    said = str(caught.value)
    assert said.startswith(f"--select-by {name}: no such metric")
    assert "\n" not in said
    for family in ("recall", "uncapped_recall", "ndcg", "precision", "hit_rate", "mrr", "rbp"):
        assert f"{family}{name[4:] if name != '@5' else '@5'}" in said
    if name == "ndgc@10":
        assert said.startswith("--select-by ndgc@10: no such metric; did you mean ndcg@10?")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ndcg", "give the cutoff too, such as ndcg@100"),
        ("ndcg@", "the cutoff '' is not a number"),
        ("ndcg@x", "the cutoff 'x' is not a number"),
        ("ndcg@-1", "the cutoff '-1' is not a number"),
        ("ndcg@0", "the cutoff 0: "),
        ("ndcg@1000000000000", "the cutoff 1000000000000: "),
        ("auc@5", "no such metric; did you mean auc?"),
    ],
)
def test_a_cutoff_that_is_not_one(name, reason):
    with pytest.raises(InputError) as caught:
        validation_metrics(TrainingOptions(select_by=name))
    assert str(caught.value).startswith(f"--select-by {name}: {reason}")


def test_names_without_a_cutoff_get_all_of_them():
    found = named_metrics("--metrics", ["coverage", "ndcg@7", "auc"], [5, 10], FACTS)
    assert found == {
        "coverage@5": CatalogueMetric(coverage, 5),
        "coverage@10": CatalogueMetric(coverage, 10),
        "ndcg@7": Metric(ndcg, 7),
        "auc": ListMetric(auc, 1, of_ranking=True),
    }


def test_a_function_of_a_file_is_given_what_its_parameters_name(own):
    names = [f"{own}:{name}" for name in ("first_hit", "mean_share@2", "most_often", "FIXED")]
    found = named_metrics("--metrics", names, [4], FACTS)
    assert [type(metric) for metric in found.values()] == [
        Metric,
        ListMetric,
        CatalogueMetric,
        ListMetric,
    ]
    assert list(found) == ["first_hit@4", "mean_share@2", "most_often@4", "FIXED"]
    about = found["mean_share@2"].about
    assert about.keys() == {"popularity", "n_users"}
    np.testing.assert_array_equal(about["popularity"], [3.0, 2.0, 1.0])
    assert about["n_users"] == 5
    assert found["FIXED"].cutoff == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("unknown_fact", "takes 'weather', which is not known here; known are popularity, n_users"),
        ("other_form", "takes (scores); a metric is a function of (hits, n_targets, k), of "),
        ("number", "of type int; a metric is a function of"),
        ("FIXED@2", "'FIXED' has the cutoff 3"),
        ("ndcg@2", "the package has a metric 'ndcg'; rename yours"),
    ],
)
def test_what_is_not_a_metric_of_a_file(own, name, reason):
    with pytest.raises(InputError) as caught:
        named_metrics("--metrics", [f"{own}:{name}"], [4], FACTS)
    assert reason.format(own=own) in str(caught.value)
    assert str(caught.value).startswith(f"--metrics {own}:{name}: ")


def test_the_table_shows_the_metrics_that_are_asked_for():
    training = TrainingOptions(metrics=("coverage@5", "auc"))
    assert shown_metrics(training) == [*PAPER_METRICS, "coverage@5", "auc"]
    final = final_metrics(training, FACTS)
    assert set(final) == {*PAPER_METRICS, *at_cutoffs([20, 50, 100]), "coverage@5", "auc"}
    assert final["recall@20"] == Metric(recall, 20)


def test_code_that_several_names_stand_for_is_known(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = TrainingOptions(metrics=("coverage@5", "own.py:first_hit@4"))
    with pytest.raises(InputError, match=r"^--metrics own\.py:first_hit@4: this would run"):
        refuse_code(training)
    refuse_code(training, given=["own.py:first_hit@4"])
    assert code_files(training) == [tmp_path / "own.py"]
    from multvae_jax.config.options import TrainConfig

    kept = with_absolute_paths(TrainConfig(training=training)).training.metrics
    assert kept == ("coverage@5", f"{own}:first_hit@4")


def test_a_fact_is_only_computed_where_a_metric_takes_it():
    def genres():
        raise AssertionError("read for nothing")

    named_metrics("--metrics", ["coverage"], [5], {**FACTS, "genres": genres})
    assert jnp.ndim(FACTS["n_users"]()) == 0

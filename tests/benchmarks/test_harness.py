"""What the benchmarks are made of: the data they generate and the peers they compare with."""

import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp

from benchmarks.harness.curve_fit import exponent, line
from benchmarks.harness.fingerprints import fingerprint
from benchmarks.harness.processes import run_fresh
from benchmarks.harness.synthetic import STARS, ratings
from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.splits import hold_out_users

ROOT = Path(__file__).parents[2]
SMALL = {"n_users": 300, "n_items": 2_000, "n_ratings": 15_000}


def test_generated_ratings_have_the_proportions_of_ml20m():
    """Bounds of five standard errors: a wrong alarm less than once in 10^5 seeds for all ten."""
    table = ratings(**SMALL, seed=3)
    n = SMALL["n_ratings"]
    assert table.shape == (n, 4)
    assert table.columns == ["userId", "movieId", "rating", "timestamp"]
    assert table.select("userId", "movieId").is_duplicated().sum() == 0
    assert table["userId"].n_unique() == SMALL["n_users"]
    for stars, count in STARS.items():
        share = count / sum(STARS.values())
        seen = (table["rating"] == stars).mean()
        assert abs(seen - share) < 5 * np.sqrt(share * (1 - share) / n), stars
    assert sum(count for stars, count in STARS.items() if stars > 3.5) / sum(
        STARS.values()
    ) == pytest.approx(0.5, abs=1e-3)


def test_generated_ratings_are_long_tailed_and_seeded():
    table = ratings(**SMALL, seed=3)
    by_user = table["userId"].value_counts()["count"]
    by_item = table["movieId"].value_counts()["count"].sort(descending=True)
    assert by_user.min() >= 15
    assert by_user.max() > 5 * by_user.median()
    # Under 1 / (p + 386)^2.3 the first tenth of 2,000 items is chosen in 46% of the draws.
    assert 0.38 < by_item[:200].sum() / len(table) < 0.52
    assert table.equals(ratings(**SMALL, seed=3))
    assert not table.equals(ratings(**SMALL, seed=4))


@pytest.mark.parametrize("files", [False, True])
def test_the_pandas_way_gives_the_same_split(tmp_path, files):
    pytest.importorskip("pandas", reason="pandas is a peer of the benchmarks and not installed")
    from benchmarks.contestants.preparation import pandas_notebook as prepare_pandas

    table = ratings(n_users=200, n_items=1_000, n_ratings=6_000).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    path = tmp_path / "ratings.csv"
    table.write_csv(path)
    ours = hold_out_users(read_interactions(path, min_rating=4), 30, 30)
    theirs = prepare_pandas.split(prepare_pandas.read(str(path)), 30, files)
    assert list(map(str, theirs.items)) == ours.catalogue.ids.tolist()
    assert list(map(str, theirs.train_users)) == ours.user_ids.tolist()
    assert (theirs.train != ours.train).nnz == 0
    for name in ("validation", "test"):
        users, history, targets = theirs.held_out[name]
        part = getattr(ours, name)
        assert list(map(str, users)) == part.user_ids.tolist()
        assert (history != part.history).nnz == 0
        assert (targets != part.targets).nnz == 0
        assert targets.nnz > 30


def test_a_fingerprint_tells_contents_and_not_layout():
    matrix = np.array([[0, 1, 1], [1, 0, 0]], np.float32)
    one = sp.csr_array(matrix)
    unsorted = sp.csr_array(
        (np.ones(3, np.float64), np.array([2, 1, 0]), np.array([0, 2, 3])), shape=(2, 3)
    )
    assert fingerprint(one) == fingerprint(unsorted)
    assert fingerprint(one) != fingerprint(sp.csr_array(matrix[::-1]))
    assert fingerprint([1, 23]) == fingerprint(pl.Series(["1", "23"]))
    assert fingerprint([1, 23]) != fingerprint([12, 3])


@pytest.mark.parametrize("power", [0.5, 1.0, 1.7])
def test_exponents_are_found(power):
    x = np.array([1, 2, 4, 8, 16])
    assert exponent(x, 3.0 * x**power) == pytest.approx(power)


def test_a_line_is_found_and_what_is_none_is_told():
    x = [34, 68, 136, 272, 544]
    fitted = line(x, [0.2 + 0.01 * each for each in x])
    assert fitted == pytest.approx((0.2, 0.01, 0.0), abs=1e-12)
    assert line(x, [0.001 * each**2 for each in x]).error > 0.3


def test_a_process_is_timed_to_its_answer_and_heard_to_its_end():
    program = (
        "import json, time; print('noise'); print(json.dumps({'a': 1}), flush=True);"
        "time.sleep(1.0); print(json.dumps({'b': 2}))"
    )
    began = time.perf_counter()
    finished = run_fresh([sys.executable, "-S", "-c", program])
    assert finished.said == {"a": 1, "b": 2}
    assert finished.seconds < time.perf_counter() - began - 0.9
    with pytest.raises(RuntimeError, match="status 3"):
        run_fresh([sys.executable, "-S", "-c", "raise SystemExit(3)"])


def test_the_peak_of_memory_is_of_the_process_itself():
    """A parent that holds much must not show in the child that it starts."""
    held = np.ones(25_000_000)
    program = (
        "import json; from benchmarks.harness.processes import peak_memory; before = peak_memory();"
        "x = b'1' * 100_000_000; print(json.dumps({'before': before, 'after': peak_memory()}))"
    )
    said = run_fresh([sys.executable, "-c", program], {"PYTHONPATH": str(ROOT)}).said
    assert said["before"] < held.nbytes / 3
    assert 90_000_000 < said["after"] - said["before"] < 130_000_000

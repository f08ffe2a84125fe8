"""The `jax.export` artifact, and the script that runs it where this package is not."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.export.artifact import artifact
from multvae_jax.export.program import COUNTS
from multvae_jax.export.subject import Subject, subject_of
from tests.builders import randomized
from tests.export.builders import (
    CATALOGUE,
    FEATURES,
    HISTORIES,
    N_ITEMS,
    K,
    conditional,
    expected,
    exported,
    make_run,
    padded,
    run_of,
)

pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")


def called(subject, *features):
    """What the artifact of a recommender recommends for `HISTORIES`."""
    weights = subject.weights() | {COUNTS: np.asarray(CATALOGUE.counts, np.float32)}
    loaded = jax.export.deserialize(bytearray(artifact(subject, weights, K)))
    assert loaded.platforms == ("cpu", "cuda", "tpu")
    items, scores = loaded.call(jax.tree.map(jax.numpy.asarray, weights), padded(), *features)
    # Another number of users, and other lengths, from the same artifact.
    one, _ = loaded.call(
        jax.tree.map(jax.numpy.asarray, weights),
        padded()[:1, 3:],
        *(each[:1] for each in features),
    )
    assert one.shape == (1, K)
    return np.asarray(items), np.asarray(scores)


@pytest.mark.parametrize("kind", ["wmf", "blend"])
def test_the_artifact_recommends_what_the_run_does(kind):
    run = make_run(kind)
    items, scores = called(subject_of(run))
    wanted, best = expected(run)
    np.testing.assert_array_equal(items, wanted)
    np.testing.assert_allclose(scores, best, rtol=2e-5, atol=2e-6)


def test_features_of_users_are_a_third_argument():
    model = mv.mult_vae((), 4, network=conditional)
    run = run_of(model, randomized(model.init, N_ITEMS))
    subject = Subject(model.score, run.params, CATALOGUE, FEATURES[:1])
    items, scores = called(subject, FEATURES)
    wanted, best = expected(run, FEATURES)
    np.testing.assert_array_equal(items, wanted)
    np.testing.assert_allclose(scores, best, rtol=2e-5, atol=2e-6)


def test_the_script_runs_where_the_package_cannot_be_imported(tmp_path):
    run = make_run("recvae")
    assert exported(run, tmp_path / "out", "jax") == []
    (tmp_path / "multvae_jax.py").write_text("raise ImportError('not here')\n")
    user = 1
    known = [CATALOGUE.ids[column] for column in np.flatnonzero(HISTORIES[user])]
    script = tmp_path / "out" / "recommend_jax.py"
    done = subprocess.run(
        # An unknown item is left out, and one that is given twice counts once.
        [sys.executable, str(script), *known, "nothing", known[0]],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    items, scores = (part[user] for part in expected(run))
    assert [row[1] for row in rows] == CATALOGUE.ids[items].tolist()
    assert [row[2] for row in rows] == [CATALOGUE.titles[row[1]] for row in rows]
    np.testing.assert_allclose([float(row[0]) for row in rows], scores, atol=2e-6)

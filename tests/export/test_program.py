"""The steps of a score, read by the NumPy script that is written beside them."""

import ast
import json
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder
from multvae_jax.export import directory
from multvae_jax.export.directory import SCRIPTS
from multvae_jax.export.program import CannotExportError
from multvae_jax.export.tracing import trace
from multvae_jax.recommending.vectors import vectors_of_items
from tests.builders import randomized
from tests.export.builders import (
    FEATURES,
    HISTORIES,
    KINDS,
    N_ITEMS,
    K,
    conditional,
    expected,
    exported,
    make_run,
    run_of,
)


def ranked(scores):
    """The best items that are not in `HISTORIES`."""
    unseen = np.where(HISTORIES > 0, -np.inf, scores)
    items = np.argsort(-unseen, axis=1, kind="stable")[:, :K]
    best = np.take_along_axis(unseen, items, axis=1)
    return np.where(best > -np.inf, items, -1), best


def reader(folder):
    return runpy.run_path(str(folder / "recommend_numpy.py"))["compute"]


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_computes_the_scores_of_every_kind_of_model(tmp_path, kind):
    run = make_run(kind)
    assert exported(run, tmp_path / "out", "weights") == []
    items, scores = expected(run)
    found, best = ranked(reader(tmp_path / "out")(HISTORIES))
    assert best.dtype == np.float32
    np.testing.assert_array_equal(found, items)
    np.testing.assert_allclose(best, scores, rtol=2e-5, atol=2e-6)


def test_features_of_users_are_an_input_of_their_own(tmp_path):
    model = mv.mult_vae((), 4, network=conditional)
    run = run_of(model, randomized(model.init, N_ITEMS))
    subject = directory.subject_of
    with pytest.raises(mv.InputError, match="has none that would show their shape"):
        subject(run)
    # The features are known by the encoder of the run.
    column = FeatureColumn("color", ("red", "green", "blue"))
    object.__setattr__(run, "user_encoder", UserEncoder((column,)))
    assert exported(run, tmp_path / "out", "weights") == []
    items, scores = expected(run, FEATURES)
    found, best = ranked(reader(tmp_path / "out")(HISTORIES, features=FEATURES))
    np.testing.assert_array_equal(found, items)
    np.testing.assert_allclose(best, scores, rtol=2e-5, atol=2e-6)


def test_the_product_of_the_vectors_is_the_score(tmp_path):
    run = make_run("mult-vae")
    assert exported(run, tmp_path / "out", "weights", "vectors") == []
    vectors = np.load(tmp_path / "out" / "item_vectors.npy")
    np.testing.assert_allclose(
        vectors, vectors_of_items(run.model, run.params, N_ITEMS), rtol=1e-6, atol=1e-6
    )
    compute = reader(tmp_path / "out")
    users = compute(HISTORIES, "user_vector")
    users = np.hstack([users, np.ones((len(users), 1), np.float32)])
    np.testing.assert_allclose((users @ vectors.T)[:-1], compute(HISTORIES)[:-1], atol=1e-5)


def test_an_index_finds_the_items_that_numpy_recommends(tmp_path):
    index_of = pytest.importorskip("usearch.index", reason="usearch is not installed")
    assert exported(make_run("mult-vae"), tmp_path / "out", "weights", "vectors") == []
    vectors = np.load(tmp_path / "out" / "item_vectors.npy")
    index = index_of.Index(ndim=vectors.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(vectors)), vectors)
    compute = reader(tmp_path / "out")
    user = np.append(compute(HISTORIES[:2], "user_vector")[1], np.float32(1))
    best = np.argsort(-compute(HISTORIES[1:2])[0])[:K]
    assert index.search(user, K).keys.tolist() == best.tolist()


def test_safetensors_has_the_same_weights(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    assert exported(make_run("recvae"), tmp_path / "out", "weights") == []
    loaded = safetensors.load_file(tmp_path / "out" / "weights.safetensors")
    with np.load(tmp_path / "out" / "weights.npz") as weights:
        assert loaded.keys() == weights.keys()
        for name, array in loaded.items():
            np.testing.assert_array_equal(array, weights[name])
    # What only the training reads is left out.
    assert not any(name.startswith("previous") for name in loaded)


def test_what_cannot_be_expressed_is_named(tmp_path):
    run = make_run("wmf")
    notes = exported(run, tmp_path / "out", today=None)
    reason = "the operation 'scan' of its score is not one of those that export"
    assert notes == [f"{file} is not written: {reason}" for file in ("model.onnx", "program.json")]
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"weights.npz", "recommend.jax_export", "item_vectors.npy"} <= files
    assert not {"model.onnx", "program.json", "recommend_numpy.py"} & files
    with pytest.raises(mv.InputError, match=f"^--formats onnx: {reason}$"):
        exported(run, tmp_path / "other", "onnx")
    assert not (tmp_path / "other").exists()
    with pytest.raises(mv.InputError, match="--formats vectors: the scores of this model are not"):
        exported(make_run("ease"), tmp_path / "other", "vectors")


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (lambda p, b: jnp.sort(b.values.reshape(1, -1)) * p, "the operation 'sort'"),
        (lambda p, b: b.values.reshape(1, -1) * jnp.float32(jnp.nan), "not finite"),
        (lambda p, b: b.values.reshape(1, 5, 2).sum(axis=2).repeat(2, axis=1), "parts of a vector"),
    ],
)
def test_other_scores_are_refused_by_what_they_do(score, reason):
    with pytest.raises(CannotExportError, match=reason):
        trace(score, jnp.float32(2.0), 10)


@pytest.mark.parametrize("name", ["jax", "numpy", "onnx"])
def test_a_script_has_at_most_thirty_lines_and_does_not_import_this_package(name):
    text = (SCRIPTS / f"recommend_{name}.py").read_text()
    lines = [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    assert len([line for line in lines if not line.strip().startswith('"""')]) <= 30
    assert "multvae" not in text
    ast.parse(text)


def test_the_steps_are_named_in_the_file(tmp_path):
    assert exported(make_run("mult-dae"), tmp_path / "out", "weights") == []
    program = json.loads((tmp_path / "out" / "program.json").read_text())
    assert [step[0] for step in program["steps"]] == [
        *("multiply", "sum", "maximum", "rsqrt", "multiply"),
        *("matmul", "add", "tanh", "matmul", "add", "largest", "where"),
    ]
    assert program["item_bias"] == "network/decoder/layers_0/bias"
    assert jax.tree.leaves(program["inputs"]) == [N_ITEMS]
    assert Path(tmp_path / "out" / "items.csv").is_file()

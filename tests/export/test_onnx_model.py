"""The ONNX model in onnxruntime."""

import numpy as np
import pytest

import multvae_jax as mv
from multvae_jax.data.user_encoder import FeatureColumn, UserEncoder
from multvae_jax.export.onnx_model import onnx_model
from multvae_jax.export.program import OPERATIONS, Program, Step
from multvae_jax.export.subject import subject_of
from tests.builders import randomized
from tests.export.builders import (
    FEATURES,
    N_ITEMS,
    K,
    conditional,
    expected,
    make_run,
    padded,
    run_of,
)

pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def run_model(program, inputs):
    session = onnxruntime.InferenceSession(onnx_model(program, N_ITEMS, K))
    return session.run(["items", "scores"], inputs)


@pytest.mark.parametrize("kind", ["functions", "blend"])
def test_onnxruntime_recommends_what_the_run_does(kind):
    run = make_run(kind)
    items, scores = run_model(subject_of(run).program(), {"history": padded()})
    wanted, best = expected(run)
    np.testing.assert_array_equal(items, wanted)
    np.testing.assert_allclose(scores, best, rtol=2e-5, atol=2e-6)


def test_features_of_users_are_inputs():
    model = mv.mult_vae((), 4, network=conditional)
    run = run_of(model, randomized(model.init, N_ITEMS))
    encoder = UserEncoder((FeatureColumn("color", ("red", "green", "blue")),))
    object.__setattr__(run, "user_encoder", encoder)
    inputs = {"history": padded(), "features": FEATURES}
    items, _ = run_model(subject_of(run).program(), inputs)
    np.testing.assert_array_equal(items, expected(run, FEATURES)[0])


UNARY = {"tanh", "exp", "log", "log1p", "expm1", "sqrt", "negative", "absolute", "sign"}
OTHERS = {
    "where": lambda x, y, z: np.where(x != 0, y, z),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sum": lambda x: x.sum(keepdims=True) + 0 * x,
    "largest": lambda x: x.max(keepdims=True) + 0 * x,
}


@pytest.mark.parametrize("op", sorted({*OPERATIONS} - {"matmul", "slice", "take", "concat"}))
def test_every_operation_is_that_of_numpy(op):
    """Of a user without history: the scores are an operation of weights alone."""
    rng = np.random.default_rng(0)
    weights = {name: np.round(rng.uniform(0.2, 2, N_ITEMS), 1).astype(np.float32) for name in "xyz"}
    n_inputs = 3 if op == "where" else 1 if op in UNARY | {*OTHERS} else 2
    steps = [
        # A number per user, which is 0, makes the weights vectors of the user.
        Step("multiply", "nothing", ("history", 0.0)),
        *(Step("add", f"own_{name}", ("nothing", name)) for name in "xyz"[:n_inputs]),
        Step(op, "found", tuple(f"own_{name}" for name in "xyz"[:n_inputs])),
        Step("add", "result", ("found", "nothing")),
    ]
    named = {name: weights[name] for name in "xyz"[:n_inputs]}
    program = Program({"history": N_ITEMS}, steps, "result", None, None, None, named)
    items, scores = run_model(program, {"history": np.full((1, 1), -1, np.int32)})
    function = OTHERS.get(op) or getattr(np, op)
    wanted = np.asarray(function(*named.values()), np.float32)
    order = np.argsort(-wanted, kind="stable")[:K]
    np.testing.assert_allclose(scores[0], wanted[order], rtol=1e-5)
    np.testing.assert_array_equal(items[0], order)

"""The score of a model as a list of few kinds of steps, for programs other than jax.

Every value is a vector per user. NumPy, ONNX and JavaScript each interpret the steps with a table
of a line per kind; `multvae_jax.export.tracing` finds them by `rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from multvae_jax.errors import InputError
from multvae_jax.types import Params

HISTORY = "history"
"""Name of the input: 1 for each item of a user's history, 0 for the others."""

COUNTS = "counts_of_users"
"""Name of the weight with the number of training users of each item."""


class Step(NamedTuple):
    """One operation.

    Attributes:
        op: one of `OPERATIONS`.
        output: name of the result.
        inputs: names of inputs, weights and results of earlier steps, or numbers.
    """

    op: str
    output: str
    inputs: tuple[str | float, ...]


class Program(NamedTuple):
    """The score of a model.

    Attributes:
        inputs: name -> length: the history, and the features of a user.
        steps: the operations in their order. A result is a vector per user; one of length 1 is
            repeated where a longer one is needed.
        scores: name of the scores, a number per item.
        user_vector: name of the vector whose product with `item_table`, plus a bias, is the scores;
            None if the scores are not such a product.
        item_table: name of the weight, `features x items`, or None.
        item_bias: name of the weight or a number that is added, or None.
        weights: the arrays that the steps name: vectors, matrices `inputs x outputs`, and indices.
    """

    inputs: Mapping[str, int]
    steps: Sequence[Step]
    scores: str
    user_vector: str | None
    item_table: str | None
    item_bias: str | float | None
    weights: Mapping[str, np.ndarray]

    def as_json(self) -> dict[str, Any]:
        """All but the weights."""
        parts = {name: part for name, part in self._asdict().items() if name != "weights"}
        steps = [[step.op, step.output, *step.inputs] for step in self.steps]
        return {"format": 1, **parts, "inputs": dict(self.inputs), "steps": steps}


OPERATIONS = (
    *("matmul", "add", "subtract", "multiply", "divide", "maximum", "minimum", "power"),
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "where"),
    *("tanh", "exp", "log", "log1p", "expm1", "sqrt", "negative", "absolute", "sign"),
    *("sigmoid", "rsqrt", "sum", "largest", "slice", "take", "concat"),
)
"""Kinds of steps: `matmul` of a vector and a matrix; of one or two vectors entry by entry, where a
comparison is 1 or 0 and `where` takes the second input if the first is not 0, else the third; the
sum and the largest entry of a vector; a slice (vector, first, end), the entries at
some indices, and vectors joined end to end."""


class CannotExportError(InputError):
    """A score that cannot be written as a `Program`."""


def flat_params(params: Params) -> dict[str, np.ndarray]:
    """The arrays of nested dicts by their path, such as network/encoder/layers_0/kernel."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {path_of(path): np.asarray(leaf) for path, leaf in leaves}


def path_of(path: Sequence[Any]) -> str:
    """The names on a path into nested dicts, joined."""
    parts = (getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))) for key in path)
    return "/".join(map(str, parts)) or "params"


def with_fallback(program: Program, counts: np.ndarray) -> Program:
    """The program that scores a user without a history by the counts of the items."""
    return program._replace(
        steps=[
            *program.steps,
            Step("largest", "is_known", (HISTORY,)),
            Step("where", "all_scores", ("is_known", program.scores, COUNTS)),
        ],
        scores="all_scores",
        weights={**program.weights, COUNTS: np.asarray(counts, np.float32)},
    )

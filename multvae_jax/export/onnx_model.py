"""A recommender as an ONNX model."""

from __future__ import annotations

from typing import Any

import numpy as np

from multvae_jax.errors import InputError
from multvae_jax.export.program import HISTORY, Program, Step
from multvae_jax.host.optional import import_optional

OPSET = 18
"""The first with `ReduceMax` over axes that are an input; onnxruntime has it since 1.14."""

IR_VERSION = 8

MOST_BYTES = 2**31 - 2**20
"""Largest size of the weights: that of a file of the format, less room for the graph."""

NODES = {
    **{"matmul": "MatMul", "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"},
    **{"power": "Pow", "maximum": "Max", "minimum": "Min", "tanh": "Tanh", "sigmoid": "Sigmoid"},
    **{"exp": "Exp", "log": "Log", "sqrt": "Sqrt", "negative": "Neg", "absolute": "Abs"},
    **{"sign": "Sign"},
}
COMPARISONS = {
    **{"greater": ("Greater",), "greater_equal": ("GreaterOrEqual",), "less": ("Less",)},
    **{"less_equal": ("LessOrEqual",), "equal": ("Equal",), "not_equal": ("Equal", "Not")},
}
OVER_ENTRIES = {"sum": "ReduceSum", "largest": "ReduceMax"}


def onnx_model(program: Program, n_items: int, k: int) -> bytes:
    """Write a model with the inputs and outputs of the `jax.export` artifact, less the weights.

    Its inputs are `history`, int32, `users x length`, and those of the features of users, if the
    model reads any; its outputs `items`, int32, and `scores`, both `users x k`.

    Args:
        program: the score.
        n_items: number of items.
        k: number of items per user; at most the number of items.

    Raises:
        InputError: the package onnx is missing, or the weights are larger than a file can be.
    """
    n_bytes = sum(array.nbytes for array in program.weights.values())
    if n_bytes > MOST_BYTES:
        raise InputError(f"its weights have {n_bytes:,} bytes, and an ONNX file at most 2 GB")
    onnx = import_optional("onnx", "export", "the ONNX model")
    graph = _Graph(onnx.helper, onnx.numpy_helper, onnx.TensorProto)
    graph.dense_history(n_items)
    for step in program.steps:
        graph.add(step)
    graph.ranked(program.scores, k)
    helper, types = graph.helper, graph.types
    features = [name for name in program.inputs if name != HISTORY]
    inputs: list[Any] = [(HISTORY, types.INT32, ["users", "length"])]
    inputs += [(name, types.FLOAT, ["users", program.inputs[name]]) for name in features]
    outputs = [("items", types.INT32, ["users", k]), ("scores", types.FLOAT, ["users", k])]
    weights = [
        graph.tensors.from_array(array, graph.renamed(name))
        for name, array in program.weights.items()
    ]
    made = helper.make_graph(
        graph.nodes,
        "recommend",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [*weights, *graph.constants],
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="multvae-jax",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes and constants of a graph that is being written."""

    def __init__(self, helper: Any, tensors: Any, types: Any) -> None:
        self.helper, self.tensors, self.types = helper, tensors, types
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        output = output or f"n{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """The name of a constant."""
        name = f"c{len(self.constants)}"
        self.constants.append(self.tensors.from_array(np.array(value, kind), name))
        return name

    def renamed(self, name: str) -> str:
        """The name of a result, an input or a weight of the program.

        The dense history is not the input, whose name is that of the artifact's argument.
        """
        return "dense_history" if name == HISTORY else name

    def dense_history(self, n_items: int) -> None:
        """1 for each item of a user's history, from the columns of the items."""
        n = self.constant(n_items, np.int32)
        is_item = self.node(
            "And",
            self.node("GreaterOrEqual", HISTORY, self.constant(0, np.int32)),
            self.node("Less", HISTORY, n),
        )
        # Padding goes to a column after the last, which is cut off.
        columns = self.node("Where", is_item, HISTORY, n)
        places = self.node("Cast", columns, to=self.types.INT64)
        users = self.node("Shape", HISTORY, start=0, end=1)
        shape = self.node("Concat", users, self.constant([n_items + 1], np.int64), axis=0)
        nothing = self.node("Expand", self.constant(0.0), shape)
        ones = self.node("Expand", self.constant(1.0), self.node("Shape", HISTORY))
        filled = self.node("ScatterElements", nothing, places, ones, axis=1)
        self.sliced(filled, 0, n_items, self.renamed(HISTORY))

    def sliced(self, value: str, first: int, end: int, output: str) -> None:
        """Some columns of an array."""
        bounds = [self.constant([number], np.int64) for number in (first, end, 1)]
        self.node("Slice", value, *bounds, output=output)

    def add(self, step: Step) -> None:
        """Add the nodes of a step."""
        op, output = step.op, step.output
        if op == "slice":
            value, first, end = step.inputs
            self.sliced(self.renamed(str(value)), int(first), int(end), output)
            return
        own = [
            self.renamed(name) if isinstance(name, str) else self.constant(name)
            for name in step.inputs
        ]
        if op in NODES:
            self.node(NODES[op], *own, output=output)
        elif op in COMPARISONS:
            kind, *others = COMPARISONS[op]
            found = self.node(kind, *own)
            for other in others:
                found = self.node(other, found)
            self.node("Cast", found, to=self.types.FLOAT, output=output)
        elif op in OVER_ENTRIES:
            self.node(OVER_ENTRIES[op], own[0], self.constant([1], np.int64), output=output)
        elif op == "where":
            condition = self.node("Cast", own[0], to=self.types.BOOL)
            self.node("Where", condition, *own[1:], output=output)
        elif op == "take":
            self.node("Gather", *own, axis=1, output=output)
        elif op == "concat":
            self.node("Concat", *own, axis=1, output=output)
        elif op == "rsqrt":
            self.node("Reciprocal", self.node("Sqrt", *own), output=output)
        elif op == "log1p":
            self.node("Log", self.node("Add", *own, self.constant(1.0)), output=output)
        else:
            assert op == "expm1"
            self.node("Sub", self.node("Exp", *own), self.constant(1.0), output=output)

    def ranked(self, scores: str, k: int) -> None:
        """The best items that are not in the history."""
        lowest = self.constant(-np.inf)
        is_seen = self.node("Greater", self.renamed(HISTORY), self.constant(0.0))
        unseen = self.node("Where", is_seen, lowest, scores)
        best = "scores"
        made = self.helper.make_node(
            "TopK", [unseen, self.constant([k], np.int64)], [best, "top"], axis=1
        )
        self.nodes.append(made)
        items = self.node("Cast", "top", to=self.types.INT32)
        is_none = self.node("Equal", best, lowest)
        self.node("Where", is_none, self.constant(-1, np.int32), items, output="items")

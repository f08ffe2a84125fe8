"""The parameters of a run, read back and compared with what its other files say."""

from __future__ import annotations

from pathlib import Path

import jax

from multvae_jax.baselines import Baseline
from multvae_jax.batching import empty_batch
from multvae_jax.errors import InputError, is_out_of_memory, one_line, reason_of
from multvae_jax.models import Blend, Model
from multvae_jax.runs import pytrees
from multvae_jax.runs.storage import storage_path
from multvae_jax.types import Params

Shapes = dict[str, tuple[int, ...]]


def read_params(path: Path, model: Model | Baseline | Blend, n_items: int) -> Params:
    """Read the parameters of a model, a baseline or a blend.

    Args:
        path: the checkpoint of the parameters, in the directory of a run.
        model: the model, the baseline or the blend that the configuration of the run describes.
        n_items: number of items in the item list of the run.

    Raises:
        InputError: if the checkpoint is damaged, or is not of this model or these items.
    """
    if not path.is_dir():
        raise InputError(f"{path}: cannot be read: it is missing")
    storage_path(path)
    try:
        found = pytrees.read_shapes(path)
    # orbax and its storage raise exceptions of many types for a damaged checkpoint.
    except Exception as error:
        raise _damaged(path, error) from None
    if isinstance(model, Baseline | Blend):
        like = pytrees.read_like(path)
        _check_scores(path, model, like, n_items)
    else:
        _compare(path, found, model, n_items)
        like = _abstract(model, n_items)
    try:
        return pytrees.load_tree(path, like)
    except Exception as error:
        raise _damaged(path, error) from None


LONGEST_CAUSE = 100
"""Characters of the cause that are shown: storage puts whole paths and records in its messages."""


def _damaged(path: Path, cause: Exception) -> InputError:
    if is_out_of_memory(cause):
        return InputError(f"{path}: cannot be read: there is not enough memory for it")
    # Without the path, which is there already.
    text = reason_of(cause)
    for place, short in ((f"{path}: ", ""), (f"{path}/", ""), (f"{path}", "it")):
        text = text.replace(place, short)
    text = one_line(text)
    if len(text) > LONGEST_CAUSE:
        text = f"{text[:LONGEST_CAUSE]}..."
    return InputError(f"{path}: cannot be read: it is damaged or incomplete ({text})")


def _abstract(model: Model, n_items: int) -> Params:
    return jax.eval_shape(lambda key: model.init(key, n_items), jax.random.key(0))


def _check_scores(path: Path, model: Baseline | Blend, params: Params, n_items: int) -> None:
    """Refuse parameters that do not score these items; the data decides on their shapes."""
    reason = "they are of another model"
    try:
        scores = jax.eval_shape(model.score, params, empty_batch(n_items))
    # The function may fail in any way on parameters of another one.
    except Exception:
        scores = None
    if scores is not None:
        if scores.shape == (1, n_items):
            return
        reason = f"{n_items:,} items in items.csv, {scores.shape[-1]:,} in the checkpoint"
    raise InputError(f"{path}: does not belong to this run: {reason}")


def _compare(path: Path, found: Shapes, model: Model, n_items: int) -> None:
    expected = pytrees.shapes_of(_abstract(model, n_items))
    if found == expected:
        return
    if found.keys() == expected.keys():
        # The axes whose size is the number of items differ between two numbers of items.
        one_more = pytrees.shapes_of(_abstract(model, n_items + 1))
        sizes = {
            found[name][axis]
            for name, shape in expected.items()
            for axis, (size, larger) in enumerate(zip(shape, one_more[name], strict=True))
            if size != larger and axis < len(found[name])
        }
        if len(sizes) == 1:
            (in_checkpoint,) = sizes
            if pytrees.shapes_of(_abstract(model, in_checkpoint)) == found:
                raise InputError(
                    f"{path}: does not belong to this run: {n_items:,} items in items.csv, "
                    f"{in_checkpoint:,} in the checkpoint"
                )
    of_one = sorted(found.keys() ^ expected.keys())
    for name in [*of_one, *sorted(expected)]:
        if found.get(name) != expected.get(name):
            there, here = (_as_text(shapes.get(name)) for shapes in (found, expected))
            raise InputError(
                f"{path}: does not belong to this run: the parameter {name} {there} in the "
                f"checkpoint and {here} by config.json"
            )


def _as_text(shape: tuple[int, ...] | None) -> str:
    return "is missing" if shape is None else f"has the shape {shape}"

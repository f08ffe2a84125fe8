"""A training that starts from a run, which may have been trained on other items.

What belongs to an item is found by its id. Which axes of the parameters have an entry per item is
seen in the shapes that a model makes for two numbers of items, so that this works for any model.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr
from jaxtyping import PRNGKeyArray

from multvae_jax.baselines import Baseline
from multvae_jax.checks.bounds import check_kind
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError
from multvae_jax.keys import INIT
from multvae_jax.models import Blend, Model
from multvae_jax.runs.run import Run
from multvae_jax.types import Params


class Items(NamedTuple):
    """The items of a catalogue among those of an earlier one.

    Attributes:
        column: column of each item in the earlier catalogue, or -1.
        kept: number of items of both.
        new: number of items that the earlier one does not have.
        dropped: number of items that the earlier one alone has.
        same: whether both have the same items in the same order.
    """

    column: np.ndarray
    kept: int
    new: int
    dropped: int
    same: bool

    def counts(self) -> dict[str, int]:
        """The numbers of items, as in the log of a training."""
        return {"kept": self.kept, "new": self.new, "dropped": self.dropped}


def match_items(before: Catalogue, now: Catalogue) -> Items:
    """Find the items of a catalogue in an earlier one, by their ids.

    Raises:
        InputError: they have no item in common.
    """
    place = {item: number for number, item in enumerate(before.ids)}
    column = np.array([place.get(item, -1) for item in now.ids], np.int64)
    kept = int((column >= 0).sum())
    if not kept:
        raise InputError("start: the run has none of the items of the split")
    dropped = len(before.ids) - kept
    same = np.array_equal(column, np.arange(len(before.ids)))
    return Items(column, kept, len(column) - kept, dropped, same)


def carried_over(model: Model, trained: Params, fresh: Params, items: Items) -> Params:
    """The parameters of a training that starts from trained ones.

    The entries of items that are new are those of `fresh`; everything else is as it was trained.

    Args:
        model: the model.
        trained: parameters for the items of the earlier catalogue.
        fresh: parameters for the items of the new one, as the model's `init` makes them.
        items: the items of the new one among those of the earlier.

    Raises:
        InputError: the parameters are those of another architecture, or an axis of them depends on
            the number of items without having an entry per item.
    """
    n_before = items.kept + items.dropped
    expected = fresh if items.same else _abstract(model, n_before)
    _check_architecture(trained, expected)
    if items.same:
        return jax.tree.map(lambda leaf, like: jnp.array(leaf, like.dtype), trained, fresh)
    axes = item_axes(model, n_before)
    now = np.flatnonzero(items.column >= 0)
    before = items.column[now]
    return jax.tree.map_with_path(
        lambda place, old, new: _with_entries(old, new, axes[_name(place)], before, now),
        trained,
        fresh,
    )


class Start(NamedTuple):
    """The parameters of a run that a training starts from.

    Attributes:
        params: trained parameters.
        items: the items of the training among those of the parameters.
        beta: mean of beta in the epoch of the parameters; None if it is not known.
    """

    params: Params
    items: Items
    beta: float | None

    def carry_over(self, model: Model, fresh: Params) -> Params:
        """The parameters to start from, as `carried_over`."""
        return carried_over(model, self.params, fresh, self.items)

    def carried(self, model: Model, key: PRNGKeyArray, n_items: int) -> Params:
        """The parameters that a training with a root key starts from."""
        return self.carry_over(model, model.init(jax.random.fold_in(key, INIT), n_items))


def start_of(run: Any, split: Split) -> Start:
    """Return the start of a training on a split from a run.

    Raises:
        InputError: it is not the run of a model, has none of the items, or reads other features.
    """
    check_kind("start", run, Run, "load_run('runs/first')")
    if isinstance(run.model, Baseline):
        raise InputError("start: it is a baseline, which has no training to go on with")
    if run.user_encoder != split.user_encoder:
        raise InputError(
            "start: the features of the users are not encoded as in the run; read them with its "
            "user_encoder"
        )
    params = run.params["model"] if isinstance(run.model, Blend) else run.params
    return Start(params, match_items(run.catalogue, split.catalogue), kept_beta(run))


def kept_beta(run: Run) -> float | None:
    """Mean of beta in the epoch whose parameters a run has; None if its log has none."""
    if not 0 < run.best_epoch <= len(run.log):
        return None
    beta = run.log[run.best_epoch - 1].get("beta")
    return float(beta) if isinstance(beta, int | float) else None


def item_axes(model: Model, n_items: int) -> dict[str, tuple[int, ...]]:
    """The axes of each parameter that have an entry per item, by the place of the parameter.

    Raises:
        InputError: an axis depends on the number of items in another way.

    Example:
        >>> item_axes(mv.mult_vae((), 200), n_items=1000)["network/encoder/layers_0/kernel"]
        (0,)
    """
    # Several more: with one more, a size that is rounded up might not change.
    more = n_items + 7
    shapes, larger = (_shapes_by_name(_abstract(model, number)) for number in (n_items, more))
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        other = larger.get(name, ())
        pairs = list(enumerate(itertools.zip_longest(shape, other)))
        found[name] = tuple(axis for axis, sizes in pairs if sizes == (n_items, more))
        if any(one != another for axis, (one, another) in pairs if axis not in found[name]):
            raise InputError(
                f"start: the parameter {name} depends on the number of items, and not by an axis "
                "with an entry per item; only a run of the same items can be started from"
            )
    return found


def _abstract(model: Model, n_items: int) -> Any:
    """The parameters of a model as shapes."""
    try:
        return jax.eval_shape(lambda key: model.init(key, n_items), jax.random.key(0))
    except InputError:
        raise
    # A model of the user's may be made for one number of items, and fail in any way for others.
    except Exception as error:
        raise InputError(
            f"start: the model cannot be made for {n_items:,} items ({type(error).__name__}); only "
            "a run of the same items can be started from"
        ) from error


def _check_architecture(trained: Params, expected: Any) -> None:
    """Refuse parameters whose names or shapes are not those of the model.

    Raises:
        InputError: naming the first that differs.
    """
    there, here = _shapes_by_name(trained), _shapes_by_name(expected)
    for name in [*sorted(there.keys() ^ here.keys()), *sorted(here)]:
        if there.get(name) != here.get(name):
            was, is_now = (
                "is missing" if shape is None else f"has the shape {shape}"
                for shape in (there.get(name), here.get(name))
            )
            raise InputError(
                f"start: the parameter {name} {was} in the run and {is_now} in the model; a "
                "training starts from a run of the same architecture"
            )


def _shapes_by_name(tree: Any) -> dict[str, tuple[int, ...]]:
    return {_name(place): tuple(leaf.shape) for place, leaf in jax.tree.leaves_with_path(tree)}


def _name(place: Any) -> str:
    return keystr(place, simple=True, separator="/")


def _with_entries(
    old: Any, new: Any, axes: tuple[int, ...], before: np.ndarray, now: np.ndarray
) -> Any:
    """An array with the trained entries of the items that are kept; the others are of `new`.

    Args:
        old: the trained array.
        new: the fresh one.
        axes: those with an entry per item; without one, all is as it was trained.
        before: columns of the kept items in `old`.
        now: their columns in `new`.
    """
    if not axes:
        return jnp.array(old, new.dtype)
    made, trained = np.array(new), np.asarray(old)

    def places(columns: np.ndarray) -> Any:
        return np.ix_(
            *(columns if axis in axes else np.arange(size) for axis, size in enumerate(made.shape))
        )

    made[places(now)] = trained[places(before)]
    return jnp.asarray(made)

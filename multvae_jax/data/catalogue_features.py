"""Features of items, found by id, in the order of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from multvae_jax.checks.bounds import described
from multvae_jax.data.checks import feature_rows
from multvae_jax.data.item_features import ItemFeatures
from multvae_jax.data.item_vectors import ItemVectors
from multvae_jax.data.types import Catalogue, Split
from multvae_jax.errors import InputError, shortened

Items = TypeVar("Items", Split, Catalogue)


def with_item_features(
    items: Items, features: ItemFeatures | ItemVectors | Mapping[str, Any]
) -> Items:
    """Attach features to the items of a split or a catalogue, found by id.

    They are in `catalogue.features`, a row per item in the order of the scores, whatever the order
    in which they are given. A function with a parameter `catalogue` that makes the model, given to
    `fit`, `sweep` or `load_run`, hands them to the network.

    Args:
        items: a split, or a catalogue.
        features: from `read_item_features` or `read_item_vectors`; or item id -> array of any
            shape, one for every item. Those of other items are left out.

    Raises:
        InputError: an item has no features, or the arrays differ in shape or are not finite.

    Example:
        >>> items = mv.Catalogue(np.array(["x", "y"], object), np.array([3, 1]), {})
        >>> mv.with_item_features(items, {"y": [0, 2], "x": [1, 0]}).features.tolist()
        [[1.0, 0.0], [0.0, 2.0]]
    """
    given: Any = items
    if isinstance(items, Split):
        return replace(given, catalogue=_with_rows(items.catalogue, features))
    if not isinstance(items, Catalogue):
        raise InputError(f"items: {described(items)}; give a split, or a catalogue")
    return _with_rows(given, features)


def _with_rows(items: Catalogue, features: Any) -> Any:
    if isinstance(features, ItemFeatures | ItemVectors):
        features = dict(zip(features.ids.tolist(), features.values, strict=True))
    if not isinstance(features, Mapping):
        raise InputError(
            f"features: {described(features)}; give those of read_item_features, or item id -> "
            "array: an array alone does not say which item a row is of"
        )
    missing = [item for item in items.ids if item not in features]
    if missing:
        raise InputError(
            f"features: {len(missing):,} of {len(items.ids):,} items have none, such as "
            f"'{shortened(missing[0])}'; give every item an array"
        )
    return replace(items, features=feature_rows(features, items.ids))

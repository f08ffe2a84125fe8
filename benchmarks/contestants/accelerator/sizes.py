"""The sizes of a run on an accelerator.

This module imports only packages that every contestant's environment has.
"""

from __future__ import annotations

import json
from typing import NamedTuple

PRECISIONS = ("float32", "TF32", "bfloat16")
"""Of the matrix products: true float32; float32 with a mantissa of 10 bits, where the device has
it; bfloat16 with sums in float32."""


class Sizes(NamedTuple):
    """Sizes of all sections; the first three are ML-20M's.

    Attributes:
        users: training users.
        items: items.
        mean: interactions per user, before repeated items are merged.
        held_out: users who are ranked.
        hidden: width of the layer between the items and the code.
        latent: dimensions of the code.
        batches: users in an update, the most telling first.
        epochs: epochs of the whole recipe.
        members: models side by side.
        member_users: training users of each, by default as many as ML-1M's.
        member_items: items of each.
        large_items: items of the catalogue that is trained on in blocks.
        large_users: training users there.
        block: items in a block.
        product: rows and columns of the matrices whose product is timed.
        memory: numbers in the array that is read and written.
    """

    users: int = 116_677
    items: int = 20_108
    mean: int = 68
    held_out: int = 10_000
    hidden: int = 600
    latent: int = 200
    batches: tuple[int, ...] = (500, 24_576, 4_096)
    epochs: int = 200
    members: int = 16
    member_users: int = 4_834
    member_items: int = 3_533
    large_items: int = 1_000_000
    large_users: int = 2_000
    block: int = 4_096
    product: int = 8_192
    memory: int = 2**28


SIZES = {
    "ml-20m": Sizes(),
    "small": Sizes(
        users=2_000,
        items=2_000,
        held_out=500,
        batches=(100, 1_000, 500),
        member_users=500,
        member_items=500,
        large_items=50_000,
        large_users=200,
        product=1_024,
        memory=2**24,
    ),
}
"""Sizes by name; the small ones are a rehearsal that a CPU gets through."""


def as_words(sizes: Sizes) -> str:
    """The sizes as a word of a command line; `from_words` reads it."""
    return json.dumps(sizes._asdict())


def from_words(word: str) -> Sizes:
    """The sizes that a worker was started with."""
    fields = json.loads(word)
    return Sizes(**{**fields, "batches": tuple(fields["batches"])})

"""Default filters, splits and lengths of training."""

from __future__ import annotations

from dataclasses import dataclass

from multvae_jax import recipe


@dataclass(frozen=True)
class Preset:
    """Defaults of the options of the same names; None if an option does not apply.

    Attributes:
        min_rating: keep interactions with at least this rating; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        held_out: number of validation users and of test users, or their share if below 1.
        epochs: passes over the training users with the recipe of the paper.
        anneal_steps: number of updates in which beta would rise from 0 to 1, with the recipe of
            the paper; None if the rise is a share of all updates.
    """

    min_rating: float | None = None
    min_user_count: int | None = None
    min_item_count: int | None = None
    held_out: float | None = None
    epochs: int = recipe.EPOCHS
    anneal_steps: int | None = None


GIVEN_SPLIT = Preset(held_out=0.1)
"""The preset of a split given as files, which is neither filtered nor split again. Without
validation, a tenth of each user's training interactions selects the epoch."""

WITH_VALIDATION = Preset()
"""The preset of a given split with validation."""

ANY_FILE = Preset(min_user_count=5, min_item_count=0, held_out=0.1)
"""The preset of a file that is not a named data set."""

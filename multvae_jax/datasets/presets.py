"""How data is filtered, split and trained on where the user does not say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How a data set is filtered, split and trained on unless told otherwise.

    Each attribute is the option of its name; None is for what does not apply.

    Attributes:
        min_rating: keep interactions with at least this rating; None keeps all.
        min_user_count: keep users with at least this many interactions.
        min_item_count: keep items with at least this many interactions.
        held_out: validation users, and as many test users: a number, or a share below 1.
        epochs: passes over the training users.
        anneal_steps: updates in which beta would rise from 0 to 1; None goes by a share of the
            run.
    """

    min_rating: float | None = None
    min_user_count: int | None = None
    min_item_count: int | None = None
    held_out: float | None = None
    epochs: int = 100
    anneal_steps: int | None = None


GIVEN_SPLIT = Preset()
"""The preset of a split given as files: it is filtered already, and who is held out is known."""

ANY_FILE = Preset(min_user_count=5, min_item_count=0, held_out=0.1)
"""The preset of a file that is no data set of this table."""

"""Item ids that people hold, as columns of a catalogue."""

from __future__ import annotations

import itertools
import numbers
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int

from multvae_jax.data.types import Catalogue
from multvae_jax.errors import InputError, names_like, shortened


class KnownLists(NamedTuple):
    """Histories as far as their items are in a catalogue.

    Attributes:
        matrix: users x items of the catalogue, 1 for each interaction.
        unknown: number of distinct items of each user that are not in the catalogue.
    """

    matrix: sp.csr_array
    unknown: Int[np.ndarray, " users"]


class KnownHistory(NamedTuple):
    """One history as far as its items are in a catalogue.

    Attributes:
        columns: columns of its items, ascending.
        unknown: number of distinct items that are not in the catalogue.
    """

    columns: list[int]
    unknown: int


def matrix_of(columns: Sequence[Sequence[int]], n_items: int) -> sp.csr_array:
    """A users x items matrix with 1 in some columns of each row."""
    lengths = [len(mine) for mine in columns]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    items = np.fromiter(itertools.chain.from_iterable(columns), np.int64, starts[-1])
    ones = np.ones(len(items), np.float32)
    return sp.csr_array((ones, items, starts), shape=(len(columns), n_items))


class KnownItems:
    """The columns of a catalogue by id.

    Ids are spelled as in the data. An integer stands for an id in the usual spelling: 50 for "50".
    """

    def __init__(self, catalogue: Catalogue) -> None:
        """Number the items of a catalogue."""
        self.catalogue = catalogue
        self._column = {item: number for number, item in enumerate(catalogue.ids.tolist())}
        self._integers_fit = any(
            re.fullmatch("0|-?[1-9][0-9]*", str(item)) for item in self._column
        )

    def __contains__(self, item: str | int) -> bool:
        return str(item) in self._column

    def of_lists(self, histories: Any) -> KnownLists:
        """Look up the items of some users; repeated items count once.

        Raises:
            InputError: they are not lists of ids; the message names the history and the value.
        """
        return self.of_ids(self._checked(histories))

    def of_ids(self, ids: Sequence[Sequence[str]]) -> KnownLists:
        """Look up items that are text already, as in `of_lists`."""
        known = [self._known(mine) for mine in ids]
        unknown = np.array([mine.unknown for mine in known], np.int64)
        return KnownLists(matrix_of([mine.columns for mine in known], len(self._column)), unknown)

    def columns_of_each(self, histories: Any, name: str = "histories") -> list[KnownHistory]:
        """Look up the items of some users, each on their own; repeated items count once.

        Args:
            histories: a list of item ids per user.
            name: what they are called in messages; "histories" if they are numbered there.

        Raises:
            InputError: they are not lists of ids; the message names the history and the value.
        """
        return [self._known(mine) for mine in self._checked(histories, name)]

    def _known(self, items: Sequence[str]) -> KnownHistory:
        distinct = set(items)
        known = sorted(self._column[item] for item in distinct if item in self._column)
        return KnownHistory(known, len(distinct) - len(known))

    def columns_of(self, items: Any, name: str) -> Int[np.ndarray, " items"]:
        """The columns of items, all of which must be in the catalogue.

        Raises:
            InputError: one is not; the message has ids like it.
        """
        (ids,) = self._checked([items], name)
        for item in ids:
            if item not in self._column:
                like = names_like(item, self._column) if len(self._column) < 10_000 else ""
                raise InputError(f"{name}: there is no item '{shortened(item)}'{like}")
        return np.array([self._column[item] for item in ids], np.int64)

    def mask(
        self,
        exclude: Any = (),
        candidates: Any = None,
    ) -> Bool[np.ndarray, " items"] | None:
        """Return whether each item may be recommended; None if all may.

        Args:
            exclude: ids of items that may not; those that are not in the catalogue have no effect.
            candidates: ids of the items that may; None for all.

        Raises:
            InputError: they are not ids, or no item is left.
        """
        (out,) = self._checked([exclude], "exclude")
        if candidates is None and not out:
            return None
        allowed = np.ones(len(self._column), bool)
        if candidates is not None:
            (only,) = self._checked([candidates], "candidates")
            allowed[:] = False
            allowed[[self._column[item] for item in only if item in self._column]] = True
            if not allowed.any():
                raise InputError(f"candidates: none of the {len(only):,} items is in the catalogue")
        allowed[[self._column[item] for item in out if item in self._column]] = False
        if not allowed.any():
            raise InputError("exclude: it leaves no item to recommend")
        return allowed

    def _checked(self, histories: Any, name: str = "histories") -> list[list[str]]:
        """The histories as lists of text, if they are lists of ids.

        Raises:
            InputError: naming the history and the value.
        """
        wanted = 'one list of item ids per user is expected, such as [["50", "181"]]'
        is_other = isinstance(histories, str | bytes | dict) or not hasattr(histories, "__iter__")
        if is_other or getattr(histories, "shape", None) == ():
            raise InputError(f"{name}: {_short(histories)}; {wanted}")
        if name != "histories":
            wanted = 'a list of item ids is expected, such as ["50", "181"]'
        checked = []
        for number, mine in enumerate(histories):
            place = f"{name}[{number}]" if name == "histories" else name
            is_one = isinstance(mine, str | bytes | dict) or getattr(mine, "shape", None) == ()
            if is_one or not hasattr(mine, "__iter__"):
                raise InputError(f"{name}: {_short(mine)} where {wanted}")
            ids = []
            for item in mine:
                if isinstance(item, str):
                    ids.append(str(item))
                elif isinstance(item, numbers.Integral) and not isinstance(item, bool):
                    if not self._integers_fit:
                        raise InputError(
                            f"{place}: {_short(item)}; the ids of the catalogue are text, "
                            f"such as '{self.catalogue.ids[0]}'"
                        )
                    ids.append(str(int(item)))
                else:
                    raise InputError(f"{place}: {_short(item)}; an item id is text or an integer")
            checked.append(ids)
        return checked


def _short(value: Any) -> str:
    text = repr(value)
    text = text if len(text) <= 40 else f"{text[:40]}..."
    return f"{text} is of type {type(value).__name__}"

"""Search spaces of a sweep: a grid of settings, or settings drawn at random.

Nothing in this module imports jax.
"""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np

from multvae_jax.config.constants import IN_FULL
from multvae_jax.config.convert import validated
from multvae_jax.config.flags import RiseFlags
from multvae_jax.config.none import widths_of
from multvae_jax.config.options import ModelOptions, TrainConfig, TrainingOptions
from multvae_jax.errors import InputError

Setting = Mapping[str, Any]
"""Options of `multvae train` and their values, such as `{"beta-cap": 0.1}`."""


class Values(NamedTuple):
    """A list of values to try."""

    values: tuple[Any, ...]


class Range(NamedTuple):
    """Numbers from `low` to `high`, both included, uniform or uniform in the logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> float:
        """The number below which this share of the range lies."""
        if self.log:
            found = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        elif self.whole:
            # The ends are as likely as the numbers between them.
            found = math.floor(self.low + share * (self.high - self.low + 1))
        else:
            found = self.low + share * (self.high - self.low)
        found = min(max(found, self.low), self.high)
        return round(found) if self.whole else found


Space = Mapping[str, Values | Range]

# Every setting is trained with all seeds, cutoffs change no training, one metric compares all
# settings, and the rise of beta is varied by its flags.
_NOT_VARIED = {"seed", "cutoffs", "select_by", "rise"}


def read_space(vary: Sequence[Sequence[str]]) -> dict[str, Values | Range]:
    """The search space of the `--vary` options.

    Args:
        vary: each the name of an option and its values. A range such as `1e-4:1e-2` or
            `1e-4:1e-2:log` is the only value.

    Raises:
        InputError: naming the option, and what it must be.
    """
    space: dict[str, Values | Range] = {}
    for given, *texts in (words or [""] for words in vary):
        name = plain_name(given)
        place = f"--vary {name}".rstrip()
        kind = _kind_of(name, place)
        if name in space:
            raise InputError(f"{place}: given twice")
        if not texts:
            raise InputError(f"{place}: no values to try")
        ends = texts[0].split(":")
        if len(texts) == 1 and len(ends) > 1 and _is_number(kind):
            space[name] = _range(ends, kind, f"{place} {texts[0]}")
        else:
            values = [_value(text, kind, place) for text in texts]
            if len(set(values)) < len(values):
                raise InputError(f"{place}: a value is given twice")
            space[name] = Values(tuple(values))
    return space


def plain_name(name: str) -> str:
    """The one spelling of an option: `beta-cap` for `beta_cap`; a constant keeps its own."""
    option, dot, constant = name.partition(".")
    option = IN_FULL.get(option.replace("-", "_"), option)
    return f"{option.replace('_', '-')}{dot}{constant}"


def _kind_of(name: str, place: str) -> Any:
    """The type of an option of `train`, or of a constant such as `optimizer-constants.b1`."""
    option, _, key = name.replace("-", "_").partition(".")
    for part in (ModelOptions, TrainingOptions, RiseFlags):
        kinds = typing.get_type_hints(part, include_extras=True)
        if option not in kinds or option in _NOT_VARIED:
            continue
        kind = kinds[option]
        if typing.get_origin(kind) is typing.Annotated:
            kind = typing.get_args(kind)[0]
        if typing.get_origin(kind) is not dict:
            if not key:
                return kinds[option]
        elif key:
            return typing.get_args(kind)[1]
    raise InputError(
        f"{place}: not an option of the model or the training, or a PART-constants.NAME"
    )


def _plain(kind: Any) -> set[Any]:
    """The types that a type hint admits, without their bounds."""
    if typing.get_origin(kind) is typing.Annotated:
        return _plain(typing.get_args(kind)[0])
    parts = typing.get_args(kind)
    if parts and typing.get_origin(kind) not in (tuple, typing.Literal):
        return set().union(*map(_plain, parts))
    return {typing.get_origin(kind) or kind}


def _is_number(kind: Any) -> bool:
    return bool(_plain(kind) & {int, float})


def _value(text: str, kind: Any, place: str) -> Any:
    """Read a value; the widths of layers are one value: 600,200, or none for no layer."""
    raw = widths_of(text.split(",")) if tuple in _plain(kind) else text
    kind = _without_none(kind)
    try:
        return msgspec.convert(raw, type=kind, strict=False)
    except msgspec.ValidationError as error:
        words = str(error).partition(" - at ")[0]
        raise InputError(f"{place} {text}: {words[:1].lower()}{words[1:]}") from None


def _without_none(kind: Any) -> Any:
    """The type hint of a value that is given: None stands for one that is not."""
    if typing.get_origin(kind) is typing.Annotated:
        return _without_none(typing.get_args(kind)[0])
    parts = [part for part in typing.get_args(kind) if part is not type(None)]
    is_union = type(None) in typing.get_args(kind)
    return typing.Union[tuple(parts)] if is_union else kind  # noqa: UP007 - of computed parts


def _range(ends: Sequence[str], kind: Any, place: str) -> Range:
    words = f"{place}: a range is LOW:HIGH or LOW:HIGH:log, with LOW below HIGH"
    if len(ends) > 3 or ends[2:] not in ([], ["log"]):
        raise InputError(words)
    low, high = (_value(end, kind, place) for end in ends[:2])
    log = len(ends) == 3
    if low >= high:
        raise InputError(words)
    if log and low <= 0:
        raise InputError(f"{place}: {low:g} has no logarithm")
    return Range(low, high, log, whole=float not in _plain(kind))


def grid(space: Space) -> list[dict[str, Any]]:
    """Every combination of the values.

    Raises:
        InputError: for a range, which has infinitely many values.
    """
    for name, part in space.items():
        if isinstance(part, Range):
            raise InputError(f"--vary {name}: a range takes --random or --optuna")
    lists = [part.values for part in space.values() if isinstance(part, Values)]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*lists)]


def grid_size(space: Space) -> int:
    """Number of combinations of the values; a range counts as one."""
    return math.prod(len(part.values) for part in space.values() if isinstance(part, Values))


def sample(space: Space, number: int, seed: int) -> list[dict[str, Any]]:
    """Settings drawn at random, all different.

    Args:
        space: the search space. Without a range, at most the whole grid is drawn.
        number: number of settings.
        seed: seed of the draws.
    """
    random = np.random.default_rng(seed)
    is_grid = not any(isinstance(part, Range) for part in space.values())
    if is_grid and grid_size(space) <= _LISTED:
        every = grid(space)
        return [every[i] for i in random.permutation(len(every))[:number]]
    drawn: dict[tuple[Any, ...], dict[str, Any]] = {}
    # A range of whole numbers may have fewer settings than the number.
    for _ in range(100 * number):
        setting = {name: _draw(part, random) for name, part in space.items()}
        drawn.setdefault(tuple(setting.values()), setting)
        if len(drawn) == number:
            break
    return list(drawn.values())


_LISTED = 10**6
"""Settings of a grid that are listed at most to draw some of them."""


def _draw(part: Values | Range, random: np.random.Generator) -> Any:
    if isinstance(part, Range):
        return part.at(random.random())
    return part.values[random.integers(len(part.values))]


def with_setting(config: TrainConfig, setting: Setting, seed: int) -> TrainConfig:
    """The configuration of one member.

    Raises:
        InputError: if a value is out of the bounds of its option, or options contradict each
            other.
    """
    # Any: mypy does not know which option a name stands for.
    parts: dict[str, Any] = {
        "model": config.model,
        "training": replace(config.training, seed=seed),
        "rise": RiseFlags(),
    }
    for name, value in setting.items():
        option, _, key = name.replace("-", "_").partition(".")
        place = next(place for place, part in parts.items() if hasattr(part, option))
        now = {**getattr(parts[place], option), key: value} if key else value
        parts[place] = replace(parts[place], **{option: now})
    rise = validated(parts.pop("rise")).over(config.training.rise)
    training = replace(parts["training"], rise=rise)
    return validated(replace(config, model=parts["model"], training=training))

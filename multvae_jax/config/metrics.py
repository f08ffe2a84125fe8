"""The metrics that options name: those of the package, and those of the user's files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import jax.numpy as jnp

from multvae_jax.config.options import CUTOFFS, TrainingOptions
from multvae_jax.config.user_functions import Vocabulary
from multvae_jax.errors import InputError
from multvae_jax.evaluation import named
from multvae_jax.evaluation.metrics import PAPER_METRICS, at_cutoffs
from multvae_jax.evaluation.named import Facts
from multvae_jax.evaluation.values import AnyMetric

ANYTHING: Facts = {
    name: lambda: jnp.zeros(()) for name in ("popularity", "n_users", "genres", "vectors")
}
"""Facts to try names with before the data is read."""


def named_metrics(
    option: str, names: Iterable[str], cutoffs: Iterable[int], facts: Facts
) -> dict[str, AnyMetric]:
    """Return metrics by name, as in `multvae_jax.evaluation.named`, or of a user's file.

    Args:
        option: the option that names them, such as `--metrics`, for messages.
        names: `name@k`, or a name alone for all cutoffs; a name is one of the package, or
            `my_file.py:name`.
        cutoffs: the cutoffs of names without one.
        facts: what the functions may take besides the list.

    Returns:
        The metrics by name, those of a file without it.

    Raises:
        InputError: as in `multvae_jax.evaluation.named`, naming the option.
    """
    found: dict[str, AnyMetric] = {}
    own = Vocabulary(option, "metric", {})
    for text in names:
        try:
            name, cutoff = named.parse_name(text)
            if ":" not in name:
                found.update(named.named_metrics([text], facts, cutoffs))
                continue
        except InputError as error:
            raise InputError(f"{option} {error}") from None
        function, plain = own.find(name), name.rpartition(":")[2]
        if plain in named.FAMILIES:
            raise InputError(f"{option} {text}: the package has a metric '{plain}'; rename yours")
        try:
            found.update(named.metrics_of(text, plain, function, cutoff, facts, cutoffs))
        except InputError as error:
            raise InputError(f"{option} {error}") from None
    return found


def validation_metrics(training: TrainingOptions, facts: Facts = ANYTHING) -> dict[str, AnyMetric]:
    """The paper's metrics, and the one that selects the epoch.

    Args:
        training: options of the training.
        facts: what is known of the items; unless given, the names are tried only.

    Raises:
        InputError: as in `named_metrics`.
    """
    name = training.selection
    found = named_metrics("--select-by", [name], [100], facts)
    if training.selecting_metric not in found:
        raise InputError(f"--select-by {name}: give the cutoff too, such as {name}@100")
    return {**PAPER_METRICS, **found}


def final_metrics(training: TrainingOptions, facts: Facts = ANYTHING) -> dict[str, AnyMetric]:
    """Test metrics of a run: those of the validation, all of hits at the cutoffs, and `--metrics`.

    Args:
        training: options of the training.
        facts: as in `validation_metrics`.

    Raises:
        InputError: as in `named_metrics`.
    """
    cutoffs = CUTOFFS if training.cutoffs is None else training.cutoffs
    return {
        **validation_metrics(training, facts),
        **at_cutoffs(cutoffs),
        **named_metrics("--metrics", training.metrics or (), cutoffs, facts),
    }


def asked_metrics(
    names: Sequence[str] | None, cutoffs: Sequence[int], training: TrainingOptions, facts: Facts
) -> dict[str, AnyMetric]:
    """Metrics of an evaluation: those that are named, or else those of the training of the run.

    Args:
        names: value of `--metrics`, if it is set.
        cutoffs: value of `--cutoffs`.
        training: options of the training of the run.
        facts: as in `validation_metrics`.

    Raises:
        InputError: as in `named_metrics`.
    """
    if names is not None:
        return named_metrics("--metrics", names, cutoffs, facts)
    return final_metrics(replace(training, cutoffs=tuple(cutoffs)), facts)


def shown_metrics(training: TrainingOptions) -> list[str]:
    """Names of the test metrics that a training shows.

    They are those of `--metrics` after those of the validation, and all metrics of hits if the
    training has cutoffs of its own.
    """
    if training.cutoffs is not None:
        return list(final_metrics(training))
    asked = named_metrics("--metrics", training.metrics or (), CUTOFFS, ANYTHING)
    return list({**validation_metrics(training), **asked})

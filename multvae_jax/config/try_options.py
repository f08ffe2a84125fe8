"""The options of `multvae try`.

Nothing in this module imports jax, because `multvae --help` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Literal

import tyro

from multvae_jax import recipe
from multvae_jax.checks.bounds import Count, Positive, Seed
from multvae_jax.config.options import COLUMN, DataOptions, shown

Kind = Literal["likelihood", "objective", "prior", "network", "model"]

IDEA = tyro.conf.arg(metavar="IDEA", help_behavior_hint="")


@dataclass(frozen=True)
class FileOptions:
    """How files of interactions are read.

    Attributes:
        min_rating: Lowest rating of the interactions to keep.
        user_column: Column with the user.
        item_column: Column with the item.
        rating_column: Column with the rating.
        encoding: Encoding of a text file, such as latin-1 or utf-16.
        separator: Separator of the fields, as in train.
        header: Whether the first line holds the names of the columns.
    """

    min_rating: Annotated[float | None, shown(unset="all")] = None
    user_column: Annotated[str | None, COLUMN] = None
    item_column: Annotated[str | None, COLUMN] = None
    rating_column: Annotated[str | None, COLUMN] = None
    encoding: Annotated[str | None, shown("NAME", "UTF-8, else latin-1")] = None
    separator: Annotated[str | None, shown("TEXT", "found in the file")] = None
    header: Literal["auto", "yes", "no"] = "auto"

    def over(self, data: DataOptions) -> DataOptions:
        """The options of data that is read in the same way."""
        return replace(data, **{f.name: getattr(self, f.name) for f in fields(self)})


READING = tyro.conf.arg(name="Reading", help="How the files of --data are read.")


@dataclass(frozen=True)
class TryConfig:
    """Options of `multvae try`.

    Attributes:
        idea: A likelihood, an objective, a prior, a network or a model: my_file.py:name, or a name
            of the package, such as gaussian or recvae.
        kind: Kind of the idea, if it cannot be seen from what the idea returns.
        constants: Constants of the idea, by name, such as c1 1 c0 0.1 of the gaussian.
        against: Further rivals beside Mult-VAE with the multinomial: names as for the idea, or
            baselines.
        dataset: Names of data sets; `multvae datasets` lists them.
        data: Files of interactions, each a data set of its own.
        held_out: Number of validation users, and of test users; below 1, their share.
        seeds: Largest number of training seeds.
        seed: The first of the seeds.
        minutes: Time for all trainings, in minutes; data sets and seeds that it leaves out are
            named.
        recipe: Recipe by which all contenders are trained, as in train.
        epochs: Largest number of passes over the training users.
        out: Directory to write result.json and page.html to.
        reading: How files are read.
    """

    idea: Annotated[tyro.conf.Positional[str], IDEA]
    kind: Annotated[Kind | None, shown(unset="seen from the idea", name="as")] = None
    constants: Annotated[dict[str, float], shown("[NAME NUMBER ...]", "the idea's own")] = field(
        default_factory=dict
    )
    against: Annotated[tuple[str, ...] | None, shown("NAMES", "none")] = None
    dataset: Annotated[
        tuple[str, ...] | None, shown("NAMES", "the small ones that are on this machine")
    ] = None
    data: Annotated[tuple[str, ...] | None, shown("FILES")] = None
    held_out: Annotated[Positive | None, shown(unset="the data set's own, or 0.1")] = None
    seeds: Count = 10
    seed: Seed = 0
    minutes: Annotated[Positive, shown()] = recipe.MINUTES
    recipe: Literal["adaptive", "paper"] = "adaptive"
    epochs: Annotated[Count | None, shown(unset="the recipe's")] = None
    out: Annotated[str | None, shown("DIRECTORY", "only print them")] = None
    reading: Annotated[FileOptions, READING] = field(default_factory=FileOptions)

"""How a model is trained when the caller sets nothing.

`adaptive` is the default of `fit`, `sweep` and the command line; `paper` repeats Liang et al. to
the last constant. Arguments and options override the numbers one by one. Nothing in this module
imports jax.

How the numbers of `adaptive` were found: `experiments/recipe`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from multvae_jax.checks.signatures import checked

EPOCHS = 100
"""Passes over the training users in the paper, for its two larger data sets (section 4.4)."""

LEARNING_RATE = 1e-3
"""Learning rate of Adam in the paper (section 4.4)."""

LARGEST_BATCH = 500
"""Users in an update at most: the paper's batch size (section 4.4)."""

FEWEST_UPDATES = 10
"""Updates in an epoch at least: a small data set is cut into smaller batches."""

BETA_CAP = 0.2
"""Largest weight of the KL term in the paper (section 2.2.2)."""

ANNEALED_SHARE = 0.5
"""Share of all updates over which beta rises from 0 to its cap."""

SPARSE = 0.0011
"""Share of the cells of users x items that are interactions, below which data is very sparse."""

GRAVITY = 2.0
"""Weight of the pull on the logits, see `likelihoods.multinomial`, as a multiple of the density."""

MOST_GRAVITY = 0.1
"""Largest weight of the pull: that of the densest data on which it was tried."""

LARGE_CATALOGUE = 8_000
"""Number of items from which the code is larger."""

SELECT_BY = "ndcg@100"
"""Validation metric that selects the epoch (section 4.2)."""

MINUTES = 10.0
"""Time in which `choose` tries several recommenders."""


class DataShape(NamedTuple):
    """The size of the training data, on which a recipe may depend.

    Attributes:
        n_users: training users.
        n_items: items.
        n_interactions: interactions of the training users.
    """

    n_users: int
    n_items: int
    n_interactions: int


class Recipe(NamedTuple):
    """The numbers of a model and of its training.

    Attributes:
        hidden: widths of the layers between the items and the code.
        latent: dimensions of the code.
        network: name of the network of a variational autoencoder, a function of `multvae_jax.mlp`.
        dropout: dropout rate of the input.
        learning_rate: learning rate of Adam, which is constant.
        epochs: passes over the training users at most.
        patience: validations without a new best after which training stops; None to train for all
            epochs.
        beta_cap: largest weight of the KL term.
        annealed_share: share of the updates of all epochs over which beta rises to its cap.
        gravity: weight of the pull of the multinomial's logits towards 0; None for none.
    """

    hidden: tuple[int, ...]
    latent: int
    network: str
    dropout: float
    learning_rate: float
    epochs: int
    patience: int | None
    beta_cap: float
    annealed_share: float
    gravity: float | None = None


def batch_size(n_users: int) -> int:
    """Users in an update: at most 500, and at least ten updates an epoch.

    All batches are about the same size: a last batch of a few users would move the parameters as
    far as a full one, in a direction that is mostly noise.

    Args:
        n_users: training users.

    Example:
        >>> batch_size(4832), batch_size(483)
        (484, 49)
    """
    _check(n_users)
    return math.ceil(n_users / max(FEWEST_UPDATES, math.ceil(n_users / LARGEST_BATCH)))


def n_updates(n_users: int, batch_size: int, epochs: int) -> int:
    """Updates of a whole run.

    Example:
        >>> n_updates(n_users=4832, batch_size=484, epochs=80)
        800
    """
    _check(n_users, batch_size, epochs)
    return epochs * math.ceil(n_users / batch_size)


def _check(n_users: int = 1, batch_size: int = 1, epochs: int = 1) -> None:
    # Imported here: the table of data sets reads this module, and imports no library.
    from multvae_jax.checks.bounds import Count, LeastCount, Size, check_number

    check_number("n_users", n_users, LeastCount)
    check_number("batch_size", batch_size, Size)
    check_number("epochs", epochs, Count)


_DATA = (DataShape, "DataShape(n_users=6_000, n_items=3_000, n_interactions=500_000)")


@checked(data=_DATA)
def paper(data: DataShape) -> Recipe:
    """The paper's network and constants, whatever the data (section 4.4).

    Example:
        >>> paper(DataShape(4_834, 3_497, 462_827)).hidden
        (600,)
    """
    del data
    return Recipe(
        hidden=(600,),
        latent=200,
        network="variational_mlp",
        dropout=0.5,
        learning_rate=LEARNING_RATE,
        epochs=EPOCHS,
        patience=None,
        beta_cap=BETA_CAP,
        annealed_share=ANNEALED_SHARE,
    )


@checked(data=_DATA)
def adaptive(data: DataShape) -> Recipe:
    """A recipe that ranks better than the paper's, in less time, and depends on the data.

    There is no hidden layer, and the code has 200 dimensions, or 400 for a large catalogue. The
    posterior mean is bounded by tanh, beta rises to 0.05, and the likelihood pulls the logits
    towards 0, more strongly on denser data. On very sparse data, the mean, the size of the code and
    the likelihood are the paper's, and beta rises faster, to 0.4. The learning rate falls with the
    fourth root of the number of updates in an epoch, from 3e-3 for the ten of a small data set.
    Training ends when ten validations have brought no new best.

    Example:
        >>> adaptive(DataShape(4_834, 3_497, 462_827)).learning_rate
        0.003
        >>> round(adaptive(DataShape(116_677, 20_108, 8_500_000)).learning_rate, 5)
        0.00136
    """
    density = data.n_interactions / max(1, data.n_users * data.n_items)
    updates = n_updates(data.n_users, batch_size(data.n_users), epochs=1) if data.n_users else 1
    shared = Recipe(
        hidden=(),
        latent=200,
        network="variational_mlp",
        dropout=0.5,
        learning_rate=3e-3 * (FEWEST_UPDATES / max(FEWEST_UPDATES, updates)) ** 0.25,
        epochs=80,
        patience=10,
        beta_cap=0.4,
        annealed_share=0.125,
    )
    if density < SPARSE:
        return shared
    return shared._replace(
        latent=400 if data.n_items >= LARGE_CATALOGUE else 200,
        network="bounded_mlp",
        beta_cap=0.05,
        annealed_share=ANNEALED_SHARE,
        gravity=min(GRAVITY * density, MOST_GRAVITY),
    )


RECIPES: dict[str, Callable[[DataShape], Recipe]] = {"adaptive": adaptive, "paper": paper}
"""The recipes by the names that `--recipe` takes."""

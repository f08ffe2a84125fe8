"""Lists of users with every kind of gap, for the metrics that depend on the items shown."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from multvae_jax.evaluation.list_metrics import UserList

N_ITEMS, LENGTH = 40, 12


class User(NamedTuple):
    """A user in plain Python: columns of items, the list best first, None for an unknown item."""

    items: list
    history: set
    targets: set

    def shown(self, k):
        return [item for item in self.items[:k] if item is not None]


def users(seed=0):
    """Full, short, gapped, single and empty lists; users without history and without a hit."""
    random = np.random.default_rng(seed)
    found = []
    for row in range(24):
        order = random.permutation(N_ITEMS).tolist()
        history, new = set(order[: (0, 3, 20)[row % 3]]), order[20:]
        items = new[: (12, 12, 12, 5, 2, 1, 0, 12)[row % 8]]
        if row % 8 == 7:
            items[2] = items[9] = None
        targets = set(random.permutation(new)[: 1 + row % 7].tolist())
        found.append(User(items, history, targets))
    return found


def stacked(users, filler=-1):
    """The users as one `UserList` of arrays with a first axis."""
    padded = [[*user.items, *[None] * (LENGTH - len(user.items))] for user in users]
    items = np.array([[filler if i is None else i for i in row] for row in padded], np.int32)
    shown = np.array([[i is not None for i in row] for row in padded])
    sets = [[user.history for user in users], [user.targets for user in users]]
    known, wanted = (
        np.array([[item in one for item in range(N_ITEMS)] for one in part]) for part in sets
    )
    return UserList(
        items=jnp.asarray(items),
        shown=jnp.asarray(shown),
        hits=jnp.asarray(shown & np.take_along_axis(wanted, np.maximum(items, 0), axis=1)),
        n_targets=jnp.asarray(wanted.sum(axis=1), jnp.int32),
        history=jnp.asarray(known),
        targets=jnp.asarray(wanted),
        mean_target_rank=jnp.full(len(users), jnp.nan),
        n_candidates=jnp.asarray((~known).sum(axis=1), jnp.int32),
    )


def measured(families, lists, cutoffs, about):
    """Name of the metric, cutoff -> one value per user, as `evaluate` computes them."""

    def of_user(mine, about):
        return {
            (name, k): function(mine.cut(k), **{one: about[one] for one in about_of})
            for name, (function, about_of) in families.items()
            for k in cutoffs
        }

    about = jax.tree.map(jnp.asarray, about)
    found = jax.jit(jax.vmap(of_user, in_axes=(0, None)))(lists, about)
    return {name: np.asarray(values, np.float64) for name, values in found.items()}

"""What the examples in docstrings find: the names of the reference, and a reader's files."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp

import multvae_jax as mv
from tests.builders import write_ratings


def write_files(folder):
    """Ratings with times, splits of them, and tables of the users and the items."""
    header, *rows = write_ratings(folder / "ratings.csv", n_users=60).read_text().splitlines()
    rows = [f"{row.rsplit(',', 1)[0]},{at}" for at, row in enumerate(rows)]

    def write(name, chosen):
        (folder / name).write_text("\n".join([header, *chosen]) + "\n")

    def of(users, first=0, last=None):
        return [
            r for user in users for r in [r for r in rows if r.startswith(f"{user},")][first:last]
        ]

    write("ratings.csv", rows)
    write("train.csv", of(range(1, 51), last=-2))
    write("valid.csv", of(range(1, 51), first=-2, last=-1))
    write("test.csv", of(range(1, 51), first=-1))
    write("test_tr.csv", of(range(51, 61), last=-2))
    write("test_te.csv", of(range(51, 61), first=-2))
    users = [f"{user},{'FM'[user % 2]},{20 + user % 3}" for user in range(1, 61)]
    (folder / "users.csv").write_text("\n".join(["userId,gender,age", *users]) + "\n")
    items = [f"{item},{('Comedy', 'Drama')[item % 2]}" for item in range(100, 130)]
    (folder / "items.csv").write_text("\n".join(["movieId,genres", *items]) + "\n")
    vectors = [f"{item},{item % 2},{item % 3},1" for item in range(100, 130)]
    (folder / "vectors.csv").write_text("\n".join(["movieId,a,b,c", *vectors]) + "\n")


def names(folder):
    """The names that the first page of the reference says are there."""
    write_files(folder)
    data = mv.read_interactions(folder / "ratings.csv", min_rating=4)
    split = mv.hold_out_users(data)
    key = jax.random.key(0)
    model = mv.mult_vae((), 8, network=mv.mlp.bounded_mlp)
    run = mv.fit(key, model, split, epochs=2)
    run.save(folder / "runs" / "first")
    users = split.test
    lists = mv.recommend_lists(run.scorer, run.catalogue, users.history, users.user_ids)
    lists.write(folder / "other.csv")
    batch = mv.batching.take(mv.batching.to_device(split.train), jnp.arange(2), capacity=8)
    modules = {"mv": mv, "jax": jax, "jnp": jnp, "np": np, "optax": optax, "sp": sp}
    values = {"data": data, "split": split, "key": key, "model": model, "run": run, "batch": batch}
    return {**modules, "partial": partial, **values}

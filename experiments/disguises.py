"""How often `multvae try` calls a multinomial in disguise another model.

    python -m experiments.disguises     # or some of them: 'dense rows'

1,300 s on one shared core of an AMD EPYC. Of 200 losses that are the multinomial, with other keys
or in another layout, five are called different (.0250), and 17 by a test over users alone (.0850).
Each is trained with five seeds for five epochs, on films of MovieLens latest-small, and compared
with the package's own as in `multvae try`. Result: results/disguises/README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import multvae_jax as mv
from multvae_jax.datasets.registry import fetch_files
from multvae_jax.evaluation import prepare_users
from multvae_jax.evaluation.crossed import crossed_test
from multvae_jax.evaluation.significance import sign_flip_test
from multvae_jax.likelihoods import dense, multinomial
from multvae_jax.models import Model, scorer
from multvae_jax.objectives import blockwise_logits, negative_elbo

LEVEL = 0.05
EACH = 40
"""Losses per disguise."""

RESULTS = Path(__file__).parent / "results" / "disguises"


def dense_rows() -> mv.Likelihood:
    """From dense rows, with the log softmax of jax."""
    return dense(lambda f, x, theta: jnp.sum(x * jax.nn.log_softmax(f)))


def shifted() -> mv.Likelihood:
    """With logits that are shifted by a constant, which the softmax does not see."""

    def click(f: jax.Array, x: jax.Array, theta: mv.types.Theta) -> jax.Array:
        return x * (f + theta["shift"])

    def normalizer(f: jax.Array, total: jax.Array, theta: mv.types.Theta) -> jax.Array:
        return total * mv.ops.logsumexp(f + theta["shift"])

    return mv.Likelihood(click, normalizer, constants={"shift": 3.0})


def doubled(*parts: object) -> mv.objectives.Loss:
    """Twice the loss, of which Adam sees as much."""
    elbo = negative_elbo(*parts)

    def loss(*arguments: object) -> tuple[jax.Array, dict[str, jax.Array]]:
        value, terms = elbo(*arguments)
        return 2 * value, {**terms, "loss": 2 * value}

    return loss


class Disguise(NamedTuple):
    """A way to write the multinomial.

    Attributes:
        likelihood: makes the likelihood.
        objective: makes the loss.
    """

    likelihood: Callable[[], mv.Likelihood] = multinomial
    objective: Callable[..., mv.objectives.Loss] = negative_elbo


DISGUISES: Mapping[str, Disguise] = {
    "another key": Disguise(),
    "dense rows": Disguise(dense_rows),
    "shifted logits": Disguise(shifted),
    "blocks of items": Disguise(
        objective=partial(negative_elbo, reconstruction=blockwise_logits(64))
    ),
    "twice the loss": Disguise(objective=doubled),
}


class Count(NamedTuple):
    """Losses that were compared.

    Attributes:
        losses: their number.
        different: how many the test over users and seeds calls different.
        over_users_alone: how many a test that takes the trained models for fixed would.
    """

    losses: int
    different: int
    over_users_alone: int


def model_of(disguise: Disguise, latent: int) -> Model:
    """Mult-VAE in a disguise, without a hidden layer."""
    return mv.mult_vae(
        (),
        latent,
        network=mv.mlp.bounded_mlp,
        likelihood=disguise.likelihood(),
        objective=disguise.objective,
    )


def values_of(
    model: Model, split: mv.Split, keys: Sequence[jax.Array], seeds: int, epochs: int
) -> np.ndarray:
    """NDCG@100 of each user, `losses x seeds x users`: all keys are trained as one program."""
    metric = {"ndcg@100": mv.metrics.PAPER_METRICS["ndcg@100"]}
    outcomes = mv.sweep(
        [mv.Member(key) for key in keys],
        model,
        split,
        epochs=epochs,
        metrics=metric,
        keep_params=True,
    )
    users = prepare_users(split.test)
    found = [mv.evaluate(scorer(model, one.params), users, metric) for one in outcomes]
    return np.stack([one.values["ndcg@100"] for one in found]).reshape(-1, seeds, found[0].users)


def keys_of(first: int, losses: int, seeds: int) -> list[jax.Array]:
    """A key for each loss and seed."""
    return [
        jax.random.fold_in(jax.random.key(seed), first + loss)
        for loss in range(losses)
        for seed in range(seeds)
    ]


def study(
    split: mv.Split,
    number: int,
    disguise: Disguise,
    alike: int,
    each: int = EACH,
    seeds: int = 5,
    epochs: int = 5,
    latent: int = 16,
) -> Count:
    """Count how many losses of a disguise are called different from the package's own.

    Args:
        split: the data.
        number: number of the disguise, from which its keys are.
        disguise: the disguise.
        alike: losses that have the keys of what they are compared with, so that only rounding
            differs; the others have keys of their own.
        each: losses.
        seeds: seeds of each loss.
        epochs: passes over the training users.
        latent: dimensions of the code.
    """
    first = 1000 * number
    own = keys_of(first, each, seeds)
    keys = own[: alike * seeds] + keys_of(first + 500, each - alike, seeds)
    plain = values_of(model_of(Disguise(), latent), split, own, seeds, epochs)
    values = values_of(model_of(disguise, latent), split, keys, seeds, epochs)
    p_values = [crossed_test(*pair).p_value for pair in zip(values, plain, strict=True)]
    over_users = sign_flip_test((values - plain).mean(axis=1).T, permutations=2000)
    different = int((np.array(p_values) <= LEVEL).sum())
    return Count(each, different, int((over_users <= LEVEL).sum()))


def main(names: Sequence[str]) -> None:
    """Count for the disguises that are named, and write the result with that of the others."""
    path = fetch_files("ml-latest-small")["data"]
    ratings = mv.read_interactions(path, min_rating=4, min_user_count=5, min_item_count=50)
    split = mv.hold_out_users(ratings, 150, 150)
    result = RESULTS / "result.json"
    RESULTS.mkdir(parents=True, exist_ok=True)
    known = json.loads(result.read_text())["disguises"] if result.exists() else {}
    for number, (name, disguise) in enumerate(DISGUISES.items()):
        if names and name not in names:
            continue
        alike = 0 if name == "another key" else EACH // 2
        known[name] = study(split, number, disguise, alike)._asdict()
        total = Count(*(sum(counts[key] for counts in known.values()) for key in Count._fields))
        record = {"train": split.train.shape, "disguises": known, "all": total._asdict()}
        result.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(name, known[name], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

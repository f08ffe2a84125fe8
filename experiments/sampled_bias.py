"""The bias of the sampled softmax with logQ correction, by the number of draws.

    python -m experiments.sampled_bias --dataset ml-latest-small --hidden 100 --latent 32 --seeds 1

155 s on two cores of an AMD EPYC that had much other work; bias of log p with 100 draws: .0526
drawn uniformly, .0169 by the root of the count, .0115 by count.
Details: results/sampled_bias/README.md.

The log probability of an interaction by the estimate minus the exact one, at the logits of a
trained Mult-VAE for the test users. The estimate of the softmax's sum has no bias; that of its
logarithm has one of half the squared variation of the sum, which falls as 1 / draws.
"""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import multvae_jax as mv
from experiments.extensions.sampled import sampled_softmax
from experiments.shared.main import Report, main
from experiments.shared.options import Options, load_split
from experiments.shared.training import train
from multvae_jax.batching import Batch, capacity_of, sequential_order, take, to_device, totals
from multvae_jax.likelihoods import log_likelihood, multinomial
from multvae_jax.reports.comparison import format_markdown

DRAWS = (20, 100, 500, 2_500)
KEYS = 400


def bias_of(
    logits: jax.Array, batch: Batch, number: int, weights: Any, keys: int
) -> dict[str, float]:
    """Bias of the log probability of an interaction, and its spread over keys.

    Returns:
        The mean over users of the bias of each; its standard error over keys; and the mean over
        users of the standard deviation over keys.
    """
    likelihood = sampled_softmax(number, weights)

    @jax.jit
    def of_keys(keys: jax.Array, logits: jax.Array, batch: Batch) -> tuple[jax.Array, jax.Array]:
        each = totals(batch)
        found = jax.lax.map(
            lambda key: log_likelihood(likelihood, {}, logits, batch, key) / each, keys
        )
        return found, log_likelihood(multinomial(), {}, logits, batch) / each

    found, exact = of_keys(jax.random.split(jax.random.key(number), keys), logits, batch)
    errors = np.asarray(found, np.float64) - np.asarray(exact, np.float64)
    # All users share the draws of a key.
    means = errors.mean(axis=1)
    return {
        "bias": float(means.mean()),
        "standard_error": float(means.std(ddof=1) / np.sqrt(keys)),
        "deviation": float(errors.std(axis=0, ddof=1).mean()),
    }


def sampled_bias(options: Options) -> Report:
    """The bias of the sampled softmax, by the number of draws and how they are drawn."""
    split = load_split(options)
    run = train(mv.mult_vae(options.hidden, options.latent), split, options, seed=0)
    history = split.test.history[np.diff(split.test.history.indptr) > 0]
    histories = to_device(history)
    order = sequential_order(histories.n_users, histories.n_users)
    batch = take(histories, jnp.asarray(order[0]), capacity_of(histories, order))
    logits = jax.jit(lambda scorer, batch: scorer(batch))(run.scorer, batch)
    counts = np.asarray(split.catalogue.counts, np.float64)
    ways = {"uniformly": None, "by the root of the count": np.sqrt(counts), "by count": counts}
    keys = 20 if options.quick else KEYS
    found = {
        way: {number: bias_of(logits, batch, number, weights, keys) for number in DRAWS}
        for way, weights in ways.items()
    }
    rows = [
        [
            f"{number:,} drawn {way}",
            f"{own['bias']:+.4f} ± {1.96 * own['standard_error']:.4f}",
            f"{own['deviation']:.4f}",
        ]
        for way, by_number in found.items()
        for number, own in by_number.items()
    ]
    table = format_markdown(["", "bias of log p", "deviation over draws"], rows)
    return Report(split, {"keys": keys, "bias": found}, table, draw(found, options.data_name))


def draw(found: dict[str, dict[int, dict[str, float]]], title: str) -> Figure:
    """The bias against the number of draws, a line for each way to draw."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for way, by_number in found.items():
        own = by_number.values()
        spread = [1.96 * each["standard_error"] for each in own]
        axes.errorbar(list(by_number), [e["bias"] for e in own], spread, marker="o", label=way)
    axes.set(title=title, xlabel="draws", ylabel="bias of log p of an interaction")
    axes.set_xscale("log")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


if __name__ == "__main__":
    sys.exit(main(sampled_bias))

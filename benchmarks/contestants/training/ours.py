"""This program: an epoch as one compiled program over ragged histories."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp

from benchmarks.contestants.training.task import (
    BETA,
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    TrainingTask,
    read_task,
)
from benchmarks.harness.epochs import epoch_runner, whole_batch
from benchmarks.harness.rounds import serve_rounds
from multvae_jax.batching import to_device
from multvae_jax.mlp import variational_mlp
from multvae_jax.models import Model, mult_vae, scorer
from multvae_jax.ops.matmul import matmul_in
from multvae_jax.schedules import linear_annealing


def model_in(precision: str) -> Model:
    """Mult-VAE with matrix products of a precision."""
    network = partial(variational_mlp, matmul=matmul_in(jnp.dtype(precision)))
    return mult_vae((HIDDEN,), LATENT, network=network)


def serve(
    task: TrainingTask, model: Model, optimizer: optax.GradientTransformation, beta: optax.Schedule
) -> None:
    """Serve rounds of one epoch each, as `fit` trains."""
    run_epoch = epoch_runner(task.train, task.batch_size, model, optimizer, beta)
    state = None

    def work() -> None:
        nonlocal state
        state = run_epoch()

    def score(rows: np.ndarray) -> np.ndarray:
        batch = whole_batch(to_device(sp.csr_array(rows)))
        return np.asarray(scorer(model, state.params)(batch))

    serve_rounds(work, after_each=lambda: task.save_scores(score))


def main() -> None:
    """Serve rounds of one epoch each."""
    task = read_task("ours")
    beta = linear_annealing(BETA, task.annealing)
    serve(task, model_in(task.precision), optax.adam(LEARNING_RATE), beta)


if __name__ == "__main__":
    main()

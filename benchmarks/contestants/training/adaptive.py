"""This program with its default recipe, `multvae_jax.recipe.adaptive`, instead of the paper's."""

from __future__ import annotations

import optax

import multvae_jax as mv
from benchmarks.contestants.training.ours import serve
from benchmarks.contestants.training.task import read_task
from multvae_jax.defaults import recipe_beta, recipe_model
from multvae_jax.recipe import DataShape, adaptive


def main() -> None:
    """Serve rounds of one epoch each."""
    task = read_task("adaptive")
    numbers = adaptive(DataShape(*task.train.shape, task.train.nnz))
    beta = recipe_beta(numbers, task.train.shape[0], task.batch_size, numbers.epochs)
    serve(task, recipe_model(mv.mult_vae, numbers), optax.adam(numbers.learning_rate), beta)


if __name__ == "__main__":
    main()

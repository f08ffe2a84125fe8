"""Whether the operations that have a form per platform compute the same on the device as on a CPU.

Each is computed on both in true float32 from the same numbers, and the largest difference is
divided by the largest value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.contestants.accelerator.sizes import Sizes
from benchmarks.harness.sections import Budget, Found, Row
from benchmarks.harness.synthetic import random_held_out
from benchmarks.harness.update import BETA
from multvae_jax.batching import Batch, capacity_of, sequential_order, take, to_device
from multvae_jax.evaluation.ranking import mean_ranks, target_hits, unseen_scores
from multvae_jax.models import mult_vae
from multvae_jax.ops.embedding_bag import embedding_bag
from multvae_jax.ops.in_place import in_blocks
from multvae_jax.ops.matmul import add_bias, matmul_in
from multvae_jax.training.updates import init_state, make_train_step

USERS, ITEMS, WIDTH, MEAN, UPDATES = 64, 700, 48, 20, 3


class Form(NamedTuple):
    """An operation whose program depends on the platform.

    Attributes:
        modules: the modules of the package that choose its forms.
        run: computes it from `problem()`; an array or a pytree of arrays.
        bound: largest relative difference at which the results count as equal.
    """

    modules: tuple[str, ...]
    run: Callable[[dict[str, Any]], Any]
    bound: float


@functools.cache
def problem() -> dict[str, Any]:
    """Numbers to compute from, in the memory of this process."""
    random = np.random.default_rng(0)
    held_out = random_held_out(USERS, ITEMS, MEAN)
    gather, order = jax.jit(take, static_argnums=2), sequential_order(USERS, USERS)
    batches = {}
    for name, matrix in (("history", held_out.history), ("targets", held_out.targets)):
        histories = to_device(matrix)
        batches[name] = gather(histories, order[0], capacity_of(histories, order))
    arrays = {
        "h": (USERS, WIDTH),
        "kernel": (WIDTH, ITEMS),
        "embedding": (ITEMS, WIDTH),
        "bias": (ITEMS,),
        "outputs": (USERS, ITEMS),
    }
    drawn = {name: random.standard_normal(size, np.float32) for name, size in arrays.items()}
    # Equal scores, of which the lower number comes first.
    drawn["scores"] = np.round(drawn["outputs"], 1)
    return {**jax.device_get(batches), **drawn}


def value_and_gradients(function: Callable[..., Any], *arguments: Any, of: Any) -> Any:
    """The value, and the gradients of its inner product with an array."""
    value, back = jax.vjp(function, *arguments)
    return value, back(of)


def _bag(given: dict[str, Any]) -> Any:
    batch: Batch = given["history"]
    of = given["h"]
    return value_and_gradients(
        lambda kernel: embedding_bag(kernel, batch), given["embedding"], of=of
    )


def _product(dtype: Any, given: dict[str, Any]) -> Any:
    return value_and_gradients(matmul_in(dtype), given["h"], given["kernel"], of=given["outputs"])


def _bias(given: dict[str, Any]) -> Any:
    return value_and_gradients(add_bias, given["outputs"], given["bias"], of=given["scores"])


def _ranks(given: dict[str, Any]) -> Any:
    scores, history, targets = given["scores"], given["history"], given["targets"]
    hits, count, _ = target_hits(scores, history, targets, 100)
    return hits, count, mean_ranks(unseen_scores(scores, history), targets)


def _updates(given: dict[str, Any]) -> Any:
    model, optimizer = mult_vae((WIDTH,), 8), optax.adam(1e-3)
    state = init_state(jax.random.key(0), model, optimizer, ITEMS, BETA)
    update = make_train_step(model, optimizer)
    state, terms = jax.lax.scan(
        lambda state, _: update(state, given["history"]), state, None, length=UPDATES
    )
    return terms["loss"], state.params


def _adam(given: dict[str, Any]) -> Any:
    adam, params = optax.adam(1e-3), given["kernel"]

    def update(old: Any, gradient: Any) -> Any:
        updates, state = adam.update(gradient, old[1], old[0])
        return optax.apply_updates(old[0], updates), state

    # As large as the array, so that it is updated in blocks.
    by_blocks = in_blocks(update, large=params.size, block=params.size // 4)
    params, (moments, *_) = by_blocks((params, adam.init(params)), jnp.sin(params))
    return params, moments.mu, moments.nu


BAG, MATMUL = "ops/embedding_bag.py", "ops/matmul.py"

FORMS = {
    "embedding bag and its gradient": Form((BAG,), _bag, 1e-5),
    "product and gradients, float32": Form((MATMUL,), partial(_product, jnp.float32), 1e-5),
    "product and gradients, bfloat16": Form((MATMUL,), partial(_product, jnp.bfloat16), 1e-5),
    "gradient of a bias": Form((MATMUL,), _bias, 1e-5),
    "Adam in blocks": Form(("ops/in_place.py",), _adam, 1e-5),
    "ranks of targets, with ties": Form(("evaluation/ranking.py",), _ranks, 0.0),
    "three updates": Form((BAG, MATMUL), _updates, 1e-3),
}
"""Every operation with a form per platform; the tests find modules that are missing."""


def difference(one: Any, other: Any) -> float:
    """Largest difference of two pytrees, relative to the largest value of each array."""

    def of_leaf(a: Any, b: Any) -> float:
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        return float(np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(np.float32).tiny))

    return max(jax.tree.leaves(jax.tree.map(of_leaf, one, other)))


def on(device: Any, form: Form) -> Any:
    """The result of a form on a device."""
    with jax.default_device(device), jax.default_matmul_precision("highest"):
        given = jax.device_put(problem(), device)
        return jax.device_get(jax.jit(form.run)(given))


def forms(sizes: Sizes, budget: Budget, found: Found) -> Iterator[Row]:
    """The device's results against a CPU's, form by form."""
    del sizes, found
    device, cpu = jax.devices()[0], jax.devices("cpu")[0]
    for name, form in FORMS.items():
        if budget.left() < 0:
            return
        differs = difference(on(device, form), on(cpu, form))
        yield {
            "form": name,
            "on": device.platform,
            "relative difference": differs,
            "bound": form.bound,
            "equal": "yes" if differs <= form.bound else "NO",
        }

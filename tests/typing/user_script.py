"""A user's script, for type checkers: it is checked, not run."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

import multvae_jax as mv


def focal(gamma: float = 2.0) -> mv.Likelihood:
    def log_prob(f: jax.Array, x: jax.Array, theta: Mapping[str, Any]) -> jax.Array:
        log_p = f - mv.ops.logsumexp(f)
        return jnp.sum(x * (1 - jnp.exp(log_p)) ** theta["gamma"] * log_p)

    return mv.likelihoods.dense(log_prob, constants={"gamma": gamma})


def l2_prior() -> mv.Prior:
    def divergence(
        mu: jax.Array, logvar: jax.Array, z: jax.Array, theta: Mapping[str, Any]
    ) -> jax.Array:
        return 0.5 * jnp.sum(mu**2)

    return mv.Prior(divergence)


def stop_early(state: mv.FitState) -> bool:
    return state.entry is not None and state.entry["loss"] < 1.0


def main() -> None:
    data: mv.Interactions = mv.read_interactions("ratings.csv", min_rating=4)
    split: mv.Split = mv.hold_out_users(data, validation=60, test=60)
    half = partial(mv.mlp.variational_mlp, matmul=mv.ops.matmul_in(jnp.bfloat16))
    model: mv.Model = mv.mult_vae((600,), 200, network=half, likelihood=focal(), prior=l2_prior())
    run: mv.Run = mv.fit(
        jax.random.key(0),
        model,
        split,
        epochs=10,
        optimizer=optax.adamw(1e-3),
        beta=mv.schedules.linear_annealing(0.2, 1000),
        metrics=mv.metrics.at_cutoffs([10]),
        select_by="ndcg@10",
        callback=stop_early,
    )
    own = {"ndcg@5": mv.Metric(mv.metrics.ndcg, 5)}
    prepared = mv.evaluation.prepare_users(split.test)
    ours: mv.Evaluation = mv.evaluate(run.scorer, prepared, own)
    theirs = mv.evaluate(mv.baselines.ease(split.train, 100.0), split.test, own)
    print(ours.mean("ndcg@5"), ours.summary()["ndcg@5"]["standard_error"])
    print(mv.significance.against_best({"ours": ours, "EASE": theirs}, "ndcg@5")["ours"].p_value)
    for user in mv.recommend(run.scorer, run.catalogue, [["50", "181"]], k=5):
        print(", ".join(user.items), user.scores[0] + 1.0)

    members = [mv.Member(jax.random.key(seed), learning_rate=3e-3) for seed in range(3)]
    outcomes: list[mv.Outcome] = mv.sweep(
        members, model, split, epochs=2, layout=mv.sweeps.sequential()
    )
    print([outcome.best_epoch for outcome in outcomes])

    histories: mv.Histories = mv.batching.to_device(split.train)
    state: mv.TrainState = mv.training.init_state(
        jax.random.key(0), model, optax.adam(1e-3), data.n_items, mv.schedules.constant(0.2)
    )
    plan = mv.batching.plan_epoch(mv.keys.order_key(jax.random.key(0), 1), histories, 500)
    epoch = mv.training.make_epoch(mv.training.make_train_step(model, optax.adam(1e-3)))
    state, terms = epoch(state, histories, jnp.asarray(plan.order), plan.capacity)
    print(float(terms["loss"]), int(state.step), mv.__version__)


if __name__ == "__main__":
    try:
        main()
    except mv.InputError as error:
        print(error)

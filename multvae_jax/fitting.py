"""`fit`: train a model and keep the epoch that ranks the validation users best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import jax
import optax
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray

from multvae_jax import averages, optimizers
from multvae_jax import recipe as recipes
from multvae_jax.averages import Evaluated
from multvae_jax.checks.bounds import Count, check_choice, check_kind, check_number
from multvae_jax.data.types import Split
from multvae_jax.defaults import recipe_beta, recipe_epochs, recipe_model, recipe_numbers
from multvae_jax.errors import InputError
from multvae_jax.evaluation.evaluation_set import prepare_users
from multvae_jax.evaluation.metrics import PAPER_METRICS
from multvae_jax.evaluation.values import AnyMetric
from multvae_jax.models import Model
from multvae_jax.ops.in_place import is_without_copies
from multvae_jax.optimizers import Optimizer
from multvae_jax.parallel.meshes import check_mesh, parts_of_users
from multvae_jax.parallel.partition import partition_of
from multvae_jax.recipe import DataShape, Recipe
from multvae_jax.runs.run import Run
from multvae_jax.runs.warm_start import start_of
from multvae_jax.selection import STARTED
from multvae_jax.sizes import FEW_SCORES, room_of
from multvae_jax.training.arguments import (
    as_beta,
    check_functions,
    check_training,
)
from multvae_jax.training.finite import compiled_epoch
from multvae_jax.training.fit_state import FitState
from multvae_jax.training.optimizer_checks import check_optimizer
from multvae_jax.training.state_checks import check_evaluated, check_state
from multvae_jax.training.updates import (
    Measure,
    TrainState,
    init_state,
    make_train_step,
    optimizer_of,
)
from multvae_jax.training_loop.epochs import Training
from multvae_jax.training_loop.streaming import source_of


def fit(
    key: PRNGKeyArray,
    model: Model | Callable[..., Model],
    split: Split,
    *,
    recipe: Callable[[DataShape], Recipe] = recipes.adaptive,
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: Optimizer | None = None,
    beta: optax.Schedule | float | None = None,
    validate_every: int = 1,
    patience: int | None = None,
    stop_after: int | None = None,
    select_by: str = recipes.SELECT_BY,
    metrics: Mapping[str, AnyMetric] = PAPER_METRICS,
    on_nan: Literal["stop", "skip"] = "stop",
    start: Run | None = None,
    state: FitState | None = None,
    callback: Callable[[FitState], bool | None] | None = None,
    callback_every: int | None = None,
    evaluated: Evaluated = averages.evaluated,
    measure: Measure | None = None,
    mesh: Mesh | None = None,
) -> Run:
    """Train a model and keep the epoch that ranks the validation users best.

    With nothing set, and `mult_vae` itself as the model, this is the training of `multvae train`.

    Args:
        key: root key. It is not consumed, and the same key gives the same run.
        model: the model to train; or a function that makes it, of which `mult_vae` receives the
            widths, the network and the dropout of the recipe, and one with a parameter `catalogue`
            the items of the split, with their features.
        split: training users, and validation users to select the epoch on.
        recipe: the numbers that are not set, from the size of the data; `multvae_jax.recipe.paper`
            for those of the paper.
        epochs: passes over the training users; by default at most those of the recipe, with the
            patience of the recipe.
        batch_size: users in an update; by default `recipe.batch_size`.
        optimizer: any optax transformation, or a function that makes it: of the learning rate of
            the recipe, of `updates`, the number of updates of all `epochs`, or of both; by default
            `optax.adam`. A model may apply it in its own way, see `Model.optimizer`.
        beta: weight of the KL term by update, or a number; by default it rises to the cap of the
            recipe over the first half of the updates. A model without the term, such as `mult_dae`
            and `recvae`, ignores it.
        validate_every: epochs between validations; the last epoch is always validated.
        patience: number of validations without a new best after which training stops; by default
            that of the recipe, or none if `epochs` is set.
        stop_after: epoch after which training stops; the default beta is that of all `epochs`.
        select_by: metric that selects the epoch, one of `metrics`.
        metrics: validation metrics by name.
        on_nan: whether to stop at an update whose loss or parameters are not finite, or to skip
            it and count it in the log; skipping checks all parameters after each update.
        start: a run to start from, trained here or loaded, whose model has the same architecture.
            Items are found by their ids: those that are new have fresh parameters, those that are
            gone are dropped, and `log[0]["start"]` has the number of each. The optimizer starts
            afresh, and by default beta stays at its mean in the epoch that the run has kept. Users
            who are held out now may be among those that the run was trained on.
        state: where a training with the same arguments stands, as `callback` received it or
            `multvae_jax.runs.Checkpoints` restored it; training continues there, and its arrays
            are donated.
        callback: called with the state after every epoch, and after every ten updates or so of a
            longer epoch; training stops if it returns True. `state.entry` is the log entry of an
            epoch that has ended. Without it, Python is never more than two of these parts ahead.
        callback_every: number of updates after which `callback` is called within an epoch, instead
            of the ten or so. They are counted anew in each epoch, at whose end it is called in any
            case.
        evaluated: from the training state to the parameters that are validated, kept and saved;
            by default those of an average that the optimizer keeps, see `multvae_jax.averages`,
            or the parameters themselves.
        measure: `(params, gradient, updates) -> terms`, further terms of the log, such as the norm
            of the gradient; called in every update, and compiled with it.
        mesh: devices to train on, see `multvae_jax.make_mesh`; by default one. The batches, the
            draws and the results are those of one device, up to rounding. The state that `callback`
            gets is divided over the devices; the parameters of the run are not. If the devices
            belong to several processes, see `jax.distributed.initialize`, each process calls `fit`
            with the same arguments, and puts only its share of the users on its devices.

    Raises:
        DivergenceError: an `InputError` if a loss, a parameter or a score is not finite; it names
            the update and the users of its batch.
        InputError: if no user can be validated on, `select_by` is not one of the metrics, `state`
            does not belong to the training, or `start` has another architecture or no common item.

    Example:
        >>> run = mv.fit(jax.random.key(0), model, split, epochs=2)
        >>> sorted(mv.evaluate(run.scorer, split.test).summary())
        ['ndcg@100', 'recall@20', 'recall@50']
        >>> again = mv.fit(jax.random.key(1), run.model, split, start=run, epochs=1)
    """
    numbers = recipe_numbers(recipe, split)
    model = recipe_model(model, numbers, split.catalogue)
    epochs, patience = recipe_epochs(numbers, epochs, patience)
    check_training(
        model,
        split,
        keys={"key": key},
        metrics=metrics,
        select_by=select_by,
        epochs=epochs,
        batch_size=batch_size,
        validate_every=validate_every,
        patience=patience,
        stop_after=stop_after,
    )
    check_choice("on_nan", on_nan, ("stop", "skip"))
    check_number("callback_every", callback_every, Count | None)
    if callback_every is not None and callback is None:
        raise InputError("callback_every: without a callback, it has no effect; give callback=...")
    check_functions(callback, evaluated, measure)
    check_mesh(mesh)
    n_users, n_items = split.train.shape
    batch_size = min(batch_size or recipes.batch_size(n_users), n_users)
    updates = recipes.n_updates(n_users, batch_size, epochs)
    if optimizer is not None:
        if callable(optimizer):
            optimizer = optimizers.build(optimizer, numbers.learning_rate, updates)
        check_optimizer(optimizer)
    begun = None if start is None else start_of(start, split)
    if beta is None and begun is not None:
        beta = numbers.beta_cap if begun.beta is None else begun.beta
    beta = recipe_beta(numbers, n_users, batch_size, epochs) if beta is None else as_beta(beta)

    def optimizer_at(rate: float) -> optax.GradientTransformation:
        given = optax.adam(rate) if optimizer is None else optimizer
        return optimizer_of(model, given, recipes.n_updates(n_users, batch_size, epochs=1))

    def begin(key: PRNGKeyArray, carry_over: Any = None) -> TrainState:
        own = optimizer_at(numbers.learning_rate)
        return init_state(key, model, own, n_items, beta, carry_over)

    room = room_of(split, -(-batch_size // parts_of_users(mesh)))
    shapes = jax.eval_shape(begin, key)
    partition = partition_of(shapes, n_items, mesh)
    of_params = partition_of(shapes.params, n_items, mesh)
    if state is not None:
        check_kind("state", state, FitState, "that of a callback")
        check_state(state.train, key, shapes, partition)
        best = None if state.best is None else of_params.placed(state.best)
        state = replace(state, train=partition.placed(state.train), best=best)
    elif begun is None:
        state = FitState(partition.made_by(begin)(key), capacity=room.capacity)
    else:
        train = partition.placed(begin(key, partial(begun.carry_over, model)))
        state = FitState(train, capacity=room.capacity)
    check_evaluated(evaluated, state.train)
    in_place = on_nan != "skip" and mesh is None and is_without_copies()
    train_step = make_train_step(model, optimizer_at(numbers.learning_rate), measure, in_place)
    validation = None
    if split.validation is not None:
        at_once = max(batch_size, FEW_SCORES // n_items)
        validation = prepare_users(split.validation, at_once, mesh)
    training = Training(
        key=key,
        model=model,
        split=split,
        epochs=min(epochs, stop_after or epochs),
        batch_size=batch_size,
        source=source_of(split.train, room, split.user_features, mesh),
        run_part=compiled_epoch(
            train_step, on_nan == "skip", (room, n_items, batch_size), partition
        ),
        partition=partition,
        of_params=of_params,
        evaluated=evaluated,
        validation=validation,
        validate_every=validate_every,
        patience=patience,
        metrics=metrics,
        select_by=select_by,
        callback=callback,
        callback_every=callback_every,
        started={} if begun is None else {STARTED: begun.items.counts()},
    )
    return training.run(state)

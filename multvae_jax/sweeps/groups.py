"""Members of `multvae sweep`: settings with seeds, in groups that train as one program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import msgspec

from multvae_jax.config.build_model import build_model
from multvae_jax.config.build_training import (
    SOME_UPDATES,
    batch_size,
    build_beta,
    build_optimizer,
    n_epochs,
    n_updates,
    optimizer_factory,
    optimizer_numbers,
    traced_numbers,
)
from multvae_jax.config.convert import to_json
from multvae_jax.config.facts import facts_of_split
from multvae_jax.config.metrics import validation_metrics
from multvae_jax.config.options import ResourceOptions, TrainConfig, TrainingOptions
from multvae_jax.config.vocabulary import BETA
from multvae_jax.data.types import Split
from multvae_jax.selection import Entry
from multvae_jax.sweeps.identity import key_of
from multvae_jax.sweeps.journal import Record
from multvae_jax.sweeps.layouts import Layout
from multvae_jax.sweeps.members import Member, sweep
from multvae_jax.sweeps.parts import Outcome
from multvae_jax.sweeps.resources import memory_of
from multvae_jax.sweeps.space import Setting
from multvae_jax.training.updates import as_pytree


class MemberConfig(NamedTuple):
    """A setting with a seed, and the configuration with which `multvae train` would run it."""

    setting: Setting
    seed: int
    config: TrainConfig
    fold: int = 0

    @property
    def key(self) -> str:
        """Text that identifies the member."""
        return key_of(self.setting, self.seed, self.fold)


def groups_of(members: Sequence[MemberConfig]) -> list[list[MemberConfig]]:
    """The members in groups that one compiled program can train: they differ in numbers only."""
    groups: dict[bytes, list[MemberConfig]] = {}
    for member in members:
        groups.setdefault(_program(member.config), []).append(member)
    return list(groups.values())


def _program(config: TrainConfig) -> bytes:
    """Text that is equal for configurations that one program can train."""
    hyper = build_model(config.model).hyper
    # A constant that the model or its likelihood does not declare is built into its code.
    numbers = {
        "constants": hyper.get("likelihood", {}),
        "prior_constants": hyper.get("prior", {}),
        "objective_constants": hyper.get("objective", {}),
        "model_constants": hyper,
    }
    built_in: dict[str, Any] = {
        option: {n: v for n, v in getattr(config.model, option).items() if n not in declared}
        for option, declared in numbers.items()
    }
    penalty = None if config.model.weight_penalty is None else 0.0
    model = replace(config.model, dropout=0.0, weight_penalty=penalty, **built_in)
    build_optimizer(config.training, SOME_UPDATES)
    validation_metrics(config.training)
    return to_json(TrainConfig(config.data, model, _without_traced(config.training)))


def _without_traced(training: TrainingOptions) -> TrainingOptions:
    """The training with the same value for each number that is traced."""
    traced = traced_numbers(training)
    same: dict[str, Any] = {
        "seed": 0,
        "learning_rate": 1.0,
        "warmup": 0.0,
        **{
            name: None if getattr(training, name) is None else 0.5
            for name in ("clip", "ema", "swa")
        },
        "optimizer_constants": {
            name: 0.0 if name in traced else number
            for name, number in training.optimizer_constants.items()
        },
    }
    # A schedule without numbers to trace is made anew for each of its caps and constants.
    if training.beta in BETA.names or jax.tree.leaves(as_pytree(build_beta(training, ANY_USERS))):
        same |= {"beta_cap": 0.0, "rise": None, "beta_constants": {}}
    return replace(training, **same)


ANY_USERS = 1_000
"""A number of users to make a schedule of beta for, only to look at its kind."""


def train_group(
    group: Sequence[MemberConfig],
    split: Split,
    layout: Layout,
    resources: ResourceOptions,
    advance: Callable[[dict[int, Entry]], None],
    keep: Callable[[Sequence[Record]], None],
) -> None:
    """Train the members of one group, and pass on the records of each part of it."""
    n_users, training = split.train.shape[0], group[0].config.training
    model = build_model(group[0].config.model, split.catalogue.features)
    schedules = [as_pytree(build_beta(m.config.training, n_users)) for m in group]
    # A schedule from a user's file is a new function in each member; one stands for all.
    alike = jax.tree.structure(schedules[0])
    numbers = [optimizer_numbers(member.config.training) for member in group]
    traced = set().union(*(traced_numbers(member.config.training) for member in group))
    if "warmup" in traced:
        numbers = [{"warmup": 0.0, **own} for own in numbers]
    built_in = {name: number for name, number in numbers[0].items() if name not in traced}
    factory = optimizer_factory(training, n_updates(training, n_users))
    members = [
        Member(
            key=jax.random.key(member.seed),
            learning_rate=member.config.training.learning_rate,
            beta=jax.tree.unflatten(alike, jax.tree.leaves(schedule)),
            hyper=build_model(member.config.model).hyper,
            optimizer={name: number for name, number in own.items() if name in traced},
        )
        for member, schedule, own in zip(group, schedules, numbers, strict=True)
    ]
    sweep(
        members,
        model,
        split,
        epochs=n_epochs(training),
        batch_size=batch_size(training, n_users),
        optimizer=partial(factory, **built_in) if built_in else factory,
        validate_every=training.validate_every,
        patience=training.patience,
        select_by=training.selecting_metric,
        metrics=validation_metrics(training, facts_of_split(split, group[0].config.data)),
        layout=layout,
        memory=memory_of(resources, layout),
        max_parallel=resources.max_parallel,
        callback=advance,
        on_part=lambda done: keep([_record(group[i], outcome) for i, outcome in done.items()]),
    )


def _record(member: MemberConfig, outcome: Outcome) -> Record:
    return {
        "setting": msgspec.to_builtins(member.setting),
        "seed": member.seed,
        **({"fold": member.fold} if member.fold else {}),
        "diverged": outcome.diverged,
        "best_epoch": outcome.best_epoch,
        "validation": outcome.validation,
        "log": outcome.log,
    }

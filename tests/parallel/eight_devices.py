"""Training, evaluation and ranking on meshes of eight virtual devices, and on one.

A process of its own writes what it finds to the file that it is given; `test_meshes` compares.
"""

import dataclasses
import functools
import os
import pickle
import re
import shlex
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.sparse as sp
from jax.sharding import NamedSharding, PartitionSpec

import multvae_jax as mv
from multvae_jax.batching import plan_epoch, sequential_order, take, to_device
from multvae_jax.cli.main import main as cli
from multvae_jax.data.types import Catalogue, HeldOut, Split
from multvae_jax.evaluation.named import named_metrics, split_facts
from multvae_jax.ops.top_k import top_k
from multvae_jax.parallel.partition import partition_of
from multvae_jax.runs import Checkpoints
from multvae_jax.training.finite import compiled_epoch
from multvae_jax.training.updates import init_state, make_train_step
from tests.builders import write_ratings
from tests.docs.builders import blocks

MESHES = {"one": None, "2x4": (2, 4), "8x1": (8, 1), "1x8": (1, 8)}

# Neither is a multiple of the parts, and no other size of the program is one of these.
N_ITEMS, N_USERS, BATCH = 203, 65, 7
MODEL = mv.mult_vae((12,), 6)


def mesh_of(name):
    return MESHES[name] and mv.make_mesh(*MESHES[name])


def held_out(rng, n_users):
    x = rng.random((n_users, N_ITEMS))
    history, targets = (x < 0.05).astype(np.float32), (x > 0.96).astype(np.float32)
    ids = np.array([f"held {n}" for n in range(n_users)], object)
    return HeldOut(sp.csr_array(history), sp.csr_array(targets), ids)


def a_split():
    rng = np.random.default_rng(0)
    # Of very different lengths, so that the parts of a batch differ.
    shares = rng.choice([0.01, 0.05, 0.3], (N_USERS, 1))
    train = sp.csr_array((rng.random((N_USERS, N_ITEMS)) < shares).astype(np.float32))
    ids = np.array([f"item {n}" for n in range(N_ITEMS)], object)
    users = np.array([f"user {n}" for n in range(N_USERS)], object)
    items = Catalogue(ids, np.asarray(train.sum(axis=0)).ravel().astype(int), {})
    return Split(train, held_out(rng, 30), held_out(rng, 30), users, items)


METRICS = named_metrics(["recall@5", "auc", "mrr@5", "coverage@5"], split_facts(a_split()))
OPTIONS = {"batch_size": BATCH, "metrics": METRICS, "select_by": "mrr@5"}


def gradients(mesh, split, model=MODEL):
    """The loss of one batch, and its gradient."""
    histories = to_device(split.train, mesh=mesh)
    # A last batch with padding.
    order = sequential_order(N_USERS, 24)[-1:]
    capacity = int(np.diff(np.asarray(histories.starts)).sum())
    params = model.init(jax.random.key(3), N_ITEMS)
    partition = partition_of(params, N_ITEMS, mesh)
    hyper = {**model.hyper, "beta": mv.schedules.constant(0.3)}

    def loss(params):
        batch = take(histories, jnp.asarray(order[0]), capacity)
        return model.loss(partition.plain(params), hyper, batch, jax.random.key(4), 0)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(partition.placed(params))
    return {"loss": float(value), "gradient": jax.tree.leaves(partition.gathered(gradient))}


def gradients_in_blocks(mesh, split):
    """The same, with the logits of a few items of each part at a time."""
    objective = functools.partial(
        mv.objectives.negative_elbo, reconstruction=mv.objectives.blockwise_logits(40)
    )
    return gradients(mesh, split, mv.mult_vae((12,), 6, objective=objective))


def trained(mesh, split):
    """Ten updates, validated and tested, and the recommendations."""
    run = mv.fit(jax.random.key(0), MODEL, split, **OPTIONS, epochs=1, mesh=mesh)
    assert run.log[0]["step"] == 10
    scorer = run.scorer_on(mesh)
    tested = mv.evaluate(scorer, split.test, METRICS, batch_size=BATCH)
    lists = mv.recommend_lists(
        scorer, run.catalogue, split.test.history, split.test.user_ids, k=N_ITEMS
    )
    return {
        "params": jax.tree.leaves(run.params),
        "moments": jax.tree.leaves(run.state.opt_state),
        "validation": run.log[0]["validation"],
        "test": {name: tested.mean(name) for name in METRICS},
        "items": lists.items,
        "scores": lists.scores,
    }


def streamed(split, folder):
    """The parameters after the updates of `trained` on one of the meshes, from a store."""
    mv.write_store(folder / "store", split)
    store = mv.open_store(folder / "store")
    run = mv.fit(jax.random.key(0), MODEL, store, **OPTIONS, epochs=1, mesh=mesh_of("2x4"))
    return jax.tree.leaves(run.params)


def resumed(split, folder):
    """Trainings that go on, on another mesh, from a checkpoint after two of their three epochs.

    The first is of one that never stopped.
    """
    options = OPTIONS | {"epochs": 3}

    def fit(mesh, **further):
        return mv.fit(jax.random.key(2), MODEL, split, **options, mesh=mesh, **further)

    whole = fit(None)
    found = [jax.tree.leaves(whole.params)]
    for number, (before, after) in enumerate([("2x4", "one"), ("one", "1x8")]):
        # A copy: the numbers of the objective are donated with the rest.
        hyper = jax.tree.map(jnp.copy, whole.state.hyper)
        start = dataclasses.replace(whole.state, hyper=hyper)
        with Checkpoints(folder / str(number)) as checkpoints:
            fit(mesh_of(before), stop_after=2, callback=checkpoints.save)
            state = checkpoints.latest(start, partition_of(start, N_ITEMS, mesh_of(after)))
        assert state.train.step == 20
        found.append(jax.tree.leaves(fit(mesh_of(after), state=state).params))
    return found


def ranked(mesh):
    """The best of scores with many ties, and infinities."""
    rng = np.random.default_rng(1)
    scores = rng.integers(-3, 3, (16, N_ITEMS)).astype(np.float32)
    scores[3] = -np.inf
    scores[4, ::2] = np.inf
    best, items = jax.jit(lambda scores: top_k(scores, 150, mesh))(scores)
    return {"best": np.asarray(best), "items": np.asarray(items)}


def an_epoch(split, mesh):
    """An epoch of a training on a mesh, traced for the shapes of its arguments."""
    optimizer = optax.adam(1e-3)

    def begin(key):
        return init_state(key, MODEL, optimizer, N_ITEMS, mv.schedules.constant(0.3))

    state = jax.eval_shape(begin, jax.random.key(0))
    partition = partition_of(state, N_ITEMS, mesh)
    histories = to_device(split.train)
    plan = plan_epoch(jax.random.key(1), histories, 32)
    whole = NamedSharding(mesh, PartitionSpec())

    def on_all(leaf):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole)

    arguments = (
        partition.stored(jax.eval_shape(partition.made_by(begin), jax.random.key(0))),
        dataclasses.replace(jax.tree.map(on_all, histories), mesh=mesh),
        on_all(plan.order),
    )
    epoch = compiled_epoch(make_train_step(MODEL, optimizer), False, (), partition)
    return epoch.trace(*arguments, capacity=plan.capacity)


def communication(compiled):
    """The shapes that the devices of a mesh exchange in a program, by operation."""
    kinds = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
    found = re.findall(rf"= (.*?) ({kinds})(?:-start)?\(", compiled.as_text())
    return [
        (kind, tuple(int(size) for size in shape.split(",") if size))
        for shapes, kind in found
        for shape in re.findall(r"\w+\[([\d,]*)\]", shapes)
    ]


def communication_by_platform(split):
    """What is exchanged in the programs of a CPU, a GPU and a TPU.

    Each is lowered for its platform, and divided by the compiler of the CPU: that is done by passes
    of XLA before any for a platform.
    """
    traced = an_epoch(split, mv.make_mesh(2, 4))
    found, seen = {}, {}
    for platform in ("cpu", "cuda", "tpu"):
        lowered = traced.lower(lowering_platforms=(platform,))
        text = lowered.as_text()
        if text not in seen:
            seen[text] = communication(lowered.compile())
        found[platform] = seen[text]
    # Otherwise the forms of an accelerator were not lowered.
    assert len(seen) > 1
    return found


def guide(folder):
    """What the commands and the programs of the guide return and print, in a folder of ratings."""
    os.chdir(folder)
    save = Checkpoints.save

    def stopped(self, state):
        """Save, and stop the first training, so that there is something to go on with."""
        Checkpoints.save = save
        save(self, state)
        os.kill(os.getpid(), signal.SIGINT)

    Checkpoints.save = stopped
    write_ratings(Path("ratings.csv"), n_users=60)
    found, names = {}, {"__name__": "scaling"}
    for language, _, text in blocks("docs/scaling.md"):
        # Those of several processes run in `two_processes`.
        if "distributed" in text:
            continue
        if language == "sh":
            for command in text.splitlines():
                words = shlex.split(command)[1:]
                if "--data" in words:
                    words += ["--held-out", "8"]
                if words[0] == "train" and "--resume" not in words:
                    words += ["--epochs", "2", "--baselines", "popularity"]
                    words += ["--checkpoint-every", "1"]
                found[command] = cli(words)
        else:
            exec(compile(text, "the guide to scaling", "exec"), names)
    return found | {"lists": names["lists"].items}


def main(path):
    assert len(jax.devices()) == 8
    split, found = a_split(), {}
    for name in MESHES:
        mesh = mesh_of(name)
        found[name] = gradients(mesh, split) | trained(mesh, split) | {"ranked": ranked(mesh)}
    for name in ("one", "2x4"):
        found[name]["in blocks"] = gradients_in_blocks(mesh_of(name), split)
    found["streamed"] = streamed(split, Path(path).parent)
    found["guide"] = guide(Path(path).parent)
    found["resumed"] = resumed(split, Path(path).parent)
    found["communication"] = communication_by_platform(split)
    Path(path).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

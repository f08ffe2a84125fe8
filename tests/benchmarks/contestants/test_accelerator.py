"""The sections of a run on an accelerator, with small sizes on this machine's CPU."""

import ast
import inspect
import itertools
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np
import pytest

import multvae_jax
from benchmarks.contestants.accelerator import ours, training
from benchmarks.contestants.accelerator.forms import FORMS, difference, on
from benchmarks.contestants.accelerator.sizes import SIZES, Sizes, as_words, from_words
from benchmarks.contestants.accelerator.speed import in_precision, speed_in
from benchmarks.contestants.accelerator.training import kernel_seconds, network_in
from benchmarks.harness.sections import Budget
from benchmarks.harness.update import UpdateShape, floor, traced_update

pytestmark = pytest.mark.updates

HERE = Path(multvae_jax.__file__).parents[1]

TINY = Sizes(
    users=60,
    items=80,
    mean=8,
    held_out=40,
    hidden=8,
    latent=4,
    batches=(20,),
    epochs=4,
    members=2,
    member_users=50,
    member_items=40,
    large_items=200,
    large_users=40,
    block=64,
    product=32,
    memory=1_000,
)

SPEED = [
    *({"what": name, "speed": speed} for name, speed in (("float32", 1.0), ("TF32", 2.0))),
    {"what": "memory", "speed": 100.0},
]


class Brief(Budget):
    """A little time is left, always: everything is timed as few times as possible."""

    def left(self):
        return 1e-3


class Roomy(Budget):
    """There is always more time."""

    def left(self):
        return 1e3


BRIEF = Brief(1.0)


def rows_of(section, budget=BRIEF, **found):
    rows = list(ours.SECTIONS[section](TINY, budget, found))
    # They are a line of JSON each, without NaN.
    json.dumps(rows, allow_nan=False)
    return rows


def test_sizes_survive_the_command_line():
    assert [from_words(as_words(sizes)) for sizes in SIZES.values()] == list(SIZES.values())


def test_the_device_is_named():
    (row,) = rows_of("device")
    assert (row["platform"], row["jax"]) == ("cpu", jax.__version__)
    assert row["machine"]["devices"][0] == row["device"]


def test_speed_and_error_of_each_precision():
    rows = {row["what"]: row for row in rows_of("speed")}
    assert list(rows) == ["float32", "TF32", "bfloat16", "memory"]
    assert all(row["speed"] > 0 for row in rows.values())
    assert rows["float32"]["relative error"] < 1e-6
    assert 1e-4 < rows["bfloat16"]["relative error"] < 1e-1


def test_training_is_a_share_of_the_roofline_of_what_was_measured():
    plain = next(ours.SECTIONS["training"](TINY, BRIEF, {"speed": SPEED}))
    assert (plain["batch"], plain["products"]) == (20, "float32")
    # Three products of 20 x 8 x 80 at 1 TFLOP/s.
    assert plain["products alone, ms"] == pytest.approx(1e3 * 6 * 20 * 8 * 80 / 1e12)
    bound = plain["products alone, ms"] + plain["memory alone, ms"]
    assert plain["share of the roofline"] == pytest.approx(bound / plain["ms per update"])
    # Three updates of 20 users in an epoch.
    assert plain["users/s"] == pytest.approx(60 / np.median(plain["samples"]))


def test_the_floor_of_an_update():
    shape = UpdateShape(items=1000, users=10, hidden=20, latent=5, chunks=7)
    found = floor(shape, speed_in("float32", SPEED))
    moved = [3 * 2 * 4 * 2 * 1000 * 20, 4 * 7 * 16 * 20]
    assert list(found.values()) == pytest.approx(
        [6 * 10 * 20 * 1000 / 1e12, *(each / 1e11 for each in moved)]
    )
    assert speed_in("bfloat16", SPEED) is None


def test_the_recipe_is_reckoned_from_its_epochs(monkeypatch):
    """The first epoch compiles, and takes 3 s of the 10; the others take half a second."""
    signature = inspect.signature(training.mv.fit)
    clock = itertools.count(0, 10)
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(clock))

    def fit(*arguments, **options):
        given = signature.bind(*arguments, **options).arguments
        assert given["split"].train.shape == (60, 80)
        assert given["epochs"] == 4
        seconds = [3.0, *(given["stop_after"] - 1) * [0.5]]
        return SimpleNamespace(log=[{"seconds": each} for each in seconds])

    monkeypatch.setattr(training.mv, "fit", fit)
    first, last = rows_of("recipe", Roomy(1.0))
    assert (first["epochs timed"], last["epochs timed"]) == (1, 3)
    assert first["start and first epoch, s"] == last["start and first epoch, s"] == 9.5
    assert first["4 epochs, s"] == last["4 epochs, s"] == 9.5 + 3 * 0.5


def test_ranking_of_given_scores():
    row = next(ours.SECTIONS["ranking"](TINY, BRIEF, {}))
    assert (row["scores"], row["metrics"], row["users at once"]) == (
        "given",
        "recall and NDCG",
        500,
    )
    assert row["users/s"] == pytest.approx(40 / np.median(row["samples"]))


def test_members_side_by_side():
    one, two = rows_of("members")
    assert [one["members"], two["members"]] == [1, 2]
    assert one["over one after the other"] == pytest.approx(1.0)
    assert two["GB"] > one["GB"]


def test_the_kernels_of_an_update():
    rows = rows_of("profile")
    shares = [row["share of the kernels"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert 0 < math.fsum(shares) < 1.01
    assert all(row["ms per update"] > 0 for row in rows)


class Named(NamedTuple):
    """A plane, a line or an event of a trace."""

    name: str
    of: list
    duration_ns: float = 0.0

    @property
    def lines(self):
        return self.of

    events = stats = lines


def test_kernels_of_a_device_are_those_of_its_streams():
    def line(name, **events):
        return Named(name, [Named(kernel, [], 1e9 * taken) for kernel, taken in events.items()])

    host = Named("/host:CPU", [line("python", gemm=9.0)])
    gpu = [line("Stream #7(Compute)", gemm=2.0, adam=1.0), line("Steps", step=9.0)]
    also = [line("Stream #8(MemcpyD2D)", gemm=0.5, **{"while.3": 9.0})]
    trace = SimpleNamespace(planes=[host, Named("/device:GPU:0", gpu + also)])
    assert kernel_seconds(trace) == {"gemm": 2.5, "adam": 1.0}


def test_forms_are_equal_on_one_platform():
    rows = rows_of("forms")
    assert [row["form"] for row in rows] == list(FORMS)
    assert {row["equal"] for row in rows} == {"yes"}


def test_a_form_that_differs_is_noticed():
    form = FORMS["embedding bag and its gradient"]
    cpu = jax.devices("cpu")[0]

    def broken(given):
        return form.run({**given, "embedding": given["embedding"].at[5].add(1e-3)})

    found = difference(on(cpu, form._replace(run=broken)), on(cpu, form))
    assert found > form.bound
    assert difference([np.zeros(2)], [np.zeros(2)]) == 0


def test_every_module_that_chooses_by_platform_has_its_forms_compared():
    package = Path(multvae_jax.__file__).parent
    choosing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "platform_dependent(" in path.read_text()
    }
    assert choosing == {module for form in FORMS.values() for module in form.modules}


@pytest.mark.parametrize(
    ("name", "attribute"), [("float32", "HIGHEST"), ("TF32", "HIGH"), ("bfloat16", "HIGHEST")]
)
def test_products_are_lowered_in_the_precision_that_is_named(name, attribute):
    shape = UpdateShape(items=80, users=20, hidden=8, latent=4, chunks=40)
    with in_precision(name):
        traced = traced_update(shape, network=network_in(name))
        programs = [
            traced.lower(lowering_platforms=(platform,)).as_text() for platform in ("cuda", "tpu")
        ]
    for program in programs:
        products = [line for line in program.splitlines() if "dot_general" in line]
        assert len(products) >= 9
        assert all(f"precision = [{attribute}, {attribute}]" in line for line in products)
        assert all(("bf16>" in line) == (name == "bfloat16") for line in products)


def imported_at_once(path):
    """The modules that a file imports when it is imported, from its syntax alone."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("module", ["serve", "pytorch"])
def test_the_interpreter_of_pytorch_needs_nothing_else(module):
    """Any interpreter that has PyTorch, NumPy and SciPy may be named."""
    todo, seen = [f"benchmarks.contestants.accelerator.{module}"], set()
    while todo:
        name = todo.pop()
        file = HERE / f"{name.replace('.', '/')}.py"
        if name.startswith("benchmarks") and name not in seen and file.exists():
            todo += imported_at_once(file)
        seen.add(name)
    rooms = {name.partition(".")[0] for name in seen}
    own = {"benchmarks", "torch", "numpy", "scipy"}
    assert "benchmarks" in rooms
    assert [room for room in rooms - own if room not in sys.stdlib_module_names] == []

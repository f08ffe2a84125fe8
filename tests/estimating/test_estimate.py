"""Memory and time of a training, by devices and by what was measured."""

import sys

import jax
import numpy as np
import optax
import pytest

import multvae_jax as mv
from multvae_jax.errors import InputError
from multvae_jax.estimating import calibration, probes
from multvae_jax.estimating.calibration import (
    Calibration,
    Rate,
    calibrated,
    from_json,
    speed,
    to_json,
)
from multvae_jax.estimating.costs import Costs, Dot, Exchange
from multvae_jax.estimating.devices import DEVICES, SHARE, find_device, seconds_on
from multvae_jax.estimating.estimate import Machine, estimate
from multvae_jax.estimating.lengths import Lengths, bytes_on_host, drawn_lengths, lengths_of
from multvae_jax.estimating.memory import Base, memory_of
from multvae_jax.estimating.programs import (
    Program,
    Programs,
    Training,
    compiled_epoch_of,
    n_programs,
    program_of,
    program_of_compiled,
    ranked_at_once,
)
from multvae_jax.runs.pace import seconds_to_first
from multvae_jax.sizes import room_of
from tests.builders import checkerboard

pytestmark = pytest.mark.updates

DOT = Dot(100, 200, 300, "f32")


def costs(dots=None, streamed=0.0, collectives=None, exchanges=0.0):
    return Costs(dots or {}, streamed, 0.0, 0.0, collectives or {}, exchanges)


def test_a_device_is_as_fast_as_its_peaks_and_links():
    h100 = DEVICES["h100"]
    on = seconds_on(h100, costs({DOT: 5.0}, streamed=3.35e9))
    assert on.products == pytest.approx(5 * 2 * 100 * 200 * 300 / 494.7e12 / SHARE)
    assert on.memory == pytest.approx(1e-3 / SHARE)
    # A ring of 4 moves three quarters of the bytes twice; between nodes, over the network.
    near, far = Exchange("all-reduce", 4, 4), Exchange("all-reduce", 4, 32)
    assert seconds_on(h100, costs(collectives={near: 450e6})).links == pytest.approx(1.5e-3)
    assert seconds_on(h100, costs(collectives={far: 50e6})).links == pytest.approx(1.5e-3)


def test_a_device_that_is_not_known_is_refused_with_the_closest():
    with pytest.raises(InputError, match="--device h10: is not known; did you mean h100") as error:
        find_device("h10")
    assert "tpu-v5e" in str(error.value)


RATES = (Rate(64, 64, 8192, "f32", 1e9), Rate(64, 8192, 64, "f32", 2e9))
SECONDS = {"fresh": 4e-10, "streamed": 1e-10, "cached": 2e-11, "instructions": 1e-6}
MEASURED = Calibration(RATES, SECONDS, Base(100, 0.5, 10, 60, 2.5), 0.25)


def test_a_machine_is_as_fast_as_it_was_measured():
    wide, long = Dot(70, 50, 90_000, "f32"), Dot(70, 90_000, 50, "f32")
    assert MEASURED.seconds_of(costs({wide: 1.0})) == wide.flops / 1e9
    assert MEASURED.seconds_of(costs({long: 1.0})) == long.flops / 2e9
    others = Costs({}, 1e10, 1e10, 1e6, {}, 0.0, 1e9)
    assert MEASURED.seconds_of(others) == pytest.approx(1 + 0.2 + 1 + 0.4)
    assert MEASURED.seconds_of(others.times(3)) == pytest.approx(3 * 2.6)


def test_a_sum_over_more_items_than_a_cache_holds_has_its_own_speed():
    rates = (*RATES, Rate(64, 32_768, 64, "f32", 3e9))
    assert speed(rates, Dot(70, 10_000, 50, "f32")) == 2e9
    assert speed(rates, Dot(70, 20_000, 50, "f32")) == 3e9
    assert speed(rates, Dot(70, 900_000, 50, "f32")) == 3e9


def test_fresh_bytes_are_what_a_new_array_takes_more(monkeypatch):
    seconds = iter([3.0, 2.0])
    monkeypatch.setattr(probes, "LARGE_ARRAY", 1000)
    monkeypatch.setattr(probes, "fastest", lambda run: run() or run() or next(seconds))
    assert probes.seconds_of_byte() == (2.0 / 2000, 1.0 / 1000)


def test_a_calibration_is_read_as_it_was_written_and_not_without_a_part():
    text = to_json(MEASURED)
    assert from_json(text) == MEASURED
    for part in ("per_interaction", "of_epoch"):
        with pytest.raises(KeyError):
            from_json(text.replace(part, "another"))


def test_a_calibration_is_kept_and_one_that_cannot_be_read_is_made_anew(
    tmp_path, monkeypatch, capsys
):
    made = []
    monkeypatch.setattr(calibration, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(calibration, "calibrate", lambda: made.append(1) or MEASURED)
    assert calibrated() == calibrated() == MEASURED
    assert len(made) == 1
    (path,) = (tmp_path / "calibration").iterdir()
    assert jax.__version__ in path.name
    path.write_text("{}")
    assert calibrated() == calibrated() == MEASURED
    assert len(made) == 2
    said = capsys.readouterr().err.splitlines()
    assert "the calibration that is kept is damaged, or of another version" in said[2]
    assert said[1] == f"kept for later commands in {path}"


def test_the_sizes_are_those_that_fit_gives_the_device():
    split = checkerboard()
    lengths = lengths_of(split)
    assert lengths.n_users == split.train.shape[0]
    training = Training(mv.mult_vae((12,), 6), optax.adam(1e-3), 10, 2, {})
    epoch = compiled_epoch_of(lengths, training)
    assert epoch.room == room_of(split, 10)
    assert program_of_compiled(epoch.compiled).text == len(epoch.compiled.as_text())
    assert epoch.updates == min(10, -(-lengths.n_users // 10))
    n_params = 2 * lengths.n_items * 12 + lengths.n_items + 12 + 12 * 12 + 12 + 6 * 12 + 12
    assert sum(leaf.size for leaf in jax.tree.leaves(epoch.state.params)) == n_params


def test_drawn_lengths_have_the_sizes_that_are_asked_for():
    lengths = drawn_lengths(10_000, 500, 300_000, held_out=1_000, fold_in=0.8)
    assert (lengths.n_users, len(lengths.history)) == (8_000, 1_000)
    assert lengths.train.mean() == pytest.approx(30, rel=0.1)
    assert lengths.train.max() <= 500
    assert lengths.train.min() >= 1
    whole = lengths.history + lengths.targets
    assert np.all(lengths.targets >= 1)
    assert lengths.history.sum() / whole.sum() == pytest.approx(0.8, abs=0.03)


def program(temporaries, text=0):
    return Program(0, temporaries, 0, costs(), text)


def test_the_peak_is_the_largest_stage():
    programs = Programs(
        program(40, 60), program(30, 120), 10, program(5, 20), program(35), 10, 20, 7, 4
    )
    memory = memory_of(programs, Base(100, 0.5))
    process, kept = 100 + 100, 10 + 20 + 10 + 4 + 7
    assert memory.stages == {
        "drawing the parameters": process + 10 + 40,
        "updates": process + kept + 30,
        "validation": process + kept + 5,
        "test": process + kept + 35,
    }
    assert memory.peak == process + kept + 35
    # A checkpoint that is being written holds a state that the next update would overwrite.
    saved = memory_of(programs, Base(100, 0.5), is_saved=True)
    assert saved.peak == saved.stages["updates beside a checkpoint"] == process + kept + 30 + 30
    # There may be several programs of updates, and the test may be another one.
    two = programs._replace(epoch_programs=2, testing=program(35, 8))
    stages = memory_of(two, Base(0, 0.5)).stages
    assert stages["updates"] == (60 + 2 * 120 + 20) / 2 + kept + 30
    assert stages["test"] == (60 + 2 * 120 + 20 + 8) / 2 + kept + 35
    # The devices of a CPU share its memory; an accelerator does not hold the process.
    assert memory_of(programs, Base(100), 2).stages["updates"] == 100 + 2 * (kept + 30)
    assert memory_of(programs, Base()).peak == kept + 35


def test_a_host_holds_the_data_that_it_has_read():
    lengths = Lengths(3, np.array([2, 1]), np.array([1]), np.array([1]))
    programs = Programs(program(1), program(1), 1, None, None, 10, 20, 7)
    alone = memory_of(programs, Base())
    base = Base(reading=1000, per_interaction=2.5)
    held = memory_of(programs, base, read=lengths)
    assert held.histories == alone.histories + bytes_on_host(lengths)
    assert held.stages["updates"] == alone.stages["updates"] + bytes_on_host(lengths)
    # Seven interactions, with those of the test user.
    assert held.stages["reading"] == held.peak == 1000 + 18


def test_the_bytes_on_the_host_are_those_of_the_arrays_of_a_split(tmp_path):
    items = np.random.default_rng(0).integers(0, 300, 4000)
    lines = [f"user{number // 20},item{item}" for number, item in enumerate(items)]
    (tmp_path / "data.csv").write_text("\n".join(["user,item", *lines]))
    split = mv.hold_out_users(mv.read_interactions(tmp_path / "data.csv"))
    rows = [split.train]
    for side in (split.validation, split.test):
        rows += [side.history, side.targets]
    arrays = [array for each in rows for array in (each.data, each.indices, each.indptr)]
    arrays += [split.catalogue.ids, split.catalogue.counts]
    counted = sum(each.nbytes for each in arrays) + sum(map(sys.getsizeof, split.catalogue.ids))
    assert bytes_on_host(lengths_of(split)) == pytest.approx(counted, rel=0.05)


@pytest.mark.parametrize(
    ("updates", "epochs", "programs"),
    # 17 updates are run as 10 and 7. One batch in 741 is beyond three standard deviations.
    [(1, 1, 1), (10, 1, 1), (17, 1, 2), (24, 1, 1), (10, 36, 1), (10, 38, 2), (17, 200, 4)],
)
def test_programs_of_updates_are_counted(updates, epochs, programs):
    assert n_programs(updates, epochs) == programs


def test_large_arrays_that_are_not_donated_are_fresh():
    def fresh(n, **how):
        lowered = jax.jit(lambda x: x + 1, **how).lower(jax.ShapeDtypeStruct((n,), np.float32))
        return program_of(lowered).costs.fresh

    assert fresh(2**23) == 2**25
    assert fresh(2**23, donate_argnums=0) == 0
    assert fresh(2**23 - 1) == 0


def test_the_test_ranks_other_batches_than_the_validation():
    lengths = drawn_lengths(2_000, 20_000, 20_000, held_out=600, fold_in=0.8)
    training = Training(mv.mult_vae((), 4), optax.adam(1e-3), 50, 1, {})
    # Those of 2**22 scores, or of as many users as an update has, and those of `evaluate`.
    assert ranked_at_once(lengths, training) == (209, 500)
    assert ranked_at_once(lengths, training._replace(batch_size=700)) == (640, 500)
    few = lengths._replace(history=lengths.history[:20], targets=lengths.targets[:20])
    assert ranked_at_once(few, training) == (20, 20)


def test_a_training_on_a_cpu_that_is_long_enough_for_a_checkpoint_has_room_for_it():
    lengths = Lengths(100, np.full(50, 5), np.full(5, 4), np.full(5, 1))
    one = Program(0, 30, 0, costs({DOT: 1.0}))
    programs = Programs(one, one, 1, one, one, 10, 20, 7)

    def stages(epochs, is_host=True):
        training = Training(mv.mult_vae(), optax.adam(1e-3), 50, epochs, {})
        machine = Machine("here", MEASURED, 1e9, is_host)
        return estimate(lengths, training, programs, machine).memory.stages

    seconds = 2 * MEASURED.seconds_of(one.costs) + MEASURED.of_epoch
    enough = 1 + int(seconds_to_first(40) / seconds)
    assert "updates beside a checkpoint" in stages(enough)
    assert "updates beside a checkpoint" not in stages(enough // 4)
    assert "updates beside a checkpoint" not in stages(enough, is_host=False)


def test_the_host_takes_time_in_every_epoch_and_a_validation_only_where_there_is_one():
    lengths = Lengths(100, np.full(50, 5), np.full(5, 4), np.full(5, 1))
    training = Training(mv.mult_vae(), optax.adam(1e-3), 20, 7, {}, validate_every=3)
    updates, ranking = (Program(0, 30, 0, costs(streamed=seconds * 1e10)) for seconds in (4, 3))
    programs = Programs(updates, updates, 2, ranking, ranking, 10, 20, 7)
    found = estimate(lengths, training, programs, Machine("here", MEASURED, 1e9, True))
    # Three updates of half a program's time, one validation, and a quarter of a second.
    assert found.seconds_of_epoch == pytest.approx(3 * 2 + 3 + 0.25)
    assert found.seconds_of_run == pytest.approx(7 * (3 * 2 + 0.25) + 3 * 3)
    alone = programs._replace(ranking=None, testing=None)
    found = estimate(lengths, training, alone, Machine("here", MEASURED, 1e9, True))
    assert found.seconds_of_epoch == pytest.approx(3 * 2 + 0.25)

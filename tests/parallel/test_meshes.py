"""Programs divided over eight virtual devices equal those of one."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.experimental import topologies

import multvae_jax as mv
from multvae_jax.errors import InputError
from multvae_jax.parallel.meshes import check_mesh
from tests.parallel import eight_devices
from tests.parallel.eight_devices import MESHES, N_ITEMS

DIVIDED = sorted(MESHES.keys() - {"one"})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("meshes") / "found"
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=8"
    done = subprocess.run(
        [sys.executable, "-m", "tests.parallel.eight_devices", str(path)],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("mesh", DIVIDED)
def test_loss_and_gradient_are_those_of_one_device(found, mesh):
    mine, one = found[mesh], found["one"]
    np.testing.assert_allclose(mine["loss"], one["loss"], rtol=1e-6)
    for ours, theirs in zip(mine["gradient"], one["gradient"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mesh", ["one", "2x4"])
def test_blocks_of_items_have_the_loss_and_the_gradient_of_all(found, mesh):
    mine, one = found[mesh]["in blocks"], found["one"]
    np.testing.assert_allclose(mine["loss"], one["loss"], rtol=1e-6)
    for ours, theirs in zip(mine["gradient"], one["gradient"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mesh", DIVIDED)
@pytest.mark.parametrize("arrays", ["params", "moments"])
def test_ten_updates_are_those_of_one_device(found, mesh, arrays):
    for ours, theirs in zip(found[mesh][arrays], found["one"][arrays], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("mesh", DIVIDED)
@pytest.mark.parametrize("users", ["validation", "test"])
def test_metrics_are_those_of_one_device(found, mesh, users):
    mine, one = found[mesh][users], found["one"][users]
    assert mine.keys() == one.keys()
    for name in one:
        np.testing.assert_allclose(mine[name], one[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("mesh", DIVIDED)
def test_recommendations_are_those_of_one_device(found, mesh):
    np.testing.assert_allclose(found[mesh]["scores"], found["one"]["scores"], atol=1e-5)
    # Scores that differ by less than the error of a sum may change places.
    differ = found[mesh]["items"] != found["one"]["items"]
    assert differ.mean() < 1e-3


@pytest.mark.parametrize("mesh", DIVIDED)
def test_ties_are_broken_as_on_one_device(found, mesh):
    np.testing.assert_array_equal(found[mesh]["ranked"]["items"], found["one"]["ranked"]["items"])
    np.testing.assert_array_equal(found[mesh]["ranked"]["best"], found["one"]["ranked"]["best"])


def test_a_store_is_trained_on_as_histories_in_memory_are(found):
    for ours, theirs in zip(found["streamed"], found["2x4"]["params"], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("number", [1, 2])
def test_a_training_goes_on_with_another_number_of_devices(found, number):
    for ours, theirs in zip(found["resumed"][number], found["resumed"][0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-6)


def test_the_guide_runs_on_eight_devices(found):
    commands = {name: status for name, status in found["guide"].items() if name != "lists"}
    assert sum("--resume" in command for command in commands) == 1
    assert sum("--store" in command for command in commands) == 1
    assert set(commands.values()) == {0}
    assert found["guide"]["lists"].shape == (8, 10)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_no_kernel_and_no_logits_are_communicated(found, platform):
    check_communication(found["communication"][platform])


@pytest.mark.slow
def test_the_compiler_of_a_tpu_communicates_no_kernel_and_no_logits(monkeypatch):
    """For TPU v5e, without one: `pip install libtpu` brings its compiler."""
    pytest.importorskip("libtpu")
    monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")
    there = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x4")
    mesh = mv.make_mesh(2, 4, devices=there.devices)
    compiled = eight_devices.an_epoch(eight_devices.a_split(), mesh).lower().compile()
    check_communication(eight_devices.communication(compiled))


def check_communication(exchanged):
    """Between devices go sums over users or items, and nothing as large as what they hold."""
    assert "all-reduce" in {kind for kind, _ in exchanged}
    block, shapes = -(-N_ITEMS // 4), {shape for _, shape in exchanged}
    # The gradients of the parts of the kernels that a device holds, which are summed over users.
    assert {(block, 12), (12, block)} <= shapes
    for kind, shape in exchanged:
        # Neither a kernel or the logits of all items, nor the logits of one part of the users.
        assert not {N_ITEMS, 4 * block} & set(shape), (kind, shape)
        assert shape != (16, block), (kind, shape)
        assert block not in shape or kind == "all-reduce", (kind, shape)


def test_too_many_parts_are_refused():
    with pytest.raises(InputError, match=r"mesh: data=2, items=4 needs 8 devices, and there are 1"):
        mv.make_mesh(data=2, items=4)
    with pytest.raises(InputError, match="items"):
        mv.make_mesh(items=0)


@pytest.mark.parametrize("mesh", ["data=2", 4, jax.make_mesh((1,), ("x",))])
def test_what_is_not_a_mesh_is_refused(mesh):
    with pytest.raises(InputError, match=r"mesh: .*make_mesh\(data=2, items=4\)"):
        check_mesh(mesh)

"""Programs divided over eight virtual devices equal those of one."""

import math
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


H100 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 device_memory_size: 84978434048
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
runtime_version { major: 12 minor: 9 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
"""An H100, as the compiler of XLA has to be told where there is none."""


@pytest.mark.slow
@pytest.mark.updates
@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_compilers_of_accelerators_communicate_no_kernel_and_no_logits(platform, monkeypatch):
    """For 2 x 4 TPU v5e and H100, which need not be here, by their own compilers.

    `pip install libtpu`, and `pip install jax-cuda12-pjrt jax-cuda12-plugin nvidia-cuda-nvcc-cu12`.
    """
    options = {}
    if platform == "tpu":
        pytest.importorskip("libtpu")
        monkeypatch.setenv("TPU_SKIP_MDS_QUERY", "1")
        how = {"topology_name": "v5e:2x4"}
    else:
        pytest.importorskip("jax_plugins.xla_cuda12")
        (home,) = pytest.importorskip("nvidia.cuda_nvcc").__path__
        options = {"xla_gpu_autotune_level": 0, "xla_gpu_cuda_data_dir": home}
        how = {"topology_name": "H100", "topology": "1x1x8", "target_config": H100}
    there = topologies.get_topology_desc(platform=platform, **how)
    mesh = mv.make_mesh(2, 4, devices=there.devices)
    lowered = eight_devices.an_epoch(eight_devices.a_split(), mesh).lower()
    check_communication(eight_devices.communication(lowered.compile(options)))


def check_communication(exchanged):
    """Between devices go sums over users or items, and nothing as large as what they hold."""
    block, width = -(-N_ITEMS // 4), 12
    # The gradients of the parts of two kernels that a device holds are summed over the users.
    summed = sum(math.prod(shape) for kind, shape in exchanged if kind == "all-reduce")
    assert summed >= 2 * block * width
    for kind, shape in exchanged:
        # Neither a kernel or the logits of all items, nor the logits of one part of the users.
        assert not {N_ITEMS, 4 * block} & set(shape), (kind, shape)
        assert shape != (16, block), (kind, shape)
        assert block not in shape or kind == "all-reduce", (kind, shape)
        # Nor as one axis, which arrays that are exchanged together may become.
        assert len(shape) != 1 or shape[0] < N_ITEMS * width, (kind, shape)


def test_too_many_parts_are_refused():
    message = "mesh: data=2, items=4; devices needed: 8, available: 1"
    with pytest.raises(InputError, match=message):
        mv.make_mesh(data=2, items=4)
    with pytest.raises(InputError, match="items"):
        mv.make_mesh(items=0)


@pytest.mark.parametrize("mesh", ["data=2", 4, jax.make_mesh((1,), ("x",))])
def test_what_is_not_a_mesh_is_refused(mesh):
    with pytest.raises(InputError, match=r"mesh: .*make_mesh\(data=2, items=4\)"):
        check_mesh(mesh)

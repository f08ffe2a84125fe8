"""Pytrees on disk: read back to the bit, and large arrays in pieces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from multvae_jax.runs import pytrees
from tests.builders import assert_same


@pytest.mark.parametrize(("large", "sizes"), [(2**26, [4]), (64, [3, 1]), (4, [1, 1, 1, 1])])
def test_large_arrays_are_read_alone_and_written_in_pieces(tmp_path, monkeypatch, large, sizes):
    tree = {
        "key": jax.random.key(3),
        "params": (jnp.arange(32.0).reshape(8, 4), jnp.float32(7.5)),
        "step": jnp.int32(5),
    }
    read, load = [], pytrees.ocp.load

    def counted(place, like):
        read.append(sum(leaf is not ... for leaf in jax.tree.leaves(like)))
        return load(place, like)

    monkeypatch.setattr(pytrees, "LARGE", large)
    monkeypatch.setattr(pytrees.ocp, "load", counted)
    pytrees.save_tree(tmp_path / "tree", tree)
    found = pytrees.load_tree(tmp_path / "tree", tree)
    both = (jax.random.key_data(one.pop("key")) for one in (found, tree))
    np.testing.assert_array_equal(*both)
    assert_same(found, tree)
    assert read == sizes


def test_arrays_are_written_as_they_are_in_a_few_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(pytrees, "LARGE", 30_000)
    # The third has a prime number of rows, and the longest axis of the last is not the first.
    shapes = {"a": (100, 4), "b": (10_000, 4), "c": (10_007, 4), "d": (4, 10_000)}
    tree = {name: jnp.zeros(shape) for name, shape in shapes.items()}
    pytrees.save_tree(tmp_path / "tree", {**tree, "number": 1.5})
    found = pytrees.ocp.metadata(tmp_path / "tree").metadata
    pieces = {name: found[name].storage_metadata.chunk_shape for name in tree}
    assert pieces == {**shapes, "b": (1_250, 4)}
    written = sum(path.stat().st_size for path in (tmp_path / "tree").rglob("*") if path.is_file())
    assert written > sum(leaf.nbytes for leaf in tree.values())

"""Collections of garbage around imports, and imports in a thread."""

import contextlib
import gc
import sys

import pytest

from multvae_jax.cli.main import main
from multvae_jax.host.imports import import_beside, rare_collections, without_collections


@pytest.fixture
def nothing_frozen():
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("fails", [False, True])
def test_no_garbage_is_collected_in_the_block_and_it_is_again_afterwards(nothing_frozen, fails):
    with contextlib.suppress(ZeroDivisionError), without_collections():
        assert not gc.isenabled()
        assert fails is False or 1 / 0
    assert gc.isenabled()
    assert (gc.get_freeze_count() > 0) == (not fails)


def test_what_is_made_after_the_first_block_is_collected(nothing_frozen):
    with without_collections():
        pass
    frozen = gc.get_freeze_count()
    with without_collections():
        assert gc.isenabled()
        kept = [object() for _ in range(10)], [[] for _ in range(10)]
    assert kept
    assert gc.get_freeze_count() <= frozen


@pytest.fixture
def usual_collections():
    """Those of Python; the suite itself collects rarely."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize("fails", [False, True])
def test_garbage_is_collected_rarely_in_the_block_and_as_before_afterwards(
    usual_collections, fails
):
    with contextlib.suppress(ZeroDivisionError), rare_collections():
        assert gc.get_threshold() == (20_000, 10, 10)
        assert fails is False or 1 / 0
    assert gc.get_threshold() == (700, 10, 10)


def test_a_command_collects_garbage_rarely(usual_collections, monkeypatch):
    def note():
        seen.append(gc.get_threshold()[0])

    seen = []
    monkeypatch.setattr("multvae_jax.cli.datasets.list_datasets", note)
    assert main(["datasets"]) == 0
    assert seen == [20_000]


def test_a_module_is_imported_in_a_thread_and_one_that_fails_is_left(tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("1 / 0")
    (tmp_path / "whole_one.py").write_text("value = 3")
    monkeypatch.syspath_prepend(tmp_path)
    import_beside("broken_one", "whole_one").join()
    assert sys.modules.pop("whole_one").value == 3
    assert "broken_one" not in sys.modules

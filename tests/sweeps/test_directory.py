"""The directory of a sweep: whose it is, and what stays in it."""

from pathlib import Path

import pytest

from multvae_jax.errors import InputError
from multvae_jax.host.claim import claim
from multvae_jax.sweeps.directory import JOURNAL, sweep_directory


def refusal(out: str | None, name: str = "x") -> str:
    with pytest.raises(InputError) as caught, sweep_directory(out, name):
        pass
    return str(caught.value)


def fill(directory: Path, members: int) -> None:
    (directory / JOURNAL).write_text("{}\n" * (1 + members))


def test_a_new_name_is_taken_if_another_sweep_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        sweep_directory(None, "data-sweep-1") as first,
        sweep_directory(None, "data-sweep-1") as two,
    ):
        assert (str(first), str(two)) == ("runs/data-sweep-1", "runs/data-sweep-1-2")
        fill(first, 1)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["data-sweep-1"]
    assert [path.name for path in first.iterdir()] == [JOURNAL]


def test_a_second_sweep_is_refused_at_once_and_harms_nothing(tmp_path):
    out = tmp_path / "sweep"
    with sweep_directory(str(out), "x") as target:
        fill(target, 1)
        assert refusal(str(out)).startswith(f"{out}: in use by process ")
    with sweep_directory(str(out), "x"), claim(tmp_path):
        pass
    assert (out / JOURNAL).read_text() == "{}\n{}\n"


@pytest.mark.parametrize("members", [0, 1])
def test_a_failure_before_the_first_member_leaves_nothing(tmp_path, members):
    def begin_and_fail() -> None:
        with sweep_directory(str(tmp_path / "a" / "b"), "x") as target:
            fill(target, members)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        begin_and_fail()
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left == ([JOURNAL] if members else [])
    assert (tmp_path / "a").exists() == bool(members)


def test_a_journal_that_was_there_stays(tmp_path):
    fill(tmp_path, 0)
    with pytest.raises(KeyError), sweep_directory(str(tmp_path), "x"):
        raise KeyError
    assert (tmp_path / JOURNAL).exists()


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert refusal(str(tmp_path)) == (
        f"{tmp_path}: holds 'config.json' and no sweep; choose another directory"
    )
    assert refusal(str(tmp_path / "config.json")) == f"{tmp_path / 'config.json'}: File exists"
    assert refusal(str(tmp_path / "config.json" / "a")).endswith(": Not a directory")
    assert refusal("") == "--out: is empty; give a directory"
    assert "arrays cannot be stored below a name with '['" in refusal("a[1]")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]

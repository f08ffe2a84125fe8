"""The file that a killed sweep goes on from."""

import json
import math

import pytest

from multvae_jax.errors import InputError
from multvae_jax.sweeps.journal import append, open_journal

SWEEP = {"sweep": {"search": {"seeds": 2}, "data": {"held_out": None}}, "data": {"users": 3}}


def test_what_was_appended_is_read_again(tmp_path):
    path = tmp_path / "new" / "members.jsonl"
    assert open_journal(path, SWEEP) == []
    append(path, [{"seed": 0, "log": [{"loss": math.nan}]}, {"seed": 1}])
    assert open_journal(path, SWEEP) == [{"seed": 0, "log": [{"loss": None}]}, {"seed": 1}]
    assert json.loads(path.read_text().splitlines()[0]) == SWEEP


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_without_an_end_is_cut_off(cut, tmp_path):
    path = tmp_path / "members.jsonl"
    open_journal(path, SWEEP)
    append(path, [{"seed": 0}])
    whole = path.read_bytes()
    append(path, [{"seed": 1}])
    path.write_bytes(path.read_bytes()[:-cut])
    assert open_journal(path, SWEEP) == [{"seed": 0}]
    assert path.read_bytes() == whole


def test_a_kill_in_the_first_line_begins_anew(tmp_path):
    path = tmp_path / "members.jsonl"
    path.write_text('{"sweep": {"sea')
    assert open_journal(path, SWEEP) == []
    assert json.loads(path.read_text()) == SWEEP


def test_the_journal_of_another_sweep_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "members.jsonl"
    open_journal(path, SWEEP)
    before = path.read_bytes()
    other = {**SWEEP, "sweep": {"search": {"seeds": 3}, "data": {"held_out": None}}}
    with pytest.raises(InputError) as error:
        open_journal(path, other)
    assert str(error.value) == (
        f"{path}: of another sweep, with seeds 2 and not 3; name another with --out"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(("line", "message"), [("{", ":2: not JSON"), ("7", ":2: not a member")])
def test_a_damaged_line_is_named(line, message, tmp_path):
    path = tmp_path / "members.jsonl"
    open_journal(path, SWEEP)
    with path.open("a") as file:
        file.write(f"{line}\n")
    append(path, [{"seed": 1}])
    with pytest.raises(InputError) as error:
        open_journal(path, SWEEP)
    assert f"{path}{message}" in str(error.value)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/members.jsonl: File exists"):
        open_journal(tmp_path / "file" / "members.jsonl", SWEEP)


def test_the_identity_of_an_older_version_is_upgraded(tmp_path):
    path = tmp_path / "members.jsonl"
    open_journal(path, {"sweep": {"share": 0.5}})
    append(path, [{"seed": 0}])
    before = path.read_bytes()
    new = {"sweep": {"rise": {"type": "share", "share": 0.5}}}

    def upgrade(identity):
        return {"sweep": {"rise": {"type": "share", "share": identity["sweep"]["share"]}}}

    assert open_journal(path, new, upgrade) == [{"seed": 0}]
    assert path.read_bytes() == before
    other = {"sweep": {"rise": {"type": "steps", "steps": 5}}}
    with pytest.raises(InputError) as error:
        open_journal(path, other, upgrade)
    assert str(error.value) == (
        f'{path}: of another sweep, with rise {{"type": "share", "share": 0.5}} and not '
        '{"type": "steps", "steps": 5}; name another with --out'
    )

    def refuse(identity):
        raise InputError("no such option")

    with pytest.raises(InputError) as error:
        open_journal(path, new, refuse)
    assert str(error.value) == f"{path}:1: no such option"

"""One process at a time holds a directory, and a dead one holds none."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from multvae_jax.errors import InputError
from multvae_jax.host.claim import claim, owner

HOLD = """
import sys
from pathlib import Path
from multvae_jax.host.claim import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the directory."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def refusal(directory: Path) -> str:
    with pytest.raises(InputError) as caught, claim(directory):
        pass
    return str(caught.value)


def test_a_claim_leaves_nothing_behind_and_can_be_taken_again(tmp_path):
    for _ in range(2):
        with claim(tmp_path):
            assert f"process {os.getpid()}" in owner(tmp_path)
        assert owner(tmp_path) is None
        assert list(tmp_path.iterdir()) == []


def test_another_process_is_refused_and_the_owner_named(tmp_path, holder):
    message = refusal(tmp_path)
    assert message.startswith(
        f"{tmp_path}: in use by process {holder.pid} on {os.uname().nodename}"
    )
    assert "\n" not in message
    # The refusal has not disturbed the owner.
    assert refusal(tmp_path) == message


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert owner(tmp_path) is None
    with claim(tmp_path):
        assert f"process {os.getpid()}" in owner(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_owner_that_has_not_written_its_name_yet(tmp_path):
    with claim(tmp_path):
        (tmp_path / ".owner.json").write_text("{")
        assert refusal(tmp_path) == (
            f"{tmp_path}: in use by another process; choose another directory"
        )


def test_never_two_at_once(tmp_path):
    """Threads that claim and release as fast as they can: at most one is inside."""
    inside, most, taken = 0, 0, 0
    guard = threading.Lock()

    def contend() -> None:
        nonlocal inside, most, taken
        for _ in range(60):
            try:
                with claim(tmp_path):
                    with guard:
                        inside, taken = inside + 1, taken + 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except InputError:
                pass

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert taken > 0


def test_a_directory_that_vanishes_or_cannot_be_written(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    with claim(gone):
        for path in gone.iterdir():
            path.unlink()
        gone.rmdir()
    assert refusal(gone) == f"{gone / '.lock'}: No such file or directory"
    (tmp_path / "file").write_text("")
    assert refusal(tmp_path / "file") == f"{tmp_path / 'file' / '.lock'}: Not a directory"

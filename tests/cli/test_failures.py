"""How a command ends: exit status and one line, whatever has happened."""

import os
import signal
import time

import pytest

from multvae_jax.cli import datasets, main
from multvae_jax.errors import InputError
from multvae_jax.host import devices
from multvae_jax.host.files import atomic_write


def ended(monkeypatch, capsys, error: BaseException) -> tuple[int, list[str]]:
    """Exit status, and the lines on standard error, of a command that raises an error."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(datasets, "list_datasets", fail)
    status = main.main(["datasets"])
    return status, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("a.csv:3: no user"), 2, "a.csv:3: no user"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "runs/a"), 2, "runs/a: No space left on device"),
        (OSError(5, "Input/output error"), 2, "reading or writing failed: Input/output error"),
    ],
)
def test_an_error_of_the_user_or_the_machine_is_one_line(
    monkeypatch, capsys, error, status, message
):
    assert ended(monkeypatch, capsys, error) == (status, [f"multvae: {message}"])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 40000 bytes.\nmore"),
        MemoryError("Unable to allocate 37 GiB"),
    ],
)
def test_a_lack_of_memory_is_one_line_with_what_to_lower(monkeypatch, capsys, error):
    status, (line,) = ended(monkeypatch, capsys, error)
    assert status == 2
    assert line.startswith("multvae: out of memory (")
    assert "--batch-size" in line


def test_a_bug_is_named_as_one_and_shows_its_traceback_on_demand(monkeypatch, capsys):
    monkeypatch.delenv("MULTVAE_DEBUG", raising=False)
    status, (line,) = ended(monkeypatch, capsys, KeyError("pow"))
    assert status == 1
    assert line.startswith("multvae: this is a bug: KeyError: 'pow' (cli/commands.py:")
    monkeypatch.setenv("MULTVAE_DEBUG", "1")
    status, lines = ended(monkeypatch, capsys, KeyError("pow"))
    assert (status, lines[0], lines[-1]) == (1, "Traceback (most recent call last):", line)


def test_a_reader_that_closes_the_output_ends_it_quietly(monkeypatch, capsys):
    assert ended(monkeypatch, capsys, BrokenPipeError()) == (0, [])


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_any_command_in_order(monkeypatch, capsys, name, tmp_path):
    number, before = getattr(signal, name), signal.getsignal(getattr(signal, name))

    def write_for_long() -> None:
        with atomic_write(tmp_path / "a"):
            os.kill(os.getpid(), number)
            time.sleep(30)

    monkeypatch.setattr(datasets, "list_datasets", write_for_long)
    assert main.main(["datasets"]) == 128 + number
    assert capsys.readouterr().err == "multvae: interrupted\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) == before


def test_no_arguments_print_the_help(capsys):
    with pytest.raises(SystemExit) as end:
        main.main([])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (2, "")
    assert out.startswith("usage: multvae")


@pytest.mark.parametrize(
    ("platform", "error", "message"),
    [
        ("cuda", AssertionError(), "no such device; JAX_PLATFORMS is cuda"),
        ("x", RuntimeError("unknown\n."), "no such device; JAX_PLATFORMS is x (unknown)"),
        (None, RuntimeError("broken"), "jax cannot start (broken)"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch, platform, error, message):
    def fail() -> None:
        raise error

    monkeypatch.setattr("jax.devices", fail)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platform:
        monkeypatch.setitem(os.environ, "JAX_PLATFORMS", platform)
    with pytest.raises(InputError) as caught:
        devices.check_devices()
    assert str(caught.value) == message

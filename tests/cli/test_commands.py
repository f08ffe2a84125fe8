"""The first step of the commands that train: threads share freed memory."""

import pytest

from multvae_jax.cli import commands
from multvae_jax.cli.main import main
from multvae_jax.errors import InputError


@pytest.mark.parametrize("command", ["train", "sweep", "estimate"])
def test_threads_share_freed_memory_from_the_beginning(command, monkeypatch, capsys):
    def share():
        raise InputError("shared")

    monkeypatch.setattr(commands, "share_freed_memory", share)
    assert main([command]) == 2
    assert capsys.readouterr().err == "multvae: shared\n"

"""Compiled programs that are kept between commands."""

import os
import warnings

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from multvae_jax.cli.main import main
from multvae_jax.host import programs
from multvae_jax.host.programs import keep_programs, problems_of_programs, remove_oldest

SETTINGS = (
    "jax_compilation_cache_dir",
    "jax_enable_compilation_cache",
    "jax_persistent_cache_min_compile_time_secs",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The cache folder of a user who has set nothing; it does not exist yet."""
    before = {name: getattr(jax.config, name) for name in SETTINGS}
    jax.config.update("jax_compilation_cache_dir", None)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)
    compilation_cache.reset_cache()
    monkeypatch.setattr(programs, "programs_folder", lambda: tmp_path / "programs" / "mine")
    yield tmp_path / "programs" / "mine"
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def compile_small(number):
    """Compile a program of its own, in milliseconds."""

    def small(x):
        return x + number

    # An array of numpy: `jnp.zeros` is a program, which an earlier test may have compiled.
    return jax.jit(small)(np.zeros(number, np.float32)).tolist()


def kept(folder):
    return sorted(path.name for path in folder.glob("jit_small-*-cache"))


def test_a_command_keeps_small_programs_and_takes_them_from_there(folder):
    keep_programs()
    compile_small(3)
    (name,) = kept(folder)
    jax.clear_caches()
    events = []

    def listen(event, **_):
        events.append(event)

    jax.monitoring.register_event_listener(listen)
    try:
        assert compile_small(3) == [3.0] * 3
    finally:
        jax.monitoring.unregister_event_listener(listen)
    assert "/jax/compilation_cache/cache_hits" in events
    assert "/jax/compilation_cache/cache_misses" not in events
    assert kept(folder) == [name]


def test_nothing_is_kept_by_the_option_or_the_environment(folder):
    keep_programs(off=True)
    compile_small(4)
    assert not folder.exists()
    # The value that JAX_ENABLE_COMPILATION_CACHE=false gives.
    assert not jax.config.jax_enable_compilation_cache
    keep_programs()
    assert jax.config.jax_compilation_cache_dir is None


def test_a_folder_of_the_users_is_used_as_it_is(folder, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / "own")
    assert jax.config.jax_persistent_cache_min_compile_time_secs == 1.0
    assert not folder.exists()


def test_the_library_alone_sets_nothing(folder):
    import multvae_jax as mv
    from multvae_jax.data.histories import read_known_histories  # noqa: F401

    mv.mult_vae()
    assert jax.config.jax_compilation_cache_dir is None


def test_the_commands_have_the_option(folder, capsys):
    assert main(["evaluate", str(folder), "--no-compilation-cache"]) == 2
    assert not jax.config.jax_enable_compilation_cache
    assert main(["evaluate", str(folder)]) == 2
    jax.config.update("jax_enable_compilation_cache", True)
    assert main(["evaluate", str(folder)]) == 2
    assert jax.config.jax_compilation_cache_dir == str(folder)
    assert "compil" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_one_note(folder, capsys):
    folder.parent.write_text("not a folder")
    keep_programs()
    assert compile_small(5) == [5.0] * 5
    assert jax.config.jax_compilation_cache_dir is None
    note = "compiled programs are not kept for later commands: Not a directory\n"
    assert capsys.readouterr().err == note


def test_a_program_that_is_damaged_is_compiled_and_written_anew(folder, capsys):
    keep_programs()
    compile_small(6)
    (name,) = kept(folder)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    jax.clear_caches()
    with problems_of_programs():
        assert compile_small(6) == [6.0] * 6
    assert len((folder / name).read_bytes()) > len(whole) // 2
    assert capsys.readouterr().err == ""


def test_a_folder_that_turns_bad_is_one_note(folder, capsys):
    keep_programs()
    compile_small(7)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("not a folder")
    with problems_of_programs():
        assert compile_small(8) == [8.0] * 8
        assert compile_small(9) == [9.0] * 9
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_other_warnings_are_shown_as_before():
    with pytest.warns(UserWarning, match="another"), problems_of_programs():
        warnings.warn("another", stacklevel=1)


def test_programs_of_long_ago_are_removed_first(tmp_path):
    (tmp_path / "processor").mkdir()
    for age in range(10):
        path = tmp_path / "processor" / f"{age}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1e9 - age, 1e9 - age))
    remove_oldest(tmp_path, 1000)
    assert len(list(tmp_path.rglob("*-cache"))) == 10
    remove_oldest(tmp_path, 999)
    assert {path.name for path in tmp_path.rglob("*-cache")} == {f"{n}-cache" for n in range(4)}

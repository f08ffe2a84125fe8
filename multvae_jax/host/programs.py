"""Compiled programs that are kept from one command to the next, by jax's compilation cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multvae_jax.errors import reason_of
from multvae_jax.host.console import say

MOST_BYTES = 2**28
"""Size above which programs that have not been used for long are removed."""

_PROBLEM = re.compile(
    r"Error (?P<action>reading|writing) persistent compilation cache entry for '(?P<name>[^']*)'"
)


def keep_programs(*, off: bool = False) -> None:
    """Have jax keep the programs that it compiles, in the platform's cache folder.

    A folder that is set already, such as by `JAX_COMPILATION_CACHE_DIR`, is used as it is. Nothing
    is kept with `JAX_ENABLE_COMPILATION_CACHE=false`. A folder that cannot be written is said, and
    does without.

    Args:
        off: whether to compile every program anew, and to keep none.
    """
    import jax

    if off:
        jax.config.update("jax_enable_compilation_cache", False)
    # pyrefly and mypy do not know the names that jax defines.
    config: Any = jax.config
    if not config.jax_enable_compilation_cache or config.jax_compilation_cache_dir:
        return
    try:
        folder = programs_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ".writable").touch()
        remove_oldest(folder.parent, MOST_BYTES)
    # Without a home directory, platformdirs raises a RuntimeError.
    except (OSError, RuntimeError) as error:
        say(f"compiled programs are not kept for later commands: {reason_of(error)}")
        return
    config.update("jax_compilation_cache_dir", str(folder))
    # Half of the time is that of programs which take less than the second of the default.
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def programs_folder() -> Path:
    """Folder of the programs of this processor, in the platform's cache folder.

    A home directory may be that of several machines, and a program has the instructions of one.
    """
    return cache_folder() / "programs" / hashlib.sha256(_processor().encode()).hexdigest()[:12]


def cache_folder() -> Path:
    """The platform's cache folder of this program.

    Raises:
        RuntimeError: this user has no home directory.
    """
    from platformdirs import user_cache_path

    home = user_cache_path("multvae_jax", appauthor=False)
    if not home.is_absolute():
        raise RuntimeError("this user has no home directory")
    return home


def _processor() -> str:
    """The instructions of the processor, as far as the system tells them."""
    try:
        found = re.search(r"^(flags|Features)\s*:.*$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return f"{platform.machine()} {found[0] if found else platform.processor()}"


def remove_oldest(folder: Path, most: int) -> None:
    """Remove the files of a folder that were not used for longest, if all exceed a size.

    jax can bound its cache itself, but looks at every file for each program that it adds: a tenth
    of a second at 2,000 files.

    Args:
        folder: the folder, with those below it.
        most: number of bytes; half of them are kept.
    """
    found = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            about = path.stat()
            if path.is_file():
                # Many systems note the time of a reading once a day, which is enough.
                found.append((max(about.st_atime, about.st_mtime), about.st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= most:
        return
    for _, size, path in sorted(found):
        if total <= most // 2:
            break
        with contextlib.suppress(OSError):
            path.unlink()
            total -= size


@contextlib.contextmanager
def problems_of_programs() -> Iterator[None]:
    """Deal with the warnings of jax's compilation cache in the block.

    A program that cannot be read, such as one whose writing was interrupted, is removed, and jax
    writes it anew next time. The first other problem is said in one line.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message=_PROBLEM.pattern)
        show, said = warnings.showwarning, False

        def show_others(message: Warning | str, *about: Any, **more: Any) -> None:
            nonlocal said
            problem = _PROBLEM.match(str(message))
            if problem is None:
                show(message, *about, **more)
            elif not (problem["action"] == "reading" and _removed(problem["name"])) and not said:
                said = True
                say(f"compiled programs are not kept for later commands: {message}")

        warnings.showwarning = show_others
        yield


def _removed(name: str) -> bool:
    """Remove the programs of a name from jax's cache; False if that fails.

    Another process may have removed them already.
    """
    import jax

    folder = Path(getattr(jax.config, "jax_compilation_cache_dir", None) or os.devnull)
    try:
        for path in folder.glob("*-cache"):
            if path.name.startswith(f"{name}-"):
                path.unlink(missing_ok=True)
    except OSError:
        return False
    return True

"""Type checkers accept a user's script, and find what is wrong in a broken one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPT = (HERE / "user_script.py").read_text(encoding="utf-8")
# A wrong argument of a verb, a metric that does not exist, and a value of the wrong type.
BROKEN = """
import jax

import multvae_jax as mv


def main(split: mv.Split) -> None:
    run = mv.fit(jax.random.key(0), mv.mult_vae(), split, epoch=3)
    mv.metrics.ngcd
    mv.evaluate(split, split.test)
    mv.Batch.n_item
"""
ERRORS_IN_BROKEN = {8, 9, 10, 11}


# Of each script, the lines with errors, by one call of a checker: most of its time is jax.
def mypy(folder: Path) -> dict[str, set[int]]:
    """By mypy --strict."""
    (folder / "mypy.ini").write_text("[mypy]\n[mypy-optax.*]\nignore_missing_imports = True\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--config-file=mypy.ini", "--output=json", f"--cache-dir={os.devnull}"]
    done = subprocess.run(
        [*command, "script.py", "broken.py"],
        cwd=folder,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stderr
    found = map(json.loads, filter(None, done.stdout.splitlines()))
    return lines_by_file(
        (error["file"], error["line"]) for error in found if error["severity"] == "error"
    )


def pyright(folder: Path) -> dict[str, set[int]]:
    """By pyright in its basic mode."""
    files = ["script.py", "broken.py"]
    options = {"typeCheckingMode": "basic", "include": files, "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(options))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files)
    return lines_by_file(
        (error["file"], error["range"]["start"]["line"] + 1)
        for error in report["generalDiagnostics"]
        if error["severity"] == "error"
    )


def lines_by_file(errors) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for file, line in errors:
        found.setdefault(Path(file).name, set()).add(line)
    return found


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_users_script_is_accepted_and_a_broken_one_is_not(checker, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "broken.py").write_text(BROKEN)
    assert checker(tmp_path) == {"broken.py": ERRORS_IN_BROKEN}

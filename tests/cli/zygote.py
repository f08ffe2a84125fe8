"""A process that forks one that runs a command, again and again: no imports are repeated.

It reads one command of JSON per line, prints the number of the process that runs it, and then
its exit status. Nothing of jax that starts threads may be used before the fork.
"""

import json
import os
import resource
import sys
import warnings

import jax

import multvae_jax.cli.train
import multvae_jax.runs.checkpoints
import multvae_jax.runs.report  # noqa: F401
from multvae_jax.cli.main import main


def run(arguments: list[str], largest_file: int | None) -> None:
    """Run a command with its output in a file, and exit."""
    for stream in (1, 2):
        os.dup2(os.open(os.environ["ZYGOTE_OUTPUT"], os.O_WRONLY | os.O_APPEND), stream)
    if largest_file is not None:
        # The programs that jax compiles are kept elsewhere than on the disk that is full.
        jax.config.update("jax_enable_compilation_cache", False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    status = 1
    try:
        status = main(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message=".*fork.*")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

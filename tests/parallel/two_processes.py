"""Trainings in two real processes on this machine, some of which lose one of them.

A process of its own, which imports the program once, forks those of each training, and writes what
became of them to the file that it is given; `test_processes` compares.
"""

import contextlib
import functools
import os
import pickle
import shlex
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import jax

from multvae_jax.cli.main import main as cli
from multvae_jax.cli.processes import joined
from multvae_jax.config.options import RunOptions
from multvae_jax.parallel.processes import wait_for_all
from multvae_jax.runs import Checkpoints
from tests.builders import write_ratings
from tests.docs.builders import blocks

LIMIT = 150
"""Seconds after which a test is given up: a lost process is found within 30."""


def free_ports(number):
    """Ports of this machine that nothing listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def end_after(saves):
    """Kill this process when it has written a number of checkpoints."""
    save, made = Checkpoints.save, []

    def counted(self, state):
        save(self, state)
        made.append(state)
        if len(made) == saves:
            self.wait()
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoints.save = counted


def start(function, name):
    """Fork a process for a function, whose output goes to two files."""
    process = os.fork()
    if process:
        return process
    for number, kind in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{kind}", os.O_CREAT | os.O_WRONLY), number)
    status = 1
    try:
        status = function()
    except SystemExit as error:
        status = error.code
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def ends(running):
    """The statuses of processes, and the seconds from the first end to the last."""
    until, statuses, times = time.monotonic() + LIMIT, {}, []
    while len(statuses) < len(running):
        for process in set(running) - statuses.keys():
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                statuses[process] = os.waitstatus_to_exitcode(status)
                times.append(time.monotonic())
            elif time.monotonic() > until:
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    return [statuses[process] for process in running], times[-1] - times[0]


def both(name, functions):
    """What became of two processes: statuses, seconds between their ends, and what they printed.

    Args:
        name: name of the files of their output.
        functions: what each calls; it returns the exit status.
    """
    running = [start(one, f"{name}-{number}") for number, one in enumerate(functions)]
    statuses, seconds = ends(running)
    paths = [f"{name}-{number}" for number in range(len(functions))]
    return {
        "status": statuses,
        "seconds": seconds,
        "out": [Path(f"{path}.out").read_text() for path in paths],
        "err": [Path(f"{path}.err").read_text() for path in paths],
    }


def commands(name, texts, port, killed=None):
    """What became of two processes of a command of the guide.

    Args:
        name: as in `both`.
        texts: the command of each.
        port: port of the coordinator on this machine.
        killed: number of the process that is killed after its first checkpoint.
    """

    def run(number):
        words = shlex.split(texts[number].replace("10.0.0.1:1234", f"127.0.0.1:{port}"))
        if words[0] == "srun":
            words.pop(0)
            # As SLURM has them, for two processes on this machine.
            of_job = {"JOB_ID": 1, "STEP_NODELIST": "127.0.0.1", "NTASKS": 2, "PROCID": number}
            for variable, value in {**of_job, "LOCALID": 0}.items():
                os.environ[f"SLURM_{variable}"] = str(value)
            os.environ["JAX_COORDINATOR_PORT"] = str(port)
        if "--resume" not in words:
            words += ["--epochs", "3", "--held-out", "8", "--baselines", "popularity"]
            words += ["--checkpoint-every", "1"]
        if number == killed:
            end_after(1)
        return cli(words[1:])

    return both(name, [functools.partial(run, number) for number in (0, 1)])


def programs(text, port):
    """What became of two processes of the program of the guide, each with two devices."""

    def run(number):
        jax.config.update("jax_num_cpu_devices", 2)
        mine = text.replace('"10.0.0.1:1234", 2, 0', f'"127.0.0.1:{port}", 2, {number}')
        exec(compile(mine, "the guide to several hosts", "exec"), {"__name__": "hosts"})
        return 0

    return both("program", [functools.partial(run, number) for number in (0, 1)])


def idle(port):
    """What becomes of a process that waits for nothing while the coordinator is killed."""

    def run(number):
        place = {"coordinator": f"127.0.0.1:{port}", "processes": 2, "process": number}
        with joined(RunOptions(distributed=True, **place)):
            wait_for_all()
            if not number:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(LIMIT)
        return 0

    return both("idle", [functools.partial(run, number) for number in (0, 1)])


def refused(ports):
    """What a process alone is told, by the options that it has."""
    data = ["train", "--data", "ratings.csv", "--join-within", "1"]
    here = ["--processes", "2", "--coordinator"]
    options = {
        "nothing": ["--distributed"],
        "nobody there": [*here, f"127.0.0.1:{next(ports)}", "--process", "1"],
        "nobody comes": [*here, f"127.0.0.1:{next(ports)}", "--process", "0"],
    }
    functions = [functools.partial(cli, [*data, *words]) for words in options.values()]
    found = both("refused", functions)
    return dict(zip(options, zip(found["status"], found["err"], strict=True), strict=True))


def main(path):
    os.chdir(Path(path).parent)
    write_ratings(Path("ratings.csv"), n_users=60)
    write_ratings(Path("others.csv"), n_users=59)
    text = {"sh": [], "python": []}
    for language, _, block in blocks("docs/scaling.md"):
        if "distributed" in block:
            text[language] += block.splitlines() if language == "sh" else [block]
    first, second, slurm, goes_on = text["sh"]
    others = [line.replace("runs/hosts", "runs/others") for line in (first, second)]
    ports = iter(free_ports(9))
    found = {
        "loses 1": commands("loses-1", [first, second], next(ports), killed=1),
        "loses 0": commands("loses-0", [goes_on] * 2, next(ports), killed=0),
        "whole": commands("whole", [goes_on] * 2, next(ports)),
        "program": programs(text["python"][0], next(ports)),
        "idle": idle(next(ports)),
        # The command for SLURM, which is refused after it has joined.
        "options": commands("options", [f"{slurm} --seed {n}" for n in (0, 1)], next(ports)),
        "data": commands("data", [others[0], others[1].replace("ratings", "others")], next(ports)),
        "refused": refused(ports),
    }
    Path(path).write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])

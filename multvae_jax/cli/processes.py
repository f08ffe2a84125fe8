"""A command in several processes: how they join, which of them prints, and how they end."""

from __future__ import annotations

import contextlib
import math
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import NoReturn

from multvae_jax import __version__
from multvae_jax.cli.failures import DEBUG, failure_of
from multvae_jax.cli.folds import folds_to_train
from multvae_jax.config.mesh import parse_mesh
from multvae_jax.config.options import RunOptions, TrainConfig
from multvae_jax.config.unions import split_name
from multvae_jax.errors import InputError, one_line
from multvae_jax.host.console import say
from multvae_jax.host.devices import check_devices
from multvae_jax.host.native_output import NativeOutput
from multvae_jax.host.streams import flush_output

WITHIN = 300.0
"""Seconds to wait for the other processes by default: a scheduler may start them one by one."""

TOGETHER = 5.0
"""Seconds to wait for the other processes after an error, which may be theirs as well."""


def is_distributed(options: RunOptions) -> bool:
    """Return whether the options start one of several processes."""
    given = (options.coordinator, options.processes, options.process, options.join_within)
    return options.distributed or any(value is not None for value in given)


def without_processes(options: RunOptions) -> RunOptions:
    """The options without the place of this process, which may change when a run is resumed."""
    return replace(
        options,
        distributed=False,
        coordinator=None,
        processes=None,
        process=None,
        join_within=None,
    )


class Companions:
    """The other processes of a command.

    Attributes:
        goes_on: how the training can go on if one of them is lost, for messages.
    """

    def __init__(self, within: float) -> None:
        self.process, self.processes, self._within = 0, 0, within
        self.goes_on = ""

    def named(self, process: int, processes: int) -> None:
        """Set the place of this process, which only a cluster may have given."""
        self.process, self.processes = process, processes

    def lost(self, report: str) -> str | None:
        """Explain in one line that another process is lost; None if it is about something else.

        Args:
            report: output of the coordination service, or the error of an operation on several
                devices.
        """
        if "RegisterTask" in report:
            return (
                f"multvae: --distributed: not all processes have joined within {self._within:g} s; "
                "start all of them, with the same --coordinator and --processes"
            )
        reason = ""
        silent = re.search(r"stopped sending heartbeats\):\n([\d\n]+)", report)
        if silent is not None and (numbers := set(silent[1].split()) - {str(self.process)}):
            who = "process " + ", ".join(sorted(numbers, key=int))
        elif "the leader task was preempted" in report or "Failed to send RPC" in report:
            who = "process 0" if self.process else "another process"
        elif re.search(r"distributed service detected|Gloo|NCCL|peer|oordination", report):
            who = f"process {1 - self.process}" if self.processes == 2 else "another process"
            # Not of the service, whose reports are long.
            if "service" not in report:
                reason = f" ({one_line(report)[:200]})"
        else:
            return None
        mine = f"process {self.process} of {self.processes}: " if self.processes else ""
        return f"multvae: {mine}{who} has ended or cannot be reached{reason}{self.goes_on}"


@contextlib.contextmanager
def joined(options: RunOptions) -> Iterator[Companions | None]:
    """Join the other processes of a command, if there are any, and initialize the devices.

    Only the first process prints results and messages; each prints its own errors. If another
    process ends, so does this one, with one line.

    Raises:
        InputError: as in `multvae_jax.parallel.processes.place_of`.
        SystemExit: after an error, which has been printed, with its exit status.
    """
    if not is_distributed(options):
        yield None
        return
    import jax

    from multvae_jax.parallel import processes

    place = processes.place_of(options.coordinator, options.processes, options.process)
    within = options.join_within or WITHIN
    companions = Companions(within)
    with NativeOutput(companions.lost) as native:
        try:
            processes.join(place, within)
            check_devices(devices_per_process(options.mesh, place.processes))
            companions.named(jax.process_index(), jax.process_count())
            with _quiet(not processes.is_first()):
                yield companions
        except BaseException as error:
            line = None
            is_told = isinstance(error, InputError) or DEBUG in os.environ
            if isinstance(error, RuntimeError | ValueError) and not is_told:
                line = companions.lost(str(error))
            if line is not None:
                native.end(line)
            _end_together(error, native)
        jax.distributed.shutdown()


def _end_together(error: BaseException, native: NativeOutput) -> NoReturn:
    """Print an error, and end the process with the others, or soon if they do not end."""
    import jax

    status, message = failure_of(error, flush_output())
    if message:
        say(f"multvae: {message}")
    native.ends_silently(status)
    timer = threading.Timer(TOGETHER, os._exit, (status,))
    timer.daemon = True
    timer.start()
    # If another process is lost, this fails and aborts the process.
    with contextlib.suppress(Exception):
        jax.distributed.shutdown()
    timer.cancel()
    raise SystemExit(status)


def devices_per_process(mesh: str | None, number: int | None) -> int:
    """Number of devices that a process needs for a mesh, into which a CPU is divided."""
    return 1 if mesh is None or number is None else -(-math.prod(parse_mesh(mesh)) // number)


@contextlib.contextmanager
def _quiet(quiet: bool) -> Iterator[None]:
    """Print nothing while the block runs."""
    if not quiet:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,  # noqa: PTH123
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def refuse_in_one_process(config: TrainConfig, options: RunOptions) -> None:
    """Refuse options that need the interactions of all users in one process.

    Raises:
        InputError: naming the option.
    """
    alone = {
        "--from": options.start is not None,
        "--blend": config.model.blend is not None,
        f"--split {split_name(config.data.split)}": folds_to_train(config) is not None,
        **{
            f"--baselines {name}": name not in ("popularity", "none")
            for name in options.baselines or ()
        },
    }
    for flag, is_set in alone.items():
        if is_set:
            raise InputError(f"{flag}: needs all users in one process, and not --distributed")


def check_processes(config: TrainConfig, options: RunOptions) -> None:
    """Refuse processes that were started with other options than the first.

    The paths of the data may differ; its content is compared when it has been read.

    Raises:
        InputError: naming the option.
    """
    from multvae_jax.parallel.processes import check_same

    values = {"version": __version__}
    for part in (config.model, config.training, without_processes(options)):
        for option in fields(part):
            if option.name != "out":
                values[f"--{option.name.replace('_', '-')}"] = repr(getattr(part, option.name))
    check_same(values)

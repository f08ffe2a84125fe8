"""How fast are recommendations over HTTP, against each request alone and PyTorch?

    python -m benchmarks serving [--sizes ml-1m] [--rounds 3]

The paper's network with random weights, behind three servers: `multvae serve`, which answers
concurrent requests together; the same model and framework behind a plain handler, which computes
each request alone; and plain PyTorch behind such a handler. Each of 1, 16 and 64 clients, all in
one other process, sends a request of one history as soon as its last one is answered, so that the
two cores are shared by clients and server. The servers are measured in turn in each round.

    python -m benchmarks serving --sizes ml-1m --memory 100000

also sends so many requests, of all lengths and options, to `multvae serve`, and reads the memory
of its process after every tenth of them.

On two cores of an AMD EPYC, about 2 minutes per size.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.contestants.serving.task import write_task
from benchmarks.harness.environments import ENVIRONMENTS, interpreter
from benchmarks.harness.figures import bars
from benchmarks.harness.report import Report, markdown
from benchmarks.harness.synthetic import random_histories
from multvae_jax.checks.bounds import Count, LeastCount

SIZES = {"ml-1m": (3_533, 95), "ml-20m": (20_108, 68)}
"""Name -> items, and interactions per user, of histories of that shape."""

OURS, PLAIN, TORCH = "multvae serve", "the same, each alone", "PyTorch, each alone"
CLIENTS = (1, 16, 64)
REQUESTS = 2_000
"""Number of different requests."""

QUANTILES = (50, 95, 99)
PARTS = 10
"""Times that the memory is read."""


@dataclass(frozen=True)
class Options:
    """Options of `benchmarks serving`."""

    sizes: tuple[Literal["ml-1m", "ml-20m"], ...] = ("ml-1m", "ml-20m")
    """Sizes of the catalogue."""
    rounds: Count = 3
    """Number of timed rounds per server and number of clients."""
    seconds: float = 2.0
    """Seconds of a round."""
    memory: LeastCount = 0
    """Number of requests after which the memory is the same; 0 leaves it out."""
    peer_python: str | None = None
    """Interpreter with torch, starlette and uvicorn; by default, that of their own environment."""


@contextlib.contextmanager
def serving(command: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start a server; its port and its process.

    Raises:
        RuntimeError: it ends before it listens; its own message is on standard error.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)["port"], process.pid
                    return
            raise RuntimeError(f"{' '.join(command)} ended before it listened")
        finally:
            process.kill()


def sent(port: int, clients: int, seconds: float, number: int, requests: Path) -> dict[str, Any]:
    """Latencies and throughput that the clients measured, in a process of their own."""
    words = [str(word) for word in (port, clients, seconds, number, requests)]
    command = [sys.executable, "-m", "benchmarks.contestants.serving.clients", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def check_answers(ports: Sequence[int], requests: Path, number: int = 20) -> None:
    """Check that all servers recommend the same items.

    Raises:
        RuntimeError: they do not.
    """
    for line in requests.read_bytes().splitlines()[:number]:
        found = []
        for port in ports:
            # An address of this machine.
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/recommend", line) as answer:
                items = json.loads(answer.read())["items"]
            found.append({item["item"] for item in items})
        # Nearly equal scores may change places at the end of a list.
        if any(len(found[0] ^ other) > 2 for other in found):
            raise RuntimeError(f"different items for {line!r}")


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Requests per second, and every hundredth part of the latencies in ms."""
    taken = 1e3 * np.array(found["requests"])
    return {
        "requests per second": len(taken) / found["seconds"],
        "requests": len(taken),
        "percentiles, ms": np.percentile(taken, range(101)).round(3).tolist(),
    }


def rounds_of(
    commands: dict[str, list[str]], options: Options, requests: Path
) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """Server -> number of clients -> what each round has found."""
    samples: dict[str, dict[int, list[dict[str, Any]]]] = {
        name: {clients: [] for clients in CLIENTS} for name in commands
    }
    with contextlib.ExitStack() as running:
        ports = {
            name: running.enter_context(serving(command))[0] for name, command in commands.items()
        }
        check_answers(list(ports.values()), requests)
        for _ in range(options.rounds):
            for clients in CLIENTS:
                for name, port in ports.items():
                    found = sent(port, clients, options.seconds, 0, requests)
                    samples[name][clients].append(summary(found))
    return samples


def table(samples: dict[str, dict[int, list[dict[str, Any]]]]) -> str:
    """A row for each number of clients and each server."""
    rows = []
    for clients in CLIENTS:
        ours = [one["requests per second"] for one in samples[OURS][clients]]
        for name, found in samples.items():
            rates = [one["requests per second"] for one in found[clients]]
            ratios = [mine / other for mine, other in zip(ours, rates, strict=True)]
            latencies = np.array([one["percentiles, ms"] for one in found[clients]])
            rows.append(
                [
                    str(clients),
                    name,
                    f"{statistics.median(rates):,.0f}",
                    f"{min(rates):,.0f} to {max(rates):,.0f}",
                    f"{statistics.median(ratios):.2f}",
                    *(f"{np.median(latencies[:, percent]):.1f}" for percent in QUANTILES),
                ]
            )
    heading = ("clients", "", "requests/s, median", "range", "ours, times as many")
    return markdown([*heading, *(f"p{percent}, ms" for percent in QUANTILES)], rows)


def memory_of(command: list[str], number: int, requests: Path) -> dict[str, list[float]]:
    """Resident memory of a server in MB, before the first request and after each tenth of them."""
    series: dict[str, list[float]] = {"requests": [0], "MB": []}
    with serving(command) as (port, process):
        series["MB"].append(resident(process))
        for _ in range(PARTS):
            taken = sent(port, CLIENTS[-1], 1e9, number // PARTS, requests)["requests"]
            series["requests"].append(series["requests"][-1] + len(taken))
            series["MB"].append(resident(process))
    return series


def resident(process: int) -> float:
    """Resident memory of a process in MB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure(options: Options) -> Iterator[Report]:
    """Latency and throughput of each server, for each size; and memory, if it is asked for."""
    module = "benchmarks.contestants.serving"
    peer = options.peer_python or str(interpreter("serving", ENVIRONMENTS["serving"]))
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            n_items, mean = SIZES[size]
            write_task(folder, random_histories(REQUESTS, n_items, mean))
            ours = [sys.executable, "-m", f"{module}.ours", name]
            commands = {
                OURS: [*ours, "batched"],
                PLAIN: [*ours, "plain"],
                TORCH: [peer, "-m", f"{module}.pytorch", name],
            }
            if options.memory:
                series = memory_of(commands[OURS], options.memory, folder / "varied")
                rows = zip(*series.values(), strict=True)
                cells = [[f"{number:,.0f}", f"{mb:,.0f}"] for number, mb in rows]
                found = markdown(("requests", "MB"), cells)
                yield Report(f"{size}-memory", found, {"options": asdict(options), **series})
                continue
            samples = rounds_of(commands, options, folder / "requests")
        rates = {
            f"requests per second, {clients} client{'s' if clients > 1 else ''}": {
                name: [one["requests per second"] for one in found[clients]]
                for name, found in samples.items()
            }
            for clients in CLIENTS
        }
        record = {"options": asdict(options), "items": n_items, "samples": samples}
        yield Report(size, f"{size}\n\n{table(samples)}", record, bars(rates, ""))

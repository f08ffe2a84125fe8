"""The speed of this machine and the memory of a process, measured once and kept."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy.optimize import nnls

from multvae_jax.errors import InputError, first_line, reason_of
from multvae_jax.estimating.costs import Costs, Dot
from multvae_jax.estimating.memory import Base
from multvae_jax.estimating.probes import LONGER, PROBES, products, seconds_of_byte, timed_probe
from multvae_jax.estimating.small_trainings import small_trainings
from multvae_jax.host.console import say
from multvae_jax.host.files import atomic_write
from multvae_jax.host.processor import available_cores, processor_name
from multvae_jax.host.programs import cache_folder


class Rate(NamedTuple):
    """Speed of a matrix product `m x k` by `k x n`, in operations per second."""

    m: int
    k: int
    n: int
    dtype: str
    flops: float


class Calibration(NamedTuple):
    """The measured speed of a machine.

    Attributes:
        products: speeds of matrix products.
        seconds: seconds of each unit of the other work of `Costs`, by its name.
        base: bytes of a process beside its arrays.
        of_epoch: seconds of an epoch beside its programs, such as those of its log entry.
    """

    products: tuple[Rate, ...]
    seconds: dict[str, float]
    base: Base
    of_epoch: float = 0.0

    def seconds_of(self, costs: Costs) -> float:
        """Seconds that a program takes."""
        return self._of_products(costs) + sum(
            each * getattr(costs, name) for name, each in self.seconds.items()
        )

    def _of_products(self, costs: Costs) -> float:
        return sum(n * dot.flops / speed(self.products, dot) for dot, n in costs.dots.items())


def speed(products: tuple[Rate, ...], dot: Dot) -> float:
    """Speed of the product that was timed and is the most similar: by its form, then its sizes."""

    def distance(rate: Rate) -> float:
        sizes = zip(rate[:3], dot[:3], strict=True)
        longest = np.argmax(rate[:3]) != np.argmax(dot[:3])
        return (
            100 * (rate.dtype != dot.dtype)
            + 10 * bool(longest)
            + sum(abs(math.log(min(mine, LONGER) / min(other, LONGER))) for mine, other in sizes)
        )

    return min(products, key=distance).flops


FITTED = ("streamed", "cached", "instructions")
"""Work whose rates are found from the times of `PROBES`."""

OTHER = ("fresh", *FITTED)
"""Work beside the products."""


def calibrate() -> Calibration:
    """Measure this machine: about a minute."""
    of_byte = seconds_of_byte()
    rates = tuple(Rate(*dot, dot.flops / each) for dot, each in products(of_byte.streamed))
    timed = [timed_probe(probe) for probe in PROBES]
    fresh = {"fresh": of_byte.fresh}
    known = Calibration(rates, fresh, Base())
    seconds = np.array([each for each, _ in timed])
    rest = seconds - [known.seconds_of(costs) for _, costs in timed]
    work = np.array([[getattr(costs, name) for name in FITTED] for _, costs in timed])
    # Each probe counts by its relative error.
    found, _ = nnls(work / seconds[:, None], np.maximum(rest, 0) / seconds)
    others = dict(zip(FITTED, found.tolist(), strict=True))
    speeds = Calibration(rates, fresh | others, Base())
    base, of_epoch = small_trainings(speeds.seconds_of)
    return speeds._replace(base=base, of_epoch=of_epoch)


def machine() -> dict[str, str]:
    """The machine and the versions that a calibration holds for."""
    return {
        "processor": processor_name(),
        "cores": str(available_cores()),
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "python": platform.python_version(),
    }


def calibration_file() -> Path:
    """Where the calibration of this machine is kept, beside the compiled programs.

    Raises:
        RuntimeError: this user has no home directory.
    """
    about = machine()
    words = "-".join(about[name] for name in ("processor", "cores", "backend", "jax", "python"))
    name = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in words)
    return cache_folder() / "calibration" / f"{name}.json"


def calibrated() -> Calibration:
    """The calibration of this machine: the one that is kept, or a new one, which is said."""
    try:
        path = calibration_file()
        return from_json(path.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError):
        say("the calibration that is kept is damaged, or of another version of the program")
    except (OSError, RuntimeError) as error:
        say(f"the calibration that is kept cannot be read: {first_line(error)}")
        path = None
    say("measuring this machine, once: about a minute")
    found = calibrate()
    try:
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(to_json(found))
            say(f"kept for later commands in {path}")
    except (OSError, InputError) as error:
        say(f"the calibration is not kept for later commands: {reason_of(error)}")
    return found


def to_json(calibration: Calibration) -> str:
    """A calibration as JSON, with the machine."""
    parts = {"machine": machine(), **calibration._asdict()}
    return json.dumps({**parts, "base": calibration.base._asdict()}, indent=1) + "\n"


def from_json(text: str) -> Calibration:
    """Read a calibration.

    Raises:
        ValueError: it is not one.
    """
    found: dict[str, Any] = json.loads(text)
    return Calibration(
        tuple(Rate(*rate) for rate in found["products"]),
        {name: float(found["seconds"][name]) for name in OTHER},
        Base(*(found["base"][name] for name in Base._fields)),
        float(found["of_epoch"]),
    )

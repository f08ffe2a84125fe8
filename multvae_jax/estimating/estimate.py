"""The estimate of a training on a device."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from multvae_jax.estimating.calibration import Calibration
from multvae_jax.estimating.costs import Costs
from multvae_jax.estimating.devices import Device, seconds_on
from multvae_jax.estimating.lengths import Lengths
from multvae_jax.estimating.memory import Base, Memory, memory_of
from multvae_jax.estimating.programs import Programs, Training, n_updates
from multvae_jax.runs.pace import seconds_to_first


class Machine(NamedTuple):
    """The machine at hand.

    Attributes:
        name: its devices.
        calibration: its speed.
        available: bytes that a program may use now.
        is_host: whether the arrays are in the memory of the process, as on a CPU, whose devices
            share it and the processor.
    """

    name: str
    calibration: Calibration
    available: float
    is_host: bool


class Estimate(NamedTuple):
    """The memory and time that a training takes on a device, or on each of several.

    Attributes:
        name: the device.
        memory: bytes, by part and by stage.
        available: bytes that there are.
        flops: operations of the matrix products of an update.
        bytes: bytes that an update reads and writes.
        exchanged: bytes that an update contributes to collective operations.
        updates: number of updates in an epoch.
        users: number of training users.
        seconds_of_update: seconds of an update.
        seconds_of_validation: seconds of a validation; 0 without validation users.
        seconds_of_epoch: seconds of an epoch with its validation.
        seconds_of_run: seconds of all epochs.
    """

    name: str
    memory: Memory
    available: float
    flops: float
    bytes: float
    exchanged: float
    updates: int
    users: int
    seconds_of_update: float
    seconds_of_validation: float
    seconds_of_epoch: float
    seconds_of_run: float

    @property
    def fits(self) -> bool:
        """Whether the memory suffices."""
        return self.memory.peak + self.memory.compiling <= self.available

    @property
    def users_per_second(self) -> float:
        """Training users per second."""
        return self.users / (self.updates * self.seconds_of_update)

    def as_json(self) -> dict[str, Any]:
        """The estimate as plain values; a bound of memory that is not known is null."""
        memory = self.memory
        return {
            **self._asdict(),
            "memory": {**memory._asdict(), "peak": memory.peak},
            "available": self.available if math.isfinite(self.available) else None,
            "fits": self.fits,
            "users_per_second": self.users_per_second,
        }


def estimate(
    lengths: Lengths, training: Training, programs: Programs, where: Device | Machine
) -> Estimate:
    """Estimate a training from its programs.

    Args:
        lengths: the data.
        training: the training.
        programs: its programs, of one device of its mesh.
        where: a device, or the machine at hand.
    """
    shared, base, beside, is_host = 1, Base(), 0.0, False
    if isinstance(where, Device):

        def seconds(costs: Costs) -> float:
            return seconds_on(where, costs).total
    else:
        is_host, beside = where.is_host, where.calibration.of_epoch
        if is_host:
            # The devices of a CPU share its memory and its cores.
            shared = 1 if training.mesh is None else training.mesh.size
            base = where.calibration.base

        def seconds(costs: Costs) -> float:
            return shared * where.calibration.seconds_of(costs)

    one, updates = programs.of_update, n_updates(lengths, training)
    of_update = seconds(one)
    of_validation = seconds(programs.of_validation)
    validations = math.ceil(training.epochs / training.validate_every)
    of_training = updates * of_update + beside
    of_run = training.epochs * of_training + validations * of_validation
    checkpoint = shared * (2 * programs.params + programs.opt_state)
    # From an accelerator, the state is copied to the host.
    is_saved = is_host and of_run >= seconds_to_first(checkpoint)
    return Estimate(
        where.name,
        memory_of(programs, base, shared, read=lengths if is_host else None, is_saved=is_saved),
        where.available,
        one.flops,
        one.bytes,
        one.exchanged,
        updates,
        lengths.n_users,
        of_update,
        of_validation,
        of_training + of_validation,
        of_run,
    )

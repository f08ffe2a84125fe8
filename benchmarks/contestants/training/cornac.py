"""Cornac's VAECF, trained by its own `fit`.

What it has no option for and so does otherwise than the paper: the input is neither normalized nor
dropped out, beta is fixed from the first update, users come in the same order each epoch, and the
initial parameters are PyTorch's.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from cornac.data import Dataset
from cornac.models import VAECF

from benchmarks.contestants.training import task as tasks
from benchmarks.harness.rounds import turns


class Paused(Dataset):
    """A data set that waits for its next turn after each epoch."""

    clock: Iterator[None]

    def user_iter(self, batch_size: int = 1, shuffle: bool = False) -> Iterator[np.ndarray]:
        """Batches of users; once more is asked for, the last update is made."""
        yield from super().user_iter(batch_size, shuffle)
        if next(self.clock, "over"):
            sys.exit()


def main() -> None:
    """Take turns."""

    def score(rows: np.ndarray) -> np.ndarray:
        # As its `score` does it, which takes training users only, one at a time.
        with torch.no_grad():
            mu, _ = model.vae.encode(torch.from_numpy(rows))
            return model.vae.decode(mu).numpy()

    clock = turns(after_each=lambda: task.save_scores(score))
    next(clock)
    task = tasks.read("cornac")
    rows, items = task.train.nonzero()
    catalogue = OrderedDict((item, item) for item in range(task.train.shape[1]))
    triplets = zip(rows.tolist(), items.tolist(), [1.0] * rows.size, strict=True)
    data = Paused.build(triplets, global_iid_map=catalogue)
    data.clock = clock
    model = VAECF(
        k=tasks.LATENT,
        autoencoder_structure=[tasks.HIDDEN],
        act_fn="tanh",
        likelihood="mult",
        n_epochs=sys.maxsize - 1,
        batch_size=task.batch_size,
        learning_rate=tasks.LEARNING_RATE,
        beta=tasks.BETA,
        seed=0,
    )
    model.fit(data)


if __name__ == "__main__":
    main()

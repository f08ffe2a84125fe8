"""Cornac's VAECF, trained by its own `fit`.

It differs from the paper where it has no option: the input is neither normalized nor
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

from benchmarks.contestants.training.task import BETA, HIDDEN, LATENT, LEARNING_RATE, read_task
from benchmarks.harness.rounds import timed_rounds


class Paused(Dataset):
    """A data set that stops the clock after each epoch, until the next round."""

    clock: Iterator[None]

    def user_iter(self, batch_size: int = 1, shuffle: bool = False) -> Iterator[np.ndarray]:
        """Batches of users; the epoch ends when the batch after the last is requested."""
        yield from super().user_iter(batch_size, shuffle)
        if next(self.clock, "over"):
            sys.exit()


def main() -> None:
    """Serve rounds of one epoch each."""

    def score(rows: np.ndarray) -> np.ndarray:
        # The same as its `score`, which takes only training users, one at a time.
        with torch.no_grad():
            mu, _ = model.vae.encode(torch.from_numpy(rows))
            return model.vae.decode(mu).numpy()

    clock = timed_rounds(after_each=lambda: task.save_scores(score))
    next(clock)
    task = read_task("cornac")
    rows, items = task.train.nonzero()
    catalogue = OrderedDict((item, item) for item in range(task.train.shape[1]))
    triplets = zip(rows.tolist(), items.tolist(), [1.0] * rows.size, strict=True)
    data = Paused.build(triplets, global_iid_map=catalogue)
    data.clock = clock
    model = VAECF(
        k=LATENT,
        autoencoder_structure=[HIDDEN],
        act_fn="tanh",
        likelihood="mult",
        n_epochs=sys.maxsize - 1,
        batch_size=task.batch_size,
        learning_rate=LEARNING_RATE,
        beta=BETA,
        seed=0,
    )
    model.fit(data)


if __name__ == "__main__":
    main()

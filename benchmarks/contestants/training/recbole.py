"""RecBole's MultiVAE, trained by its own trainer from its own loader.

It differs from the paper where it has no option: the noise of the sample has a
standard deviation of 0.01, weights are normal, biases begin at zero, and the padding user and the
padding item are trained on as well.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from recbole.config import Config
from recbole.data import create_dataset, create_samplers
from recbole.data.dataloader import UserDataLoader
from recbole.model.general_recommender import MultiVAE
from recbole.trainer import Trainer

from benchmarks.contestants.training.task import (
    BETA,
    DROPOUT,
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    TrainingTask,
    read_task,
)
from benchmarks.harness.rounds import timed_rounds


def write_atomic_files(folder: Path, train: sp.csr_array) -> None:
    """Write RecBole's own format; the file of items keeps unused items in the catalogue."""
    folder.mkdir()
    rows, items = train.nonzero()
    pairs = "\n".join(f"{row}\t{item}" for row, item in zip(rows, items, strict=True))
    (folder / "task.inter").write_text(f"user_id:token\titem_id:token\n{pairs}\n")
    catalogue = "\n".join(map(str, range(train.shape[1])))
    (folder / "task.item").write_text(f"item_id:token\n{catalogue}\n")


def configuration(task: TrainingTask, folder: Path) -> Config:
    """The paper's recipe, as far as RecBole has options for it."""
    # RecBole reads the command line as well.
    sys.argv = sys.argv[:1]
    options = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "load_col": {"inter": ["user_id", "item_id"], "item": ["item_id"]},
        "mlp_hidden_size": [HIDDEN],
        # The size of mu and logvar together.
        "latent_dimension": 2 * LATENT,
        "dropout_prob": DROPOUT,
        "anneal_cap": BETA,
        # Its beta is the number of the update divided by this, up to the cap.
        "total_anneal_steps": task.annealing / BETA,
        "learning_rate": LEARNING_RATE,
        "train_batch_size": task.batch_size,
        "train_neg_sample_args": None,
        "eval_args": {"split": {"RS": [1, 0, 0]}, "group_by": None, "order": "RO", "mode": "full"},
        "epochs": 10**9,
        "eval_step": 0,
        "show_progress": False,
    }
    return Config(model="MultiVAE", dataset="task", config_dict=options)


def main() -> None:
    """Serve rounds of one epoch each."""

    class Paused(Trainer):
        """A trainer that stops the clock after each epoch, until the next round."""

        def _train_epoch(self, *arguments: object, **named: object) -> float:
            loss = super()._train_epoch(*arguments, **named)
            if next(clock, "over"):
                sys.exit()
            return loss

    def score(rows: np.ndarray) -> np.ndarray:
        model.eval()
        with torch.no_grad():
            padded = torch.from_numpy(np.pad(rows, ((0, 0), (1, 0)))[:, column])
            scores, _, _ = model(padded)
        return scores.numpy()[:, place]

    clock = timed_rounds(after_each=lambda: task.save_scores(score))
    next(clock)
    task = read_task("recbole")
    logging.disable(logging.WARNING)
    # Warnings about later releases of pandas and PyTorch.
    warnings.simplefilter("ignore", FutureWarning)
    if task.train.shape[0] % task.batch_size == 0:
        # Otherwise the padding user would add one more update.
        task = task._replace(train=task.train[:-1])
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name)
        write_atomic_files(folder / "task", task.train)
        config = configuration(task, folder)
        dataset = create_dataset(config)
        parts = dataset.build()
        sampler, _, _ = create_samplers(config, dataset, parts)
        data = UserDataLoader(config, parts[0], sampler, shuffle=True)
        # RecBole numbers items in its own order, from 1.
        names = dataset.id2token("item_id", np.arange(1, dataset.item_num)).astype(int)
        column = np.append(0, names + 1)
        place = np.argsort(names) + 1
        torch.manual_seed(0)
        model = MultiVAE(config, parts[0])
        Paused(config, model).fit(data, saved=False)


if __name__ == "__main__":
    main()

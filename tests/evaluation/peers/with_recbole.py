"""Fit RecBole's EASE, and write its recommendations from `full_sort_topk`."""

import contextlib
import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import pandas as pd
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import EASE
from recbole.trainer import Trainer
from recbole.utils.case_study import full_sort_topk

CUTOFFS = (5, 10, 20)
OPTIONS = {
    "benchmark_filename": ["train", "valid", "test"],
    "load_col": {"inter": ["user_id", "item_id"]},
    "eval_args": {"group_by": "user", "order": "RO", "mode": "full"},
    "metrics": ["Recall", "NDCG", "MRR", "Hit", "Precision", "MAP"],
    "topk": list(CUTOFFS),
    "valid_metric": "NDCG@10",
    "metric_decimal_place": 9,
    "reg_weight": 20.0,
    "train_neg_sample_args": None,
    "show_progress": False,
}


def fitted(folder: Path, work: Path):
    """A fitted model, its test data, and its trainer."""
    (work / "small").mkdir()
    for part in ("train", "valid", "test"):
        rows = pd.read_csv(folder / f"{part}.csv", dtype=str)
        rows.columns = ["user_id:token", "item_id:token"]
        rows.to_csv(work / "small" / f"small.{part}.inter", sep="\t", index=False)
    # RecBole reads the command line as well.
    sys.argv = sys.argv[:1]
    options = {**OPTIONS, "data_path": str(work), "checkpoint_dir": str(work / "saved")}
    config = Config(model="EASE", dataset="small", config_dict=options)
    train, _, test = data_preparation(config, create_dataset(config))
    model = EASE(config, train.dataset)
    return model, train, test, Trainer(config, model)


def main(folder: Path) -> None:
    """Write recbole.jsonl, recbole.run and recbole.json."""
    logging.disable(logging.WARNING)
    # Warnings about later releases of pandas and PyTorch.
    warnings.simplefilter("ignore", FutureWarning)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        model, train, test, trainer = fitted(folder, Path(name))
        trainer.fit(train, saved=False)
        metrics = trainer.evaluate(test, load_best_model=False)
        users = test.uid_list
        scores, items = full_sort_topk(users, model, test, k=max(CUTOFFS))
    names = test.dataset.id2token("user_id", users), test.dataset.id2token("item_id", items)
    lists = pd.DataFrame({"user": names[0], "items": names[1].tolist(), "scores": scores.tolist()})
    lists.to_json(folder / "recbole.jsonl", orient="records", lines=True, double_precision=9)
    with (folder / "recbole.run").open("w") as file:
        for row in lists.itertuples():
            for rank, (item, score) in enumerate(zip(row.items, row.scores, strict=True)):
                print(row.user, "Q0", item, rank, score, "recbole-ease", file=file)
    found = {name: float(value) for name, value in metrics.items()}
    (folder / "recbole.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

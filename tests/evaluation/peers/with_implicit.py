"""Train implicit's ALS, and write its recommendations as its users do, with pandas."""

import json
import sys
from pathlib import Path

import implicit
import numpy as np
import pandas as pd
from implicit.evaluation import ranking_metrics_at_k
from scipy.sparse import csr_matrix

N = 20


def main(folder: Path) -> None:
    """Write implicit.csv, implicit.parquet and implicit.json."""
    train = pd.concat([pd.read_csv(folder / name) for name in ("train.csv", "valid.csv")])
    test = pd.read_csv(folder / "test.csv")
    both = pd.concat([train, test])
    users, items = (np.unique(both[column]) for column in ("user_id", "item_id"))

    def matrix(rows: pd.DataFrame) -> csr_matrix:
        pairs = np.searchsorted(users, rows["user_id"]), np.searchsorted(items, rows["item_id"])
        return csr_matrix((np.ones(len(rows), np.float32), pairs), (len(users), len(items)))

    known, wanted = matrix(train), matrix(test)
    model = implicit.als.AlternatingLeastSquares(factors=8, iterations=5, random_state=0)
    model.fit(known, show_progress=False)
    ids, scores = model.recommend(np.arange(len(users)), known, N=N)

    lists = pd.DataFrame({"user_id": users, "item_id": list(items[ids]), "score": list(scores)})
    lists.to_parquet(folder / "implicit.parquet")
    lists.explode(["item_id", "score"]).to_csv(folder / "implicit.csv", index=False)
    metrics = {
        k: ranking_metrics_at_k(model, known, wanted, K=k, show_progress=False) for k in (5, 10, 20)
    }
    (folder / "implicit.json").write_text(json.dumps(metrics, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

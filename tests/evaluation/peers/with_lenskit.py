"""Train LensKit's item kNN, and write its recommendations in its native layout of Parquet."""

import json
import sys
from pathlib import Path

import pandas as pd
from lenskit.batch import recommend
from lenskit.data import ItemListCollection, UserIDKey, from_interactions_df
from lenskit.knn import ItemKNNScorer
from lenskit.metrics import Hit, Precision, Recall, RecipRank, RunAnalysis
from lenskit.pipeline import topn_pipeline

CUTOFFS = (5, 10, 20)
METRICS = {"recall": Recall, "mrr": RecipRank, "precision": Precision, "hit": Hit}
"""Its NDCG discounts the second rank no more than the first, and is left out."""


def main(folder: Path) -> None:
    """Write lenskit.parquet and lenskit.json."""
    train = pd.concat([pd.read_csv(folder / name) for name in ("train.csv", "valid.csv")])
    test = pd.read_csv(folder / "test.csv")
    pipeline = topn_pipeline(ItemKNNScorer(feedback="implicit", max_nbrs=20))
    pipeline.train(from_interactions_df(train))
    lists = recommend(pipeline, test["user_id"].unique(), n=max(CUTOFFS), n_jobs=1)
    lists.save_parquet(folder / "lenskit.parquet")

    analysis = RunAnalysis()
    for k in CUTOFFS:
        for name, metric in METRICS.items():
            analysis.add_metric(metric(k), f"{name}@{k}")
    found = analysis.measure(lists, ItemListCollection.from_df(test, UserIDKey)).list_summary()
    (folder / "lenskit.json").write_text(json.dumps(found["mean"].to_dict(), indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

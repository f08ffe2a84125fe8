"""This program: from a file of ratings to a split, as `multvae train --dataset ml-20m` does it."""

from __future__ import annotations

import json
import sys
import time

from benchmarks.harness.fingerprints import fingerprint
from benchmarks.harness.processes import peak_memory
from multvae_jax.data.interactions import read_interactions
from multvae_jax.data.splits import hold_out_users


def main(path: str, held_out: int) -> None:
    """Prepare, print the times, then the hashes of the result."""
    began = time.perf_counter()
    data = read_interactions(path, min_rating=4, min_user_count=5)
    read = time.perf_counter()
    split = hold_out_users(data, held_out, held_out)
    ended = time.perf_counter()
    stages = {"read and filter": read - began, "split": ended - read}
    print(json.dumps({"stages": stages, "peak": peak_memory()}), flush=True)
    assert split.validation is not None
    parts = {
        "train": split.train,
        "items": split.catalogue.ids,
        "train users": split.user_ids,
    }
    for name, part in (("validation", split.validation), ("test", split.test)):
        parts[f"{name} users"] = part.user_ids
        parts[f"{name} history"] = part.history
        parts[f"{name} targets"] = part.targets
    print(json.dumps({"result": {name: fingerprint(part) for name, part in parts.items()}}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

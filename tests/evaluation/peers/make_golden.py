"""Values of other libraries' metrics on generated lists, for `test_peers.py`.

In an environment of its own, with a checkout of Elliot (https://github.com/sisinflab/elliot):

    pip install rectools ranx ir-measures cwl-eval
    PYTHONPATH=.:PATH/TO/elliot python tests/evaluation/peers/make_golden.py
"""

import json
from importlib import metadata
from pathlib import Path

import numpy as np

from experiments.shared.peers import PEERS, values_of

N_USERS, N_ITEMS, LENGTH, CUTOFFS = 12, 40, 10, (3, 10)


def generated():
    """Training interactions of skewed popularity, and lists and targets of the same users."""
    random = np.random.default_rng(15)
    # Few levels, so that items are equally popular; the last five items have no training user.
    chance = np.where(np.arange(N_ITEMS) < N_ITEMS - 5, 0.8 / (1 + np.arange(N_ITEMS) // 4), 0.0)
    train = random.random((N_USERS, N_ITEMS)) < random.permutation(chance)
    lists, targets = [], []
    for row in train:
        new = random.permutation(np.flatnonzero(~row))
        lists.append(new[:LENGTH].tolist())
        targets.append(
            sorted(random.permutation(new[: LENGTH + 6])[: random.integers(1, 9)].tolist())
        )
    vectors = random.normal(size=(N_ITEMS, 3)).round(2)
    vectors[[3, 4]] = vectors[2]
    return {
        "train": [np.flatnonzero(row).tolist() for row in train],
        "lists": lists,
        "targets": targets,
        "vectors": vectors.tolist(),
    }


def main():
    data = generated()
    values = values_of({**data, "cutoffs": CUTOFFS}, list(PEERS))
    versions = {name: metadata.version(name) for name in ("rectools", "ranx", "ir-measures")}
    lines = [
        f'"versions": {json.dumps(versions)}',
        *(f'"{name}": {json.dumps(rows)}' for name, rows in data.items()),
        '"values": ' + json.dumps(values, indent=1),
    ]
    file = Path(__file__).with_name("golden.json")
    file.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

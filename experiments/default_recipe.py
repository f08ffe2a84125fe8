"""The default recipe and its blend with EDLAE, beside the linear models.

    python -m experiments.default_recipe --dataset ml-100k --seeds 5

53 s on one shared core of an AMD EPYC; NDCG@100 on 93 test users: Mult-VAE .4874, its blend with
EDLAE .4882, EASE .4812.
All data sets: results/default_recipe/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import Options, load_split
from experiments.shared.tables import TableRow
from experiments.shared.training import Tested, fit_and_blend, tested_by_seed
from multvae_jax.evaluation import prepare_users
from multvae_jax.model_selection.blending import GRIDS


def default_recipe(options: Options) -> Iterator[Report]:
    """Mult-VAE by the default recipe, alone and blended, beside EASE and EDLAE."""
    split = load_split(options)
    test = prepare_users(split.test)
    rows: dict[str, TableRow] = {}
    quick: Any = {"grid": {"regularization": (100.0,)}} if options.quick else {}
    for name, grid in (("EASE", {}), ("EDLAE", {"grid": GRIDS["edlae"]})):
        fitted = mv.fit_baseline(name.lower(), split, **{**grid, **quick})
        rows[name] = TableRow([mv.evaluate(fitted.scorer, test)], dict(fitted.constants))
    tests: dict[str, list[Tested]] = {"Mult-VAE": [], "Mult-VAE and EDLAE": []}
    for seed in options.all_seeds:
        pair = fit_and_blend(split, seed, test, options.quick)
        for name, found in zip(tests, pair, strict=True):
            tests[name].append(found)
            rows[name] = tested_by_seed(tests[name])
        yield report_rows(split, rows, options.data_name)


if __name__ == "__main__":
    sys.exit(main(default_recipe))

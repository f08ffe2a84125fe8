"""The default recipe and its blend with EDLAE, beside the linear models.

    python -m experiments.default_recipe --dataset ml-100k --seeds 5

233 s on two shared cores of an AMD EPYC; NDCG@100 on 93 test users: Mult-VAE .4836, its blend
with EDLAE .4902, EASE .4812.
All data sets: results/default_recipe/README.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import jax

import multvae_jax as mv
from experiments.shared.main import Report, main, report_rows
from experiments.shared.options import Options, load_split
from experiments.shared.tables import TableRow
from multvae_jax.blending import GRIDS
from multvae_jax.evaluation import prepare_users
from multvae_jax.host.console import say
from multvae_jax.recipe import SELECT_BY


def default_recipe(options: Options) -> Iterator[Report]:
    """Mult-VAE by the default recipe, alone and blended, beside EASE and EDLAE."""
    split = load_split(options)
    test = prepare_users(split.test)
    rows: dict[str, TableRow] = {}
    quick: Any = {"grid": {"regularization": (100.0,)}} if options.quick else {}
    for name, grid in (("EASE", {}), ("EDLAE", {"grid": GRIDS["edlae"]})):
        fitted = mv.fit_baseline(name.lower(), split, **{**grid, **quick})
        rows[name] = TableRow([mv.evaluate(fitted.scorer, test)], dict(fitted.constants))
    runs: dict[str, list[tuple[mv.Evaluation, dict[str, Any]]]] = {}
    for seed in options.all_seeds:
        began = time.perf_counter()
        length = {"epochs": 2} if options.quick else {}
        run = mv.fit(jax.random.key(seed), mv.mult_vae, split, **length)
        trained = time.perf_counter()
        blended = mv.blend(run)
        ended = time.perf_counter()
        for name, one, seconds in (
            ("Mult-VAE", run, trained - began),
            ("Mult-VAE and EDLAE", blended, ended - began),
        ):
            setting = {
                "best_epoch": run.best_epoch,
                "validation": run.log[run.best_epoch - 1]["validation"][SELECT_BY],
                "seconds": round(seconds, 1),
                **one.constants,
            }
            runs.setdefault(name, []).append((mv.evaluate(one.scorer, test), setting))
            say(f"{name}, seed {seed}: {runs[name][-1][0].mean(SELECT_BY):.4f}, {setting}")
        for name, found in runs.items():
            by_seed = {"by_seed": [setting for _, setting in found]}
            rows[name] = TableRow([evaluation for evaluation, _ in found], by_seed)
        yield report_rows(split, rows, options.data_name)


if __name__ == "__main__":
    sys.exit(main(default_recipe))

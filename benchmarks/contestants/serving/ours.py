"""This program's server, and the same model behind a plain handler, which takes each user alone.

python -m benchmarks.contestants.serving.ours FOLDER (batched | plain)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.contestants.serving.task import HIDDEN, LATENT, LAYERS, K
from multvae_jax.data.types import Catalogue
from multvae_jax.host.programs import keep_programs
from multvae_jax.models import mult_vae
from multvae_jax.recommending.recommender import Recommender
from multvae_jax.runs.run import Run
from multvae_jax.serving.app import make_app
from multvae_jax.serving.messages import Limits
from multvae_jax.serving.model import ServedModel
from multvae_jax.serving.server import bound_socket, run_server


def run_of(folder: Path) -> Run:
    """The model with the weights of the task."""
    found = np.load(folder / "weights.npz")

    def layer(name: str) -> dict[str, Any]:
        return {part: jnp.asarray(found[f"{name}.{part}"]) for part in ("kernel", "bias")}

    first, second, third, last = map(layer, LAYERS)
    network = {
        "encoder": {"layers_0": first, "layers_2": second},
        "decoder": {"layers_0": third, "layers_2": last},
    }
    params = {"network": network, "likelihood": {}, "prior": {}}
    n_items = last["bias"].shape[0]
    ids = np.array([str(item) for item in range(n_items)], object)
    catalogue = Catalogue(ids, np.arange(n_items)[::-1].copy(), {})
    return Run(mult_vae((HIDDEN,), LATENT), params, catalogue, 1, None, [])


def batched(run: Run) -> Starlette:
    """The application of `multvae serve`."""
    model = ServedModel(run, Limits())
    model.warm_up()
    return make_app(model, "benchmark")


def plain(run: Run) -> Starlette:
    """A handler that asks the model for one user."""
    recommender = Recommender(run)
    recommender.warm_up(K)

    async def recommend(request: Request) -> JSONResponse:
        asked = await request.json()
        (found,) = recommender.recommend([asked["history"]], asked["k"])
        scored = zip(found.items, found.scores, strict=True)
        return JSONResponse({"items": [{"item": item, "score": score} for item, score in scored]})

    return Starlette(routes=[Route("/recommend", recommend, methods=["POST"])])


def main(folder: str, kind: str) -> None:
    """Serve until the process is ended, after a line with the port."""
    keep_programs()
    app = {"batched": batched, "plain": plain}[kind](run_of(Path(folder)))
    with bound_socket("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        run_server(app, bound, lambda: print(json.dumps({"port": port}), flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The same network in plain PyTorch behind the same framework, each user alone.

Requests are computed in threads, with one thread of PyTorch for each, which is faster than two
threads of PyTorch for one request at a time.

python -m benchmarks.contestants.serving.pytorch FOLDER
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.contestants.serving.task import HIDDEN, LATENT, LAYERS
from benchmarks.contestants.training.pytorch import MultVAE


def network(folder: Path) -> MultVAE:
    """The network with the weights of the task."""
    found = np.load(folder / "weights.npz")
    model = MultVAE(found["decoder.2.bias"].shape[0], HIDDEN, LATENT)
    state = {}
    for name in LAYERS:
        state[f"{name}.weight"] = torch.from_numpy(found[f"{name}.kernel"].T.copy())
        state[f"{name}.bias"] = torch.from_numpy(found[f"{name}.bias"])
    model.load_state_dict(state)
    return model.eval()


def main(folder: str) -> None:
    """Serve until the process is ended, after a line with the port."""
    model = network(Path(folder))
    n_items = model.decoder[-1].out_features

    torch.set_num_threads(1)

    def answer(asked: dict[str, Any]) -> JSONResponse:
        items = torch.tensor([int(item) for item in asked["history"]])
        x = torch.zeros(1, n_items)
        x[0, items] = 1.0
        with torch.inference_mode():
            logits, _, _ = model(x)
            logits[0, items] = -torch.inf
            scores, best = logits[0].topk(asked["k"])
        found = zip(best.tolist(), scores.tolist(), strict=True)
        return JSONResponse({"items": [{"item": str(i), "score": score} for i, score in found]})

    async def recommend(request: Request) -> JSONResponse:
        return await run_in_threadpool(answer, await request.json())

    app = Starlette(routes=[Route("/recommend", recommend, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    with socket.create_server(("127.0.0.1", 0)) as bound:
        print(json.dumps({"port": bound.getsockname()[1]}), flush=True)
        uvicorn.Server(config).run([bound])


if __name__ == "__main__":
    main(*sys.argv[1:])

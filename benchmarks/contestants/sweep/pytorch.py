"""All settings trained in plain PyTorch, one after the other in one process.

    python -m benchmarks.contestants.sweep.pytorch ARRAYS EPOCHS BATCH_SIZE SETTINGS

`ARRAYS` is an .npz file with the rows and columns of the training interactions, of the validation
users' histories and of their targets. Each epoch is validated: NDCG@100, in dense arrays.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import scipy.sparse as sp
import torch
from torch.nn import functional

from benchmarks.contestants.training.pytorch import MultVAE


def ndcg(model: MultVAE, history: sp.csr_array, targets: sp.csr_array) -> float:
    """Mean NDCG@100 of the validation users."""
    model.eval()
    with torch.no_grad():
        x = torch.from_numpy(history.toarray())
        mu = model.encoder(functional.normalize(x)).chunk(2, dim=1)[0]
        scores = model.decoder(mu).masked_fill(x > 0, -torch.inf)
    items = scores.topk(min(100, scores.shape[1]), dim=1).indices
    wanted = torch.from_numpy(targets.toarray()) > 0
    discounts = 1.0 / torch.log2(torch.arange(items.shape[1]) + 2.0)
    gained = (wanted.gather(1, items) * discounts).sum(dim=1)
    best = discounts.cumsum(0)[(wanted.sum(dim=1) - 1).clamp(0, items.shape[1] - 1)]
    model.train()
    return float((gained / best)[wanted.any(dim=1)].mean())


def main(arrays: str, epochs: str, batch_size: str, settings: str) -> None:
    """Train with each setting."""
    stored = np.load(arrays)
    n_items = int(stored["items"])

    def matrix(name: str) -> sp.csr_array:
        rows, columns = stored[f"{name}_rows"], stored[f"{name}_columns"]
        shape = (int(stored[f"{name}_users"]), n_items)
        return sp.csr_array((np.ones(rows.size, np.float32), (rows, columns)), shape)

    train, history, targets = map(matrix, ("train", "history", "targets"))
    size, seconds = int(batch_size), []
    for setting in json.loads(settings):
        torch.manual_seed(0)
        model = MultVAE(n_items)
        optimizer = torch.optim.Adam(model.parameters(), lr=setting["learning-rate"], fused=True)
        n_batches = -(-train.shape[0] // size)
        updates, annealed = 0, int(epochs) * n_batches / 2
        for epoch in range(int(epochs)):
            began = time.perf_counter()
            for users in np.array_split(torch.randperm(train.shape[0]).numpy(), n_batches):
                x = torch.from_numpy(train[users].toarray())
                logits, mu, logvar = model(x)
                log_p = (functional.log_softmax(logits, dim=1) * x).sum(dim=1).mean()
                kl = 0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1).mean()
                beta = setting["beta-cap"] * min(1.0, updates / annealed)
                optimizer.zero_grad()
                (beta * kl - log_p).backward()
                optimizer.step()
                updates += 1
            value = ndcg(model, history, targets)
            if epoch:
                seconds.append(time.perf_counter() - began)
    print(json.dumps({"epoch_seconds": seconds, "ndcg@100": value}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The same recipe in plain PyTorch: dense batches, fused Adam."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.contestants.training.task import (
    BETA,
    DROPOUT,
    HIDDEN,
    LATENT,
    LEARNING_RATE,
    TrainingTask,
    read_task,
)
from benchmarks.harness.rounds import serve_rounds


class MultVAE(nn.Module):
    """I-600-200-600-I with dropout on the normalized input and tanh between the layers."""

    def __init__(self, items: int, hidden: int = HIDDEN, latent: int = LATENT):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(items, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, items))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.trunc_normal_(module.bias, std=0.001, a=-0.002, b=0.002)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits, mu and logvar of a batch of dense rows."""
        h = functional.dropout(functional.normalize(x), DROPOUT, self.training)
        mu, logvar = self.encoder(h).chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar) if self.training else mu
        return self.decoder(z), mu, logvar


def negative_elbo(
    model: MultVAE, x: torch.Tensor, beta: float | torch.Tensor, precision: str
) -> torch.Tensor:
    """The loss of a batch of dense rows."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits, mu, logvar = model(x)
    log_p = (functional.log_softmax(logits.float(), dim=1) * x).sum(dim=1).mean()
    kl = 0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1).mean()
    return beta * kl - log_p


def prepare(task: TrainingTask) -> tuple[MultVAE, Callable[[], None]]:
    """The model, and a function that trains for one more epoch, in a new order."""
    torch.manual_seed(0)
    model = MultVAE(task.train.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    updates = 0

    def work() -> None:
        nonlocal updates
        model.train()
        for users in torch.randperm(task.train.shape[0]).split(task.batch_size):
            x = torch.from_numpy(task.train[users.numpy()].toarray())
            beta = BETA * min(1.0, updates / task.annealing)
            optimizer.zero_grad()
            negative_elbo(model, x, beta, task.precision).backward()
            optimizer.step()
            updates += 1

    return model, work


def main() -> None:
    """Serve rounds of one epoch each."""
    task = read_task("pytorch")
    model, work = prepare(task)

    def score(rows: np.ndarray) -> np.ndarray:
        model.eval()
        with torch.no_grad():
            return model(torch.from_numpy(rows))[0].numpy()

    serve_rounds(work, after_each=lambda: task.save_scores(score))


if __name__ == "__main__":
    main()

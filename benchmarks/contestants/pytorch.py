"""The same recipe as a PyTorch user would write it: dense input, fused Adam."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from benchmarks.alternating import serve
from benchmarks.data import histories


class MultVAE(nn.Module):
    """I-600-200-600-I with dropout on the normalized input and tanh between the layers."""

    def __init__(self, items: int, hidden: int = 600, latent: int = 200):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(items, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, items))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.trunc_normal_(module.bias, std=0.001)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits, mu and logvar of a batch of dense rows."""
        h = functional.dropout(functional.normalize(x), 0.5, self.training)
        mu, logvar = self.encoder(h).chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return self.decoder(z), mu, logvar


def prepare(batch_size: int, batches: int, precision: str) -> Callable[[], None]:
    """An epoch over `batches` batches of ML-20M-shaped users."""
    matrix = histories(batch_size * batches)
    torch.manual_seed(0)
    model = MultVAE(matrix.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    order = torch.randperm(matrix.shape[0]).numpy().reshape(batches, batch_size)
    updates = 0

    def work() -> None:
        nonlocal updates
        for users in order:
            x = torch.from_numpy(matrix[users].toarray())
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                logits, mu, logvar = model(x)
            log_p = (functional.log_softmax(logits.float(), dim=1) * x).sum(dim=1).mean()
            kl = 0.5 * (logvar.exp() + mu**2 - 1 - logvar).sum(dim=1).mean()
            beta = min(0.2, updates / 200_000)
            optimizer.zero_grad()
            (beta * kl - log_p).backward()
            optimizer.step()
            updates += 1

    return work


if __name__ == "__main__":
    size, count = map(int, sys.argv[1:3])
    serve(lambda: prepare(size, count, sys.argv[3]))

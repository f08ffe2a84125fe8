"""`python -m benchmarks QUESTION [OPTIONS]` runs a benchmark and prints its table."""

from __future__ import annotations

import importlib
import sys

from multvae_jax.errors import InputError

QUESTIONS = {
    "counters": "FLOPs, bytes and memory of a compiled update, against the analytic minimum",
    "roofline": "time of an update, against the machine's own matrix products and memory",
    "growth": "growth of time and memory with users, items, interactions and other sizes",
    "scaling": "users per second and memory per device on 1 to 64 devices, from a compiled update",
    "estimate": "memory and time by `multvae estimate`, against those of the training",
    "preparation": "a file of 20 million ratings to a split, against pandas",
    "startup": "seconds to an import, a help page and the first update",
    "streaming": "users per second from a store of histories, and its memory",
    "training": "users per second in training, against PyTorch, RecBole and Cornac",
    "evaluation": "users ranked and measured per second, against numpy and RecBole",
    "quality_over_time": "validation NDCG@100 over time, against PyTorch, RecBole and Cornac",
    "requests": "memory, programs and latency over 100,000 requests to a Recommender",
    "checkpoints": "share of the training time that checkpoints take",
    "accelerator": "speed of everything on a GPU or a TPU, against its roofline and PyTorch",
    "serving": "latency and throughput over HTTP, against each request alone and PyTorch",
    "large_catalogue": "memory and loss of an epoch over a million items, in blocks of them",
    "sweep": "sixteen settings as one program, against sixteen runs and PyTorch",
}


def listing() -> str:
    """All questions, one per line."""
    lines = [f"  {name:18} {question}" for name, question in QUESTIONS.items()]
    return "\n".join(
        ["usage: python -m benchmarks QUESTION [OPTIONS]", "", *lines, "", "--help shows options"]
    )


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names.

    Returns:
        The exit status: 0, or 2 with a message on standard error if an argument cannot be used.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(listing())
        return 0
    name, *words = arguments
    if name not in QUESTIONS:
        print(f"{name}: not a question\n\n{listing()}", file=sys.stderr)
        return 2
    from benchmarks.harness.runner import run_question

    try:
        run_question(importlib.import_module(f"benchmarks.{name}"), words)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

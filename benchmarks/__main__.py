"""`python -m benchmarks NAME [OPTIONS]`: run one benchmark; its table goes to the output."""

from __future__ import annotations

import importlib
import sys

QUESTIONS = {
    "counters": "FLOPs, bytes and memory of a compiled update, against the analytic minimum",
    "scaling": "how time and memory grow with users, items, interactions and the rest",
    "members": "counters of the updates of many members side by side, against one member's",
    "preparation": "a 20-million-row file of ratings to a split, against pandas",
    "roofline": "an update against the floor that the machine's own products and memory set",
    "startup": "seconds to an import, a help page and the first update",
    "sweep": "sixteen settings as one program, against sixteen runs",
    "training": "users per second in training, against RecBole, Cornac and PyTorch in the same run",
    "evaluation": "users ranked and measured per second, against numpy and RecBole",
    "quality_over_time": "validation NDCG@100 against wall-clock, of all contestants of training",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark that the first argument names."""
    if not arguments or arguments[0] not in QUESTIONS:
        for name, question in QUESTIONS.items():
            print(f"python -m benchmarks {name:17} {question}")
        return 2 if arguments else 0
    importlib.import_module(f"benchmarks.{arguments[0]}").main(arguments[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

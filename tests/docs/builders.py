"""The blocks of code in the pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name):
    """Language, file and text of each block of a document."""
    return FENCE.findall((ROOT / name).read_text(encoding="utf-8"))

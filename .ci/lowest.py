"""Print constraints that hold every dependency at the lowest version that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
names = ("export", "optuna", "serve", "tensorboard", "test")
tested = [requirement for name in names for requirement in extras[name]]
for requirement in [*project["dependencies"], *tested]:
    if found := re.match(r"([\w.-]+)(?:\[\w+\])?>=([\w.]+)", requirement):
        print(f"{found[1]}=={found[2]}")

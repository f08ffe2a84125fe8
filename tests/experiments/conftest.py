"""The data that the experiments share."""

from pathlib import Path

import pytest

from tests.experiments.builders import write_ratings


@pytest.fixture(scope="session")
def ratings(tmp_path_factory) -> Path:
    return write_ratings(tmp_path_factory.mktemp("experiments") / "tastes.csv")

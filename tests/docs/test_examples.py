"""The programs in `examples/` run, and print what they are for."""

import re
import runpy

import pytest

from tests.builders import write_ratings
from tests.docs.builders import ROOT

# Not under strict promotion: these are programs of a user's own.
pytestmark = pytest.mark.updates

PRINTS = {
    "recommend_from_csv.py": r"to somebody with \['\d+', '\d+'\]: \[('\d+'(, )?){5}\]",
    "own_loss.py": r"bpr: 0\.\d{4}\nmultinomial: 0\.\d{4}",
    "compare_models.py": r"mult-vae",
    "frame_to_frame.py": r"shape: \(180, \d\)",
}


def test_every_example_is_tested_and_listed():
    files = {path.name for path in (ROOT / "examples").glob("*.py")}
    assert files == set(PRINTS)
    listed = re.findall(
        r"^\| \[([\w.]+)\]", (ROOT / "examples/README.md").read_text(), re.MULTILINE
    )
    assert set(listed) == files


@pytest.mark.parametrize("name", PRINTS)
def test_an_example_prints_what_it_is_for(name, tmp_path, capsys):
    ratings = write_ratings(tmp_path / "ratings.csv", n_users=60)
    runpy.run_path(str(ROOT / "examples" / name))["main"](ratings, epochs=1)
    assert re.search(PRINTS[name], capsys.readouterr().out)

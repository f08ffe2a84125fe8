"""Leave-one-out: the last item among sampled candidates and among all items."""

import pytest

from experiments import leave_one_out
from experiments.shared.main import main
from tests.experiments.builders import cell_of, read, run_quick


@pytest.mark.updates
def test_the_last_item_is_found_among_candidates_and_among_all(ratings, tmp_path, monkeypatch):
    for curve in ("CURVE", "SAMPLED_CURVE"):
        monkeypatch.setattr(leave_one_out, curve, (5, 10))
    assert run_quick(leave_one_out.leave_one_out, ratings, tmp_path, "--seeds", "1") == 0
    results, table = read(tmp_path / "leave_one_out" / "tastes-quick")
    assert list(table) == ["Mult-VAE", "Mult-DAE", "EASE", "popularity"]
    assert results["last"] == "drawn: the data has no times"
    assert results["training_users"] == results["test_users"] == 80
    for row in results["rows"]:
        numbers = row["metrics"]
        columns = {"HR@10 of 101": "hr@10 of 101", "NDCG@10": "ndcg@10", "HR@10": "hr@10"}
        for heading, metric in columns.items():
            assert table[row["name"]][heading] == cell_of(numbers[metric])
        # 60 items in all, so that all are candidates.
        assert numbers["hr@10 of 101"]["mean"] == pytest.approx(numbers["hr@10"]["mean"])
    found = {row["name"]: row["metrics"]["hr@10"]["mean"] for row in results["rows"]}
    assert found["EASE"] > found["popularity"] + 0.1, found


def test_leave_one_out_takes_a_single_file_of_interactions(tmp_path, capsys):
    part = tmp_path / "part.txt"
    part.write_text("1 2 3\n2 3 4\n")
    arguments = ["--train", str(part), "--test", str(part), "--out", str(tmp_path)]
    assert main(leave_one_out.leave_one_out, arguments=arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "comes as a split" in line

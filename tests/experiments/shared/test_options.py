"""The options of an experiment: the kind of split."""

import pytest

import multvae_jax as mv
from experiments.shared.options import Options, complete, load_split
from multvae_jax.config.flags import SourceFlags, SplitFlags
from multvae_jax.config.unions import TimeSplit


def test_an_experiment_takes_a_split_by_time_and_keeps_its_results_apart(tmp_path):
    file = tmp_path / "dated.csv"
    rows = [f"{u},{i},{(i + u) % 12}" for u in range(12) for i in range(12)]
    file.write_text("user,item,time\n" + "\n".join(rows) + "\n")
    source = SourceFlags(data=(str(file),))
    options = complete(Options(source=source, split=SplitFlags("time", test_share=0.2)))
    assert options.data.split == TimeSplit(0.2)
    assert options.folder("main_table").name == "dated-time"
    assert complete(Options(source=source)).folder("main_table").name == "dated"
    assert load_split(options).notes[-1].startswith("split by time: trained on ")
    with pytest.raises(mv.InputError, match=r"^--folds: an experiment has one split$"):
        complete(Options(source=source, split=SplitFlags(folds=3)))

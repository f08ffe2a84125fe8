"""`--hidden none`: no hidden layer, in every place where widths are given."""

import json

import pytest
import tyro

from experiments.shared.options import Options, complete
from multvae_jax.config.convert import from_json, to_json
from multvae_jax.config.flags import TrainFlags
from multvae_jax.config.options import ModelOptions, TrainConfig
from multvae_jax.errors import InputError
from multvae_jax.sweeps.report import as_text
from multvae_jax.sweeps.space import Values, read_space

MARKS = (tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone)


def given(*words: str, file: ModelOptions | None = None) -> ModelOptions:
    """The options of the model that a command line gives over those of a file."""
    config = TrainConfig(model=file or ModelOptions())
    flags = tyro.cli(TrainFlags, args=words, default=TrainFlags(model=config.model), config=MARKS)
    return flags.over(config).model


def test_none_is_no_layer_and_unset_is_the_models_own():
    assert given("--hidden", "none").hidden == ()
    assert given("--hidden", "600", "200").hidden == (600, 200)
    assert given().hidden is None
    assert given(file=ModelOptions(hidden=())).hidden == ()
    assert given("--hidden", "7", file=ModelOptions(hidden=())).hidden == (7,)


@pytest.mark.parametrize("words", [[], ["None"], ["600", "none"], ["6.5"], [""]])
def test_what_is_not_a_width_is_refused_with_what_to_write(words):
    with pytest.raises(InputError, match=r"^--hidden: .* or --hidden none for no layer$"):
        given("--hidden", *words)


@pytest.mark.parametrize("written", ['"none"', '["none"]', "[]"])
def test_a_file_of_options_has_none_and_keeps_an_empty_list(written):
    config = from_json(f'{{"model": {{"hidden": {written}}}}}'.encode(), TrainConfig)
    assert config.model.hidden == ()
    assert json.loads(to_json(config))["model"]["hidden"] == []


def test_a_sweep_varies_the_number_of_layers():
    assert read_space([("hidden", "none", "600", "600,200")]) == {
        "hidden": Values(((), (600,), (600, 200)))
    }
    assert [as_text(widths) for widths in ((), (600,), [600, 200])] == ["none", "600", "600,200"]
    with pytest.raises(InputError, match="--vary hidden 600,none: "):
        read_space([("hidden", "600,none")])


def test_experiments_take_none_too():
    def hidden(*words: str):
        return complete(tyro.cli(Options, args=words, config=MARKS)).hidden

    assert hidden() == (600,)
    assert hidden("--hidden", "none") == ()
    with pytest.raises(InputError, match=r"--hidden none for no layer$"):
        hidden("--hidden")

"""Functions and values by name: plain names, and those of a user's own file."""

import jax
import pytest

from multvae_jax.config.user_functions import Vocabulary, error_in_user_file
from multvae_jax.config.vocabulary import ACTIVATION, LIKELIHOOD, NETWORK, OPTIMIZER
from multvae_jax.errors import InputError
from multvae_jax.likelihoods import Likelihood, gaussian


def message_of(vocabulary, name):
    with pytest.raises(InputError) as caught:
        vocabulary.find(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_name_is_plain_or_of_a_file_or_of_a_module(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def twice(x):\n    return 2 * x\n")
    assert ACTIVATION.find("tanh") is jax.nn.tanh
    assert ACTIVATION.find(f"{own}:twice")(3) == 6
    assert ACTIVATION.find("jax.numpy:sin")(0.0) == 0.0
    assert LIKELIHOOD.find("gaussian") is gaussian


def test_a_hyphen_and_an_underscore_are_the_same():
    words = Vocabulary("--model", "model", {"mult-vae": 1, "standard_normal": 2})
    assert [words.find(name) for name in ("mult-vae", "mult_vae", "standard-normal")] == [1, 1, 2]


def test_a_typo_lists_the_plain_names_the_closest_first():
    assert message_of(LIKELIHOOD, "multinomal") == (
        "--likelihood multinomal: no such likelihood; did you mean multinomial? "
        "There are: multinomial, logistic, gaussian, poisson, or my_file.py:name"
    )
    assert message_of(LIKELIHOOD, "gausian").split("There are: ")[1] == (
        "gaussian, multinomial, logistic, poisson, or my_file.py:name"
    )
    assert message_of(LIKELIHOOD, "zzz") == (
        "--likelihood zzz: no such likelihood. "
        "There are: multinomial, logistic, gaussian, poisson, or my_file.py:name"
    )
    # Of many names, the closest are listed.
    listed = message_of(OPTIMIZER, "adm").split("There are: ")[1]
    assert listed.startswith("adam, ")
    assert listed.endswith(", ..., or my_file.py:name")
    assert len(listed.split(", ")) == 14


OWN = """
from __future__ import annotations
import os
from functools import partial
import jax.numpy as jnp
from multvae_jax import Likelihood
from multvae_jax.likelihoods import gaussian, multinomial

_hidden = 1
value = multinomial()
def focal(): return gaussian()
named = partial(gaussian, c1=2.0)
class Kept: pass
"""


def test_a_typo_in_a_file_lists_what_the_file_defines(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    assert message_of(LIKELIHOOD, f"{own}:focl") == (
        f"--likelihood {own}:focl: there is no 'focl' in {own}; did you mean focal? "
        "There are: focal, value, named, Kept"
    )
    # What the file imports can be named, and is not listed.
    assert LIKELIHOOD.find(f"{own}:multinomial")
    assert "did you mean" not in message_of(LIKELIHOOD, f"{own}:_hidden")
    own.write_text("import os\n")
    assert message_of(LIKELIHOOD, f"{own}:focal") == (
        f"--likelihood {own}:focal: there is no 'focal' in {own}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere\n", "--activation {}: ModuleNotFoundError: No module named"),
        ("def twice(\n", "--activation {}: SyntaxError: '(' was never closed"),
        ("import sys\n\nsys.exit(3)\n", "--activation {}: SystemExit: 3 (line 3)"),
        (None, "--activation {}: no such file"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_line(text, message, tmp_path):
    own = tmp_path / "own.py"
    if text is not None:
        own.write_text(text)
    assert message_of(ACTIVATION, f"{own}:twice").startswith(message.format(own))


def test_a_function_is_called_and_its_result_is_checked():
    made = LIKELIHOOD.call("gaussian", Likelihood, gaussian, c1=3.0)
    assert made.constants["c1"] == 3.0
    for function, message in (
        (lambda: 3, "returns an int, not a Likelihood"),
        (7, "is an int, not a Likelihood or a function that returns one"),
        (lambda c0: c0, "TypeError: "),
        (exit, "SystemExit"),
    ):
        with pytest.raises(InputError) as caught:
            LIKELIHOOD.call("x.py:mine", Likelihood, function)
        assert str(caught.value).startswith(f"--likelihood x.py:mine: {message}")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file that imports the one beside it, by a relative path."""
    (tmp_path / "own.py").write_text("from beside import WIDTH\ndef network(): return WIDTH\n")
    (tmp_path / "beside.py").write_text("WIDTH = 6\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.py"


def test_an_edited_file_is_read_anew_and_an_unedited_one_is_not(own):
    one, same = (NETWORK.find("own.py:network") for _ in range(2))
    assert one is same
    assert one() == 6
    own.write_text("def network(): return 7\n")
    assert NETWORK.find("own.py:network")() == 7


def test_a_file_that_fails_to_load_can_be_corrected(own):
    text = own.read_text()
    own.write_text(text + "raise RuntimeError\n")
    for _ in range(2):
        assert message_of(NETWORK, "own.py:network") == "--network own.py: RuntimeError (line 3)"
    own.write_text(text)
    assert NETWORK.find("own.py:network")() == 6


def test_an_error_names_the_last_line_of_a_users_file(own):
    own.write_text("def network():\n    return {}['a']\n")
    with pytest.raises(KeyError) as caught:
        NETWORK.find("own.py:network")()
    assert error_in_user_file(caught.value) == f"{own}:2: KeyError: 'a'"
    assert error_in_user_file(ValueError("elsewhere")) is None

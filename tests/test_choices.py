"""From options to values."""

import jax
import pytest

from multvae_jax.choices import batch_size, build_beta, build_optimizer, find
from multvae_jax.config import Training
from multvae_jax.errors import InputError


@pytest.mark.parametrize(
    ("n_users", "size"), [(1, 1), (9, 1), (483, 49), (4834, 484), (5000, 500), (116_677, 499)]
)
def test_batches_are_even_at_most_500_and_at_least_ten(n_users, size):
    assert batch_size(Training(), n_users) == size
    last = n_users % size or size
    assert n_users <= 10 or last >= size / 2 or n_users < 500
    assert batch_size(Training(batch_size=7), n_users) == 7


@pytest.mark.parametrize(
    ("training", "step", "beta"),
    [
        (Training(anneal_steps=200_000), 0, 0.0),
        (Training(anneal_steps=200_000), 20_000, 0.1),
        (Training(anneal_steps=200_000), 40_000, 0.2),
        (Training(anneal_steps=200_000), 200_000, 0.2),
        # 5,000 users, ten updates an epoch: the cap is reached at update 500 of 1,000.
        (Training(), 250, 0.1),
        (Training(), 500, 0.2),
        (Training(anneal_share=0.1, beta_cap=1.0), 50, 0.5),
        (Training(beta_cap=0.0, anneal_steps=10), 3, 0.0),
    ],
)
def test_beta_in_steps_as_the_paper_or_as_a_share_of_the_run(training, step, beta):
    assert float(build_beta(training, 5000)(step)) == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def mine(cap):\n    return lambda step: cap\n", "TypeError: mine() takes 1"),
        ("def mine(cap, updates):\n    return cap\n", "TypeError: 'float' object is not callable"),
        ("def mine(cap, updates):\n    return lambda step: step.no\n", "AttributeError: "),
        (
            "def mine(cap, updates):\n    return lambda step: step[None]\n",
            "gives the shape (1,), not a number",
        ),
    ],
)
def test_what_is_no_schedule_is_refused(text, message, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(text)
    with pytest.raises(InputError) as caught:
        build_beta(Training(beta=f"{own}:mine"), 10)
    assert str(caught.value).startswith(f"--beta {own}:mine: {message}")


def test_a_plain_name_is_a_function_of_its_home_and_a_path_one_of_ones_own(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def twice(x):\n    return 2 * x\n")
    assert find("--activation", "tanh", "jax.nn") is jax.nn.tanh
    assert find("--activation", f"{own}:twice", "jax.nn")(3) == 6
    assert find("--activation", "jax.numpy:sin", "jax.nn")(0.0) == 0.0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("{}:thrice", "", "--activation {}:thrice: there is no function 'thrice' in {}"),
        ("{}:twice", "twice = 2\n", "--activation {}:twice: there is no function 'twice' in {}"),
        ("{}:twice", "import nowhere\n", "--activation {}: ModuleNotFoundError: No module named"),
        ("{}:twice", "def twice(\n", "--activation {}: SyntaxError: '(' was never closed"),
    ],
)
def test_what_is_wrong_with_a_file_of_ones_own_is_one_line(name, text, message, tmp_path):
    own = tmp_path / "own.py"
    own.write_text(text)
    with pytest.raises(InputError) as caught:
        find("--activation", name.format(own), "jax.nn")
    assert str(caught.value).startswith(message.format(own, own))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no_such", "linear_schedule", "chain", "_adam"])
def test_what_is_no_optimizer_is_refused(name):
    with pytest.raises(InputError, match=f"^--optimizer {name}: "):
        build_optimizer(Training(optimizer=name))

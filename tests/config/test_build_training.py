"""From options to optimizers, schedules and batch sizes."""

import numpy as np
import pytest

from multvae_jax.config.build_training import batch_size, build_beta, build_measure, build_optimizer
from multvae_jax.config.options import TrainingOptions
from multvae_jax.config.unions import AnnealShare, AnnealSteps
from multvae_jax.errors import InputError


@pytest.mark.parametrize(
    ("n_users", "size"), [(1, 1), (9, 1), (483, 49), (4834, 484), (5000, 500), (116_677, 499)]
)
def test_batches_are_even_at_most_500_and_at_least_ten(n_users, size):
    assert batch_size(TrainingOptions(), n_users) == size
    last = n_users % size or size
    assert n_users <= 10 or last >= size / 2 or n_users < 500
    assert batch_size(TrainingOptions(batch_size=7), n_users) == 7


@pytest.mark.parametrize(
    ("training", "step", "beta"),
    [
        (TrainingOptions(rise=AnnealSteps(200_000)), 0, 0.0),
        (TrainingOptions(rise=AnnealSteps(200_000)), 20_000, 0.1),
        (TrainingOptions(rise=AnnealSteps(200_000)), 40_000, 0.2),
        (TrainingOptions(rise=AnnealSteps(200_000)), 200_000, 0.2),
        # 5,000 users, ten updates an epoch: the cap is reached at update 500 of 1,000.
        (TrainingOptions(), 250, 0.1),
        (TrainingOptions(), 500, 0.2),
        (TrainingOptions(rise=AnnealShare(0.1), beta_cap=1.0), 50, 0.5),
        (TrainingOptions(beta_cap=0.0, rise=AnnealSteps(10)), 3, 0.0),
    ],
)
def test_beta_in_steps_as_the_paper_or_as_a_share_of_the_run(training, step, beta):
    assert float(build_beta(training, 5000)(step)) == pytest.approx(beta, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def mine(cap, updates, slope):\n    return 1\n", "TypeError: mine() missing 1"),
        ("mine = 0.2\n", "is a float, not a function"),
        ("def mine(cap, updates):\n    return cap\n", "returns a float, not a function"),
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
        build_beta(TrainingOptions(beta=f"{own}:mine"), 10)
    assert str(caught.value).startswith(f"--beta {own}:mine: {message}")


@pytest.mark.parametrize(
    "name", ["no_such", "linear_schedule", "clip", "_adam", "optax:clip", "optax:lbfgs"]
)
def test_what_is_no_optimizer_is_refused(name):
    with pytest.raises(InputError, match=f"^--optimizer {name}: "):
        build_optimizer(TrainingOptions(optimizer=name), updates=10)


def test_the_measure_of_the_options(tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def mine(params, gradient, updates):\n return {'rate': updates / gradient}\n")
    assert build_measure(TrainingOptions()) is None
    assert build_measure(TrainingOptions(measure=f"{own}:mine"))(0, 4.0, 1.0) == {"rate": 0.25}
    norms = build_measure(TrainingOptions(measure="norms"))
    found = norms({}, {"a": np.array([3.0]), "b": np.array([4.0])}, {"a": np.array([-2.0])})
    assert {name: float(norm) for name, norm in found.items()} == {
        "gradient_norm": 5.0,
        "step_norm": 2.0,
    }
    own.write_text("mine = 3\ndef two(params, gradient):\n    return {}\n")
    for name, message in (
        (f"{own}:mine", "measure: of type int; use a function of (params, gradient, updates)"),
        (f"{own}:two", "measure: it must be a function of (params, gradient, updates)"),
        ("norm", "no such measure; did you mean norms?"),
    ):
        with pytest.raises(InputError) as caught:
            build_measure(TrainingOptions(measure=name))
        assert str(caught.value).startswith(f"--measure {name}: {message}")

"""The public names: what `multvae_jax` offers, what has moved, and what an import costs."""

import importlib.metadata
import re
import subprocess
import sys
import types
import warnings

import pytest

import multvae_jax as mv
from multvae_jax.moved_names import NEW_PLACES

# Every name of the release before the rooms.
BEFORE = re.findall(
    r"\w+",
    """
Batch BetaSearch Catalogue Evaluation Head HeldOut Histories Hyper InputError Interactions
Layout Likelihood Loss Member Metric Model Network NetworkFactory Outcome Params Posterior
Prior Recommendation Run Scorer Split Theta TrainState UserHistories at_cutoffs at_once bag
constant dae denoising denoising_mlp dense dense_log_likelihood dense_rows drop ease
empty_batch evaluate fit from_functions from_nnx gaussian given_split hold_out_interactions
hold_out_users in_blocks in_turn init_state item_knn kl_from_standard_normal leave_one_out
linear_annealing log_likelihood logistic logsumexp make_epoch make_train_step
mean_over_users measure mult_dae mult_vae multinomial negative_elbo normalize poisson
popularity prepare product product_in read_given_split read_histories read_interactions
recommend sample sampled scorer search_beta sharded standard_normal sum_of_squared_weights
sum_per_user sweep testing theta_of to_device totals user_keys vae variational_mlp
vectorized wmf
""",
)

WANTED = re.findall(
    r"\w+",
    """
fit evaluate recommend sweep load_dataset load_split load_run read_interactions hold_out_users
leave_one_out mult_vae mult_dae vae dae Likelihood Prior Network Model Metric Run Split Interactions
likelihoods schedules ops metrics baselines significance sweeps networks objectives testing
""",
)


@pytest.mark.parametrize("name", BEFORE)
def test_every_name_of_the_release_before_still_works(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = getattr(mv, name)
    assert callable(found) or name in ("testing", "Params", "Theta", "Hyper")
    if name in mv.__all__:
        assert caught == []
    else:
        (warning,) = caught
        assert warning.category is DeprecationWarning
        new = str(warning.message).partition(f"multvae_jax.{name} has moved to multvae_jax.")[2]
        assert eval(f"mv.{new.partition(';')[0]}") is found


def test_the_warning_points_at_the_line_that_uses_the_name():
    program = "import multvae_jax as mv\nmv.bag"
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "DeprecationWarning: multvae_jax.bag has moved to multvae_jax.ops.embedding_bag; "
        "the old name will be removed in 0.3"
    )


def test_what_has_moved_is_neither_public_nor_listed():
    assert set(NEW_PLACES) == set(BEFORE) - set(mv.__all__)
    assert not set(NEW_PLACES) & set(dir(mv))


@pytest.mark.parametrize("name", WANTED)
def test_a_wanted_name_is_at_the_top(name):
    assert name in dir(mv)
    assert getattr(mv, name) is not None


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        mv.no_such_name  # noqa: B018


def test_a_function_of_ops_is_not_hidden_by_its_module():
    program = (
        "import multvae_jax.ops.embedding_bag, multvae_jax.baselines.ease\n"
        "from multvae_jax import baselines, ops\n"
        "print(callable(ops.embedding_bag), callable(ops.matmul), callable(baselines.ease))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["True"] * 3, done.stderr


def test_a_module_of_a_room_is_found_before_anything_has_imported_it():
    modules = {name: getattr(mv, name) for name in mv.__all__}
    names = [
        name
        for name, module in modules.items()
        if isinstance(module, types.ModuleType) and module.__name__ != f"multvae_jax.{name}"
    ]
    program = f"import multvae_jax as mv\nfor name in {names}: print(getattr(mv, name).__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [modules[name].__name__ for name in names], done.stderr
    assert "scoring" in names


def test_importing_the_package_imports_neither_jax_nor_a_reader():
    program = (
        "import sys, multvae_jax; print(*{'jax', 'polars', 'rich', 'tyro'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_the_version_is_that_of_the_installed_package():
    assert mv.__version__ == importlib.metadata.version("multvae-jax")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_the_package_runs_as_a_module(arguments):
    command = [sys.executable, "-m", "multvae_jax", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    shown = {"--help": "usage: multvae ", "--version": f"multvae {mv.__version__}"}
    assert done.stdout.startswith(shown[arguments[0]])

"""Settings of the whole suite: shapes checked, promotions and reused keys refused."""

import gc
import itertools
import os
import signal

import jax
import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

from tests import HAS_EMITTERS_FLAG

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)
# For a session in which a plugin imported jax before the suite set its environment.
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# A shell starts a job in the background with SIGINT ignored, and nohup one with SIGHUP, which
# programs inherit and respect.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# One device, from now on: a test of `multvae sweep` must not divide the CPU for those after it.
jax.devices()

# Compiling takes longer than hypothesis's deadline, and the suite must not depend on the date.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("suite")

# jax keeps millions of objects alive: a full collection after every few thousand new ones would
# take a twentieth of the time.
gc.freeze()
gc.set_threshold(50_000, 50, 50)

# Every annotation `Float[Array, "users items"]` is checked at each call; an int is a float.
_hook = install_import_hook(
    "multvae_jax", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
)


def _exempt_containers():
    """Let jax rebuild its containers around placeholders that are not arrays.

    Their fields are still checked by every function that takes one of their arrays.
    """
    from multvae_jax.batching import Batch, Histories
    from multvae_jax.evaluation.evaluator import EvaluationSet
    from multvae_jax.training.updates import TrainState

    for container in (Batch, Histories, EvaluationSet, TrainState):
        container.__init__ = container.__init__.__wrapped__


_exempt_containers()


def pytest_xdist_auto_num_workers(config):
    """The whole suite uses every core; tests named on the command line run in this process."""
    return 0 if config.args_source is pytest.Config.ArgsSource.ARGS else None


@pytest.fixture(autouse=True)
def _strict_promotion(request):
    """No dtype is promoted silently, but where optax does it: Adam raises a float to an int."""
    mode = "standard" if request.node.get_closest_marker("updates") else "strict"
    with jax.numpy_dtype_promotion(mode):
        yield


@pytest.fixture(autouse=True)
def _nans_on_purpose(request):
    """With JAX_DEBUG_NANS=1 every NaN is an error, but in tests that make one."""
    if request.node.get_closest_marker("nans"):
        with jax.debug_nans(False):
            yield
    else:
        yield


_files_done = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def _forget_programs():
    """Forget the programs of earlier files now and then: all of them would take 4 GB per worker."""
    yield
    if next(_files_done) % 8 == 0:
        jax.clear_caches()


@pytest.fixture
def shipped_compile(monkeypatch):
    """Programs that a test lowers and compiles are compiled as a user's are.

    For tests that read what XLA made of a program: its fusions, temporaries and counts. LLVM's
    optimizations come after all of these, and stay off.
    """
    compile_lowered = jax.stages.Lowered.compile

    def compile_as_shipped(lowered, compiler_options=None):
        options = {"xla_cpu_use_fusion_emitters": True} if HAS_EMITTERS_FLAG else {}
        return compile_lowered(lowered, {**options, **(compiler_options or {})})

    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_as_shipped)

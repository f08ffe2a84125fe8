"""The environment of the suite, which jax reads when it is imported."""

import importlib.metadata
import os
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")

# XLA exits on a flag that it does not know, and jaxlib 0.12 does not know this one.
HAS_EMITTERS_FLAG = importlib.metadata.version("jaxlib").startswith("0.10.")

# Most of a test's time is compiling: its programs run once or twice, on small arrays. Without
# LLVM's optimizations and XLA's own code for fusions, compiling takes a quarter as long. A program
# is one unit for LLVM: the default cuts it into up to 32, each of which costs time of its own.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
if HAS_EMITTERS_FLAG:
    QUICK += " --xla_cpu_use_fusion_emitters=false"
if QUICK not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{QUICK} {os.environ.get('XLA_FLAGS', '')}"

# Many tests compile the same programs from new closures. Each is compiled once per session, for
# all workers and for the processes that tests start.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _programs = tempfile.TemporaryDirectory(prefix="multvae-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

"""Output of native code: filtered while a block runs, and afterwards nothing is left open."""

import subprocess
import sys

from multvae_jax.host.native_output import without_reports_of_peers

PROGRAM = """
import os
from multvae_jax.host.native_output import NativeOutput

is_open = os.listdir("/proc/self/fd")
with NativeOutput(lambda text: None):
    print("of Python")
    os.write(1, b"of native code\\n[Gloo] Rank 0 is connected to 1 peer ranks.\\n")
print("afterwards")
assert os.listdir("/proc/self/fd") == is_open
"""


def test_a_block_leaves_the_streams_as_they_were():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "of native code\n")
    assert done.stdout == "of Python\nafterwards\n"


def test_only_reports_about_processes_are_left_out():
    report = "E1128 13:51:20.288796    5374 coordination_service.cc:1520] Barrier failed\nand\n"
    others = "W1128 13:51:21.288796    5374 cuda_executor.cc:1] out of memory\n  more of it\n"
    gloo = "[Gloo] Rank 0 is connected to 1 peer ranks.\n"
    assert without_reports_of_peers(f"{gloo}first\n{report}{others}") == f"first\n{others}"

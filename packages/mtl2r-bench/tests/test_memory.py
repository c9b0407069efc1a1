"""What is freed is used again."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import torch
from mtl2r_bench.training.memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
[torch.ones(1 << 22) for _ in range(8)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    [torch.ones(1 << 21) for _ in range(8)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="only glibc has the setting",
)
def test_large_blocks_are_not_faulted_in_again():
    # The setting is the process's, so each has one of its own.
    faults = {
        way: int(subprocess.check_output([sys.executable, "-c", PROGRAM, way], text=True))
        for way in ("kept", "given back")
    }
    assert faults["kept"] < 0.5 * faults["given back"]

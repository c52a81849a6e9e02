"""The same sums on every x86 CPU: one instruction set for all, chosen before PyTorch is loaded.

PyTorch and MKL choose their kernels by the widest vectors that a CPU has, and wider vectors add up
in another order. Training amplifies the last bit: the weights of one recipe and seed then depend
on the machine. AVX2 is what nearly every x86 CPU since 2013 has, and what small matrices need.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from llvmlite.binding import get_host_cpu_features

__all__ = ["pin_instruction_set"]

_PINNED: Final = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def pin_instruction_set() -> bool:
    """Let PyTorch compute with AVX2, whatever else the CPU has.

    It sets environment variables, which PyTorch and MKL read once: it has to come before `torch` is
    imported. A CPU without AVX2 is left as it is.

    Returns
    -------
    bool
        Whether the instruction set is pinned now.
    """
    if not get_host_cpu_features().get("avx2", False):
        return False
    if "torch" not in sys.modules:
        os.environ.update(_PINNED)
    return all(os.environ.get(name) == value for name, value in _PINNED.items())

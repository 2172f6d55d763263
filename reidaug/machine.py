"""The machine: cores, threads, number formats and description."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import joblib
import torch

from reidaug import __version__

_CPUINFO = Path("/proc/cpuinfo")


def cores() -> int:
    """Count the cores available to this process under container limits and affinity."""
    return int(joblib.cpu_count())


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread: workers do not compete for cores, and sums are deterministic."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fast_precision(device: torch.device) -> Literal["float32", "bfloat16"]:
    """Name the number format that networks compute faster in on a device."""
    return "bfloat16" if bfloat16_is_faster(device) else "float32"


def bfloat16_is_faster(device: torch.device) -> bool:
    """Decide whether a device multiplies bfloat16 faster than float32.

    That holds for recent GPUs and for processors with bfloat16 instructions.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    flags = _cpuinfo().split()
    return "amx_bf16" in flags or "avx512_bf16" in flags


def describe() -> str:
    """Describe processor, cores, memory, accelerator and versions on one line."""
    count = cores()
    parts = [_processor(), f"{count} {'core' if count == 1 else 'cores'}"]
    if "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        parts.append(f"{memory:.0f} GiB of memory")
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    parts += [platform.system(), f"Python {platform.python_version()}"]
    parts += [f"torch {torch.__version__}", f"reidaug {__version__}"]
    return ", ".join(parts)


def _processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in _cpuinfo().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()


def _cpuinfo() -> str:
    return _CPUINFO.read_text(encoding="utf-8") if _CPUINFO.exists() else ""

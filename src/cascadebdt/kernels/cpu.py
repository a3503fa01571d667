"""What this CPU can do, as far as it decides between kernels."""

import functools

from llvmlite import binding
from numba import config

AVX512 = ("avx512f", "avx512bw", "avx512vl")


def name() -> str:
    """Return LLVM's name of the CPU that Numba compiles for, with its vector instructions."""
    return " ".join(filter(None, (str(config.CPU_NAME or binding.get_host_cpu_name()), instructions())))


@functools.cache
def instructions() -> str:
    """Return ``avx512``, ``avx2``, or an empty string: the vector instructions that Numba compiles for.

    Numba's own settings (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``) count, so that they select kernels, too.
    """
    features = config.CPU_FEATURES
    if features is None:
        available = {name for name, present in binding.get_host_cpu_features().items() if present}
    else:
        available = {feature[1:] for feature in features.split(",") if feature.startswith("+")}
    if available.issuperset(AVX512):
        return "avx512"
    return "avx2" if "avx2" in available else ""

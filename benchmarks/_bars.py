"""What kernels should reach: ratios by the kind of processor, shares of what was measured on it.

Processors differ in what limits a work: Intel's take three micro-operations for a product of 64-bit
integers in vectors, AMD's one, and torch's own speed differs too. So each kind has ratios of its
own; a processor that is neither is held against those of Intel.
"""

from typing import NamedTuple

from numba.core.registry import cpu_target

from stochsim.runs import processor

FEATURES = (
    "avx2",
    "avx512f",
    "avx512vnni",
    "avx512vpopcntdq",
    "avx512ifma",
    "amx-int8",
    "amx-bf16",
    "neon",
    "dotprod",
    "sve",
)
"""Those that the kernels or the libraries beside them may use, in LLVM's words."""


class Bars(NamedTuple):
    """Times faster than torch: codes by their bits; the noisy product, without and with noise on
    weights; the array; products of signs.
    """

    codes: dict[int, float]
    noisy: tuple[float, float]
    array: float
    signs: float


AMD = Bars({1: 60.0, 2: 45.0, 3: 30.0, 4: 18.0, 6: 7.0, 8: 6.0}, (2.2, 2.8), 12.0, 12.0)
INTEL = Bars({1: 45.0, 2: 35.0, 3: 25.0, 4: 15.0, 6: 6.0, 8: 5.5}, (1.6, 2.0), 9.0, 8.0)
BARS = AMD if "AMD" in processor() else INTEL
BYTES_BAR = 4.0
"""Products of 8-bit codes, times float32."""
CODES_SHARE, PRODUCTS_SHARE, ARRAY_SHARE = 60.0, 70.0, 50.0
"""Percent of the limit: codes of 1 to 4 bits, products, the array."""


def features() -> tuple[str, ...]:
    """Those of FEATURES that Numba compiles for; the libraries may use others."""
    has = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
    return tuple(name for name in FEATURES if f"+{name}" in has)

"""What the processor can do that Numba compiles for."""

from functools import lru_cache

from numba.core.registry import cpu_target

AVX512 = "avx512f"
VNNI = "avx512vnni"
VECTOR_POPCOUNT = "avx512vpopcntdq"
MATRIX_UNIT = "amx-int8"


@lru_cache
def processor_has(feature: str) -> bool:
    """Does the processor that Numba compiles for have this feature, in LLVM's words?

    Asks Numba, not the machine, so NUMBA_CPU_NAME and NUMBA_CPU_FEATURES are respected. Both belong
    to the key of Numba's cache, which therefore never hands code with an instruction to a processor
    that lacks it.
    """
    return f"+{feature}" in cpu_target.target_context.codegen().magic_tuple()[2].split(",")

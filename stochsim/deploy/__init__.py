"""A trained network becomes a Program (integer codes, scales, sigma), a Program on a Hardware becomes a Chip, and a Chip samples.

`export_program` and `float_program` import torch; they are loaded at first use.
"""

from typing import TYPE_CHECKING

from stochsim.deploy.checks import check_stable
from stochsim.deploy.chip import Chip
from stochsim.deploy.float_chip import FloatChip
from stochsim.deploy.float_programs import AnyFloatProgram, FloatDeepProgram, FloatProgram, FloatRecurrentProgram
from stochsim.deploy.program import AnyProgram, DeepProgram, Program, Quantizer, RecurrentProgram
from stochsim.deploy.samples import Samples
from stochsim.lazy import lazy_names

if TYPE_CHECKING:
    from stochsim.deploy.export import export_program, float_program

__all__ = [
    "AnyFloatProgram",
    "AnyProgram",
    "Chip",
    "DeepProgram",
    "FloatChip",
    "FloatDeepProgram",
    "FloatProgram",
    "FloatRecurrentProgram",
    "Program",
    "Quantizer",
    "RecurrentProgram",
    "Samples",
    "check_stable",
    "export_program",
    "float_program",
]


__getattr__ = lazy_names(__name__, {"stochsim.deploy.export": ("export_program", "float_program")})

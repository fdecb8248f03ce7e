"""A trained network becomes a Program (integer codes, scales, sigma), a Program on a Hardware becomes a Chip, and a Chip samples.

`export_program` and `float_program` import torch; they are loaded at first use.
"""

from typing import TYPE_CHECKING

from stochsim.deploy.chip import Chip, FloatChip, Samples
from stochsim.deploy.program import FloatProgram, Program, Quantizer
from stochsim.lazy import lazy_names

if TYPE_CHECKING:
    from stochsim.deploy.export import export_program, float_program

__all__ = ["Chip", "FloatChip", "FloatProgram", "Program", "Quantizer", "Samples", "export_program", "float_program"]


__getattr__ = lazy_names(__name__, {"stochsim.deploy.export": ("export_program", "float_program")})

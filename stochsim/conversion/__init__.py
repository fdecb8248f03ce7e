"""Bring your own network: any torch module of Linear, Conv1d, Conv2d, ReLU, Tanh and Sigmoid as a
noisy low-bit one on a Hardware.

All names need torch and Brevitas, so they load at first use.
"""

from typing import TYPE_CHECKING

from stochsim.lazy import lazy_names

if TYPE_CHECKING:
    from stochsim.conversion.converted import Converted, LeftInFloat
    from stochsim.conversion.converter import convert
    from stochsim.conversion.program import ConvertedProgram, load_converted

__all__ = ["Converted", "ConvertedProgram", "LeftInFloat", "convert", "load_converted"]

__getattr__ = lazy_names(
    __name__,
    {
        "stochsim.conversion.converted": ("Converted", "LeftInFloat"),
        "stochsim.conversion.converter": ("convert",),
        "stochsim.conversion.program": ("ConvertedProgram", "load_converted"),
    },
)

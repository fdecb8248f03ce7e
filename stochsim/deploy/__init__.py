"""A trained network becomes a Program (integer codes, scales, sigma), a Program on a Hardware
becomes a Chip, and a Chip samples.

`export_program` and `float_program` import torch; they are loaded at first use.
"""

from typing import TYPE_CHECKING

from stochsim.deploy.bill import Bill
from stochsim.deploy.chain import Link, chain_bill, drawn_chain
from stochsim.deploy.checks import check_stable
from stochsim.deploy.chip import Chip
from stochsim.deploy.float_chip import FloatChip
from stochsim.deploy.float_programs import (
    AnyFloatProgram,
    FloatDeepProgram,
    FloatProgram,
    FloatRecurrentProgram,
)
from stochsim.deploy.program import AnyProgram, DeepProgram, Program, Quantizer, RecurrentProgram
from stochsim.deploy.samples import Samples
from stochsim.deploy.sensitivity import (
    alternatives,
    compare_converters,
    price_shares,
    sensitivity_json,
    sensitivity_text,
)
from stochsim.lazy import lazy_names

if TYPE_CHECKING:
    from stochsim.deploy.export import export_program, float_program

__all__ = [
    "AnyFloatProgram",
    "AnyProgram",
    "Bill",
    "Chip",
    "DeepProgram",
    "FloatChip",
    "FloatDeepProgram",
    "FloatProgram",
    "FloatRecurrentProgram",
    "Link",
    "Program",
    "Quantizer",
    "RecurrentProgram",
    "Samples",
    "alternatives",
    "chain_bill",
    "check_stable",
    "compare_converters",
    "drawn_chain",
    "export_program",
    "float_program",
    "price_shares",
    "sensitivity_json",
    "sensitivity_text",
]


__getattr__ = lazy_names(__name__, {"stochsim.deploy.export": ("export_program", "float_program")})

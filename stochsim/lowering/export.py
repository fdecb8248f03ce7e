"""Trained networks as programs: their own methods, and what is refused."""

from stochsim.program import FloatProgram, Program
from stochsim.training import TrainedNetwork


def to_program(trained: TrainedNetwork) -> Program:
    """The program of a quantised network; raises StochsimError for a float one, or one whose widths
    are still being learned.
    """
    return trained.network.program(trained.rho)


def float_program(trained: TrainedNetwork) -> FloatProgram:
    """The program of a float network; raises StochsimError for a quantised one."""
    return trained.network.float_program(trained.rho)

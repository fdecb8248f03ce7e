"""The cheapest setting of a chip that keeps the posterior, or the whole front of joules against
distance, under each converter model.
"""

from stochsim.optimize.answer import Answer, Outcome
from stochsim.optimize.measured import Measured
from stochsim.optimize.page import write_optimize_report
from stochsim.optimize.run import run_optimize
from stochsim.optimize.settings import OptimizeFile
from stochsim.optimize.tables import console_text

__all__ = [
    "Answer",
    "Measured",
    "OptimizeFile",
    "Outcome",
    "console_text",
    "run_optimize",
    "write_optimize_report",
]

"""Sweeps: a study becomes tasks, tasks become rows of a store, rows become results.

Resumable at any moment.
"""

from stochsim.sweep.controls import CONTROLS
from stochsim.sweep.effective import operations_from_json, operations_to_json, stored_operations
from stochsim.sweep.result import ALL_KEYS, FLOAT, MEASURES, Pictures, Result
from stochsim.sweep.results import Results, collect
from stochsim.sweep.run import run_sweep
from stochsim.sweep.store import Store
from stochsim.sweep.study import Study

__all__ = [
    "ALL_KEYS",
    "CONTROLS",
    "FLOAT",
    "MEASURES",
    "Pictures",
    "Result",
    "Results",
    "Store",
    "Study",
    "collect",
    "operations_from_json",
    "operations_to_json",
    "run_sweep",
    "stored_operations",
]

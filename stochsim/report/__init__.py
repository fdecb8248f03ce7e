"""Reports: a run, finished or not, as one self-contained page, two CSV files, a table for the
terminal and figures.
"""

from stochsim.report.page import save_figures, write_report
from stochsim.report.tables import console_table, write_results_csv, write_timing_csv
from stochsim.report.variants import ARCHITECTURE_WORDS

__all__ = [
    "ARCHITECTURE_WORDS",
    "console_table",
    "save_figures",
    "write_report",
    "write_results_csv",
    "write_timing_csv",
]

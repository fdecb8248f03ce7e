from .console_tables import console_table as console_table
from .csv_tables import write_results_csv as write_results_csv
from .csv_tables import write_timing_csv as write_timing_csv
from .pages.search_page import write_optimize_report as write_optimize_report
from .pages.study_page import save_figures as save_figures
from .pages.study_page import write_report as write_report
from .search_tables import console_text as console_text
from .variants import ARCHITECTURE_WORDS as ARCHITECTURE_WORDS

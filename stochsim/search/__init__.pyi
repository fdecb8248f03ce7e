from .answer import Answer as Answer
from .answer import Outcome as Outcome
from .measured_setting import OWN as OWN
from .measured_setting import Measured as Measured
from .run_search import run_optimize as run_optimize
from .search_settings import OptimizeFile as OptimizeFile
from .space import Setting as Setting
from .space import Space as Space

from .controls import CONTROLS as CONTROLS
from .controls import ControlCase as ControlCase
from .controls import check_control as check_control
from .controls import control_samples as control_samples

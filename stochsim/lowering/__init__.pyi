from .chip_module import ChipModule as ChipModule
from .chip_module import LeftInFloat as LeftInFloat
from .export import float_program as float_program
from .export import to_program as to_program
from .loading import load_converted as load_converted
from .module_conversion import convert as convert
from .serialise import SavedGraph as SavedGraph
from .serialise import read_saved as read_saved

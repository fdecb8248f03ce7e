from .command_line import build_parser as build_parser
from .command_line import main as main

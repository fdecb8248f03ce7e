from .books import CodeBook as CodeBook
from .fitted import lloyd_max as lloyd_max
from .floating import FLOATING as FLOATING
from .floating import FloatFormat as FloatFormat
from .format_text import format_lines as format_lines
from .format_text import list_lines as list_lines
from .named_formats import FORMATS as FORMATS
from .named_formats import code_book as code_book

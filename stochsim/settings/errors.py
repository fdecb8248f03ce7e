"""The one base of errors that a user can mend (kept apart from settings.py, so that `--help` need
not import pydantic).
"""


class StochsimError(Exception):
    """Something the user can mend; the command line prints it and exits with code 2."""

"""Where a warning belongs: at the line of the user's own code that led to it."""

import sys
from types import FrameType

_NOT_THE_USERS = ("stochsim", "stochsim_kernels", "torch")
"""torch calls the forward pass of our modules."""


def levels_to_user() -> int:
    """What `warnings.warn` in the calling function needs as `stacklevel`, to name the first line
    outside stochsim and torch.
    """
    return _to_user(sys._getframe(1))[0]


def line_of_user() -> tuple[str, int]:
    """File and number of the first line outside stochsim and torch."""
    _, frame = _to_user(sys._getframe(1))
    return frame.f_code.co_filename, frame.f_lineno


def _to_user(frame: FrameType) -> tuple[int, FrameType]:
    """Levels up to the user's frame, 1 for the first one, and that frame."""
    levels = 1
    while frame.f_back is not None and _package(frame) in _NOT_THE_USERS:
        frame = frame.f_back
        levels += 1
    return levels, frame


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]

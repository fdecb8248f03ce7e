"""What is said of memory before it is taken."""

import warnings

from stochsim.settings.available_memory import available_bytes
from stochsim.settings.callers import levels_to_user

LARGE_BYTES = 10**9
"""Memory that no call takes without saying so beforehand."""


class LargeMemoryWarning(UserWarning):
    """A call is about to take more than 1 GB of memory."""


def announce_memory(what: str, needed: float) -> None:
    """Warn, at the user's own line, where `what` is about to take more than 1 GB; needed: bytes at
    its peak.
    """
    if needed <= LARGE_BYTES:
        return
    text = (
        f"{what} will take about {needed / 1e9:.1f} GB of memory at its peak, "
        f"{available_bytes() / 1e9:.1f} GB are free"
    )
    warnings.warn(text, LargeMemoryWarning, stacklevel=levels_to_user())

"""What comes of one hostile input: taken, refused by an error of ours, or a fault."""

import contextlib
import io
import math
import os
import re
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stochsim.accounting import Bill
from stochsim.chip import Samples
from stochsim.settings import StochsimError

MOST_SECONDS = 5.0
MOST_BYTES = 10**9
MOST_WORDS = 2_000

_DOORS = re.compile(r"_fuzz_\w+_doors\.py")

TAKEN, REFUSED = "taken", "refused"
FAULTS = ("raw error", "not finite", "slow", "large", "left a file", "bad message", "crash")


class Judged(NamedTuple):
    """outcome: TAKEN, REFUSED or one of FAULTS; said: the error's text, or what was wrong."""

    outcome: str
    said: str
    seconds: float
    bytes: int


class _TooLong(BaseException):
    """Of the alarm: no `except Exception` of ours swallows it."""


def _alarm(*_: Any) -> None:
    raise _TooLong


@contextlib.contextmanager
def _limits(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _reset_peak() -> int:
    """Resident bytes now, from which the peak is counted anew where Linux lets us."""
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")
    return _field("VmRSS:")


def _peak() -> int:
    return _field("VmHWM:")


def _field(name: str) -> int:
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def judge(act: Callable[[], Any], written: Path | None = None) -> Judged:
    """Run one input; written: an empty folder, where one that is refused must leave nothing."""
    before = _reset_peak()
    start = time.perf_counter()
    try:
        outcome, said = _outcome(act)
    except _TooLong:
        outcome, said = "slow", f"over {2 * MOST_SECONDS} s"
    seconds = time.perf_counter() - start
    used = _peak() - before
    if outcome in (TAKEN, REFUSED):
        if seconds > MOST_SECONDS:
            outcome, said = "slow", f"{seconds:.1f} s; {said}"
        elif used > MOST_BYTES:
            outcome, said = "large", f"{used / 1e9:.2f} GB; {said}"
        elif outcome == REFUSED and written is not None and os.listdir(written):
            outcome, said = "left a file", f"{os.listdir(written)}; {said}"
    return Judged(outcome, said, seconds, used)


def _outcome(act: Callable[[], Any]) -> tuple[str, str]:
    silent = io.StringIO()
    with _limits(2 * MOST_SECONDS):
        try:
            with (
                warnings.catch_warnings(),
                np.errstate(all="ignore"),
                contextlib.redirect_stdout(silent),
                contextlib.redirect_stderr(silent),
            ):
                warnings.simplefilter("ignore")  # extreme numbers overflow, which is no fault
                wrong = not_finite(act())
        except StochsimError as error:
            return _of_message(str(error))
        except Exception as error:
            if _is_pythons_own(error):
                return REFUSED, str(error)
            return "raw error", f"{type(error).__name__}: {str(error)[:200]} at {_place(error)}"
    return ("not finite", wrong) if wrong else (TAKEN, "")


def _of_message(text: str) -> tuple[str, str]:
    """An error's text has words, an end, and no character that a terminal would act upon."""
    if not text.strip():
        return "bad message", "no words"
    if len(text) > MOST_WORDS:
        return "bad message", f"{len(text)} characters: {text[:150]}"
    odd = [one for one in text if not one.isprintable() and one != "\n"]
    if odd:
        return "bad message", f"{odd[0]!r} in {text[:150]!r}"
    return REFUSED, text


def _is_pythons_own(error: Exception) -> bool:
    """Whether Python itself refused an operator or a name of an argument, before any code of ours
    ran.
    """
    last = traceback.extract_tb(error.__traceback__)[-1]
    return isinstance(error, TypeError) and _DOORS.fullmatch(Path(last.filename).name) is not None


def _place(error: BaseException) -> str:
    """The last line of ours that the error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "stochsim" in one.filename and "_fuzz" not in one.filename]
    last = (ours or frames)[-1]
    return f"{'/'.join(Path(last.filename).parts[-2:])}:{last.lineno}"


def not_finite(found: Any) -> str:
    """What of samples and bills is no finite number; empty where all is."""
    if isinstance(found, tuple | list):
        return next(filter(None, map(not_finite, found)), "")
    if isinstance(found, Samples):
        return "" if np.isfinite(found.values).all() else "values of samples"
    if isinstance(found, Bill):
        return "joules of a bill" if math.isnan(found.per_read_j) else ""  # noise 0 has no end
    return ""

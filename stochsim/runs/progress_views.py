"""How a run's progress is shown: a bar on a terminal, plain lines in a pipe, JSON for programs."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from tqdm import tqdm

_TERMINAL_SECONDS = 0.2
_LINES_SECONDS = 15.0
_JSON_SECONDS = 1.0
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class View(Protocol):
    """What shows facts of a run: how many tasks there are ("total"), are "done" and "failed",
    "seconds_left" (None where nothing is known), and "words" for a reader.
    """

    def show(self, facts: dict[str, Any]) -> None:
        """Show these, or leave it where the last are of just now."""

    def close(self, facts: dict[str, Any]) -> None:
        """Show how it ended."""


class Bar:
    """A bar on the terminal, one task each."""

    def __init__(self, total: int, done: int, unit: str) -> None:
        self._bar = tqdm(
            total=total,
            initial=done,
            unit=unit,
            dynamic_ncols=True,
            bar_format=_FORMAT,
        )
        self._last = time.monotonic()

    def show(self, facts: dict[str, Any]) -> None:
        """See `View`."""
        self._bar.set_postfix_str(facts["words"], refresh=False)
        self._bar.n = facts["done"]
        now = time.monotonic()
        if now - self._last >= _TERMINAL_SECONDS:
            self._last = now
            self._bar.refresh()

    def close(self, facts: dict[str, Any]) -> None:
        """See `View`."""
        self.show(facts)
        self._bar.close()


class Lines:
    """Lines of text, one now and then: for pipes and files, where nothing can be written over."""

    def __init__(
        self,
        every_s: float = _LINES_SECONDS,
        line: Callable[[dict[str, Any], float], str] | None = None,
        file: Any = None,
    ) -> None:
        self._every_s, self._line = every_s, line or _text
        self._file = file or sys.stderr
        self._begun = time.monotonic()
        self._last = -1e9
        self._shown = ""

    def show(self, facts: dict[str, Any]) -> None:
        """See `View`."""
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            self._print(facts)

    def close(self, facts: dict[str, Any]) -> None:
        """See `View`."""
        self._print(facts)

    def _print(self, facts: dict[str, Any]) -> None:
        text = self._line(facts, time.monotonic() - self._begun)
        if text != self._shown:
            self._shown = text
            print(text, file=self._file, flush=True)


def view_of(total: int, done: int, unit: str, as_json: bool) -> View:
    """The view for where the output goes; as_json: JSON lines on stdout."""
    if as_json:
        return Lines(_JSON_SECONDS, _json, sys.stdout)
    return Bar(total, done, unit) if sys.stderr.isatty() else Lines()


def _text(facts: dict[str, Any], seconds: float) -> str:
    words = f", {facts['words']}" if facts["words"] else ""
    return f"{facts['done']}/{facts['total']} [{clock(seconds)}{words}]"


def _json(facts: dict[str, Any], seconds: float) -> str:
    return json.dumps({**facts, "seconds": round(seconds, 3)})


def clock(seconds: float) -> str:
    """Seconds as "3:20", or "2:03:04"."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"

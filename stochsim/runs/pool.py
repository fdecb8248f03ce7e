"""What a scheduler needs of workers, wherever these run."""

from collections.abc import Iterator
from typing import Any, Protocol

from stochsim.runs.workers import Message


class Pool(Protocol):
    """Workers that take jobs and say what became of them."""

    @property
    def idle(self) -> int:
        """Jobs that can be given now."""

    def give(self, task_hash: str, job: dict[str, Any]) -> None:
        """Give a job (JSON values, with its "hash") to a worker."""

    def messages(self, timeout_s: float = 0.5) -> Iterator[Message]:
        """Messages that have come in."""

"""A task: one unit of work of a run, known by a hash of everything that changes its answer."""

import hashlib
import json
from dataclasses import dataclass

from stochsim_kernels import KERNEL_VERSION

from stochsim._version import ANSWERS_VERSION, __version__


@dataclass(frozen=True)
class Task:
    """One unit of work: its kind, all settings that change its answer (canonical JSON), the tasks
    it needs by role.
    """

    kind: str
    settings: str
    needs: tuple[tuple[str, str], ...]
    label: str

    @property
    def hash(self) -> str:
        """Content hash: equal tasks of equal versions have equal answers.

        The label does not count.
        """
        versions = (__version__, KERNEL_VERSION, ANSWERS_VERSION)
        content = json.dumps([self.kind, self.settings, self.needs, *versions])
        return hashlib.sha256(content.encode()).hexdigest()[:24]

"""A task as it reaches a worker."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from stochsim.data import Dataset, DataSettings, evaluation_stimuli, load_dataset
from stochsim.hardware import Hardware
from stochsim.models import ModelSettings
from stochsim.networks import ArchitectureSettings
from stochsim.studies.study import StudyTrainSettings

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]


class Job:
    """One task as it reaches a worker: settings parsed, needed artifacts by role."""

    def __init__(self, job: dict[str, Any], folder: Path, progress: Progress) -> None:
        self.hash = job["hash"]
        self.progress = progress
        self.settings: dict[str, Any] = json.loads(job["settings"])
        self.artifacts = folder / "artifacts"
        self.needs = {role: self.artifacts / name for role, name in job["needs"].items()}
        self.key = int(self.settings["key"])
        self.model: Any = TypeAdapter(ModelSettings).validate_python(self.settings["model"])

    @property
    def dataset(self) -> Dataset:
        """The data, drawn by this task's key."""
        data = DataSettings.from_table(self.settings["data"])
        return load_dataset(data.kind, data.size, data.components, self.key)

    @property
    def train_settings(self) -> StudyTrainSettings:
        """The settings that networks are trained by."""
        return StudyTrainSettings.from_table(self.settings.get("train", {}))

    @property
    def learns_decoder(self) -> bool:
        """Whether each network learns a decoder for itself."""
        return self.train_settings.decoder == "own"

    @property
    def architecture(self) -> ArchitectureSettings | None:
        """The kind of network, where the task names one."""
        table = self.settings.get("architecture")
        return None if table is None else ArchitectureSettings.from_table(table)

    @property
    def hardware(self) -> Hardware | None:
        """The chip, where the task depends on it."""
        table = self.settings.get("hardware")
        return None if table is None else Hardware.from_table(table)

    def temporary(self) -> Path:
        """The file that this task's artifact is written to; the parent renames it when it stores
        the row.
        """
        return self.artifacts / f".tmp-{os.getpid()}-{self.hash}.safetensors"

    def stimuli(self, count: int) -> tuple[Floats, Any]:
        """The held-out stimuli of this key (stimulus, input) and their labels, None without."""
        dataset = self.dataset
        chosen = evaluation_stimuli(dataset, count, self.key)
        labels = None if dataset.held_out_labels is None else dataset.held_out_labels[chosen]
        return dataset.held_out[chosen], labels

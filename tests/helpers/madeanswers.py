"""Answers to a study's tasks that are made up, so that what is read out of the results is known
beforehand.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from stochsim.keys import generator
from stochsim.runs import Task
from stochsim.studies import MEASURES

STIMULI, NEURONS = 8, 8
BLIND, FULL = 1.7, 0.2


@dataclass
class Made:
    """S of a point as a function of (widths, noise, rho, key), D of float samples by rho, the
    accuracy; D of controls; roughness of D.

    `rough`: sd of what every cell adds to its own D of every stimulus; at 0 all distances differ
    between stimuli in the same way. `lost_by`: what S loses on the part with this chip key.
    `effective_of`: effective samples of each stimulus as a
    function of (widths, noise); None as older versions stored points. `dependent`: whether reads
    are.
    """

    s_of: Callable[[list[int], float, float, int], float] = lambda widths, noise, rho, key: 1.0
    full_of: Callable[[float], float] = lambda rho: FULL
    accuracy: float | None = None
    blind: float = BLIND
    control: float = 0.9
    rough: float = 0.0
    effective_of: Callable[[list[int], float], list[float] | None] = lambda widths, noise: (
        [100.0] * STIMULI
    )
    dependent: bool = False
    lost_by: Callable[[int], float] = lambda chip_key: 0.0
    norms: tuple[float, ...] = (1.0,) * NEURONS

    def __call__(
        self, task: Task, needs: dict[str, Path], folder: Path
    ) -> tuple[dict[str, Any], Path | None]:
        settings = json.loads(task.settings)
        answers = {
            "chip_samples": self._chip_samples,
            "float_samples": self._float_samples,
            "control": self._control,
            "prior_samples": self._prior_samples,
        }
        answer = (
            answers[task.kind](task, settings, needs) if task.kind in answers else {"terms": {}}
        )
        if task.kind == "prior_samples":
            return answer, None
        path = folder / "artifacts" / f".tmp-{task.hash}.safetensors"
        seen = {name: str(settings.get(name)) for name in ("rho", "widths")}
        arrays = pictures(task.label) if task.kind in answers else {"decoder": self.decoder()}
        save_file(arrays, path, metadata=seen)
        return answer, path

    def decoder(self) -> np.ndarray:
        """One column for each of `norms`."""
        return np.array([self.norms, np.zeros(NEURONS)])

    def _float_samples(
        self, task: Task, settings: dict[str, Any], needs: dict[str, Path]
    ) -> dict[str, Any]:
        rho = float(_metadata(needs["network"])["rho"])
        return {
            "measures": _measures(self._distances(task, settings, self.full_of(rho))),
            "accuracy": self._accuracies(),
        }

    def _control(
        self, task: Task, settings: dict[str, Any], needs: dict[str, Path]
    ) -> dict[str, Any]:
        measures = _measures(self._distances(task, settings, self.control))
        return {"measures": measures, "accuracy": None, "facts": {"fact": 0.5 + settings["key"]}}

    def _prior_samples(
        self, task: Task, settings: dict[str, Any], needs: dict[str, Path]
    ) -> dict[str, Any]:
        d = self._distances(task, settings, self.blind)
        return {"d": d, "d_axes": d, "d_projections": d}

    def _chip_samples(
        self, task: Task, settings: dict[str, Any], needs: dict[str, Path]
    ) -> dict[str, Any]:
        seen = _metadata(needs["network"])
        key = settings["key"]
        noise = settings["noise"]
        rho = float(seen["rho"])
        s = self.s_of(json.loads(seen["widths"]), noise, rho, key)
        s -= self.lost_by(settings.get("chip_key", 0))
        measures = _measures(
            self._distances(task, settings, self.blind - s * (self.blind - self.full_of(rho)))
        )
        measures |= {"elbo_nat": [np.nan] * STIMULI} if noise == 0 else {}
        bill = {
            "parts_j": {"add": 2e-12, "reliability": np.inf if noise == 0 else 1e-12 / noise},
            "flags": [f"noise {noise:g}"],
        }
        result = {
            "measures": measures,
            "accuracy": self._accuracies(),
            "energy": bill,
            "saturated_share": 0.25,
        }
        effective = self.effective_of(json.loads(seen["widths"]), noise)
        if effective is None:
            return result
        return result | {
            "effective_samples": effective,
            "independent": not self.dependent,
            "operations": [["random", [], 32.0]],
        }

    def _accuracies(self) -> list[float] | None:
        return None if self.accuracy is None else [self.accuracy] * STIMULI

    def _distances(self, task: Task, settings: dict[str, Any], mean: float) -> list[float]:
        """Of this mean, but of stimuli that differ by up to a tenth, in the same way in all
        distances of a key.
        """
        scatter = np.linspace(-0.1, 0.1, STIMULI)
        own = self.rough * generator(2, task.label).standard_normal(STIMULI)
        return [float(value) for value in mean * (1 + scatter) + own - own.mean()]


def _metadata(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    return dict(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"])


def _measures(d: list[float]) -> dict[str, list[float]]:
    return {name: [0.5] * STIMULI for name in MEASURES} | {"d": d, "d_axes": d, "d_projections": d}


def pictures(label: str) -> dict[str, np.ndarray]:
    """What a cell with this label stores for pictures."""
    random = generator(1, label)
    names = ("mean", "sd", "reference_mean", "reference_sd")
    return {name: random.random((STIMULI, NEURONS)).astype(np.float32) + 0.1 for name in names}

"""What each kind of task does. Runs in a worker: settings and files of earlier tasks in, result and one file out."""

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.linear_model import LogisticRegression

from stochsim.data import Dataset, DataSettings, evaluation_stimuli, load_dataset
from stochsim.deploy import Chip, FloatChip, export_program, float_program
from stochsim.hardware import Hardware
from stochsim.keys import fold_in
from stochsim.models import ModelSettings, Reference, build_model
from stochsim.posterior import Yardstick, compare
from stochsim.sweep.study import StudyTrainSettings
from stochsim.training import Trained, learn_decoder, load_network, save_network, train_float, train_quantised

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]
Outcome = tuple[dict[str, Any], Path | None]


class Job:
    """One task as it reaches a worker: settings parsed, needed artifacts by role."""

    def __init__(self, job: dict[str, Any], folder: Path, progress: Progress) -> None:
        self.hash, self.progress = job["hash"], progress
        self.settings: dict[str, Any] = json.loads(job["settings"])
        self.needs = {role: folder / "artifacts" / name for role, name in job["needs"].items()}
        self.key = int(self.settings["key"])
        self.model: Any = TypeAdapter(ModelSettings).validate_python(self.settings["model"])
        self._folder = folder

    @property
    def dataset(self) -> Dataset:
        """The data, drawn by this task's key."""
        data = DataSettings.from_table(self.settings["data"])
        return load_dataset(data.kind, data.size, data.components, self.key)

    @property
    def train_settings(self) -> StudyTrainSettings:
        """How networks are trained."""
        return StudyTrainSettings.from_table(self.settings["train"])

    @property
    def own(self) -> bool:
        """Whether each network learns its own decoder."""
        return self.train_settings.decoder == "own"

    def temporary(self) -> Path:
        """Where this task's artifact is written; the parent renames it when it stores the row."""
        return self._folder / "artifacts" / f".tmp-{os.getpid()}-{self.hash}.safetensors"

    def stimuli(self, count: int) -> tuple[Floats, Any]:
        """The held-out stimuli of this key (stimulus, input) and their labels, None without."""
        dataset = self.dataset
        chosen = evaluation_stimuli(dataset, count, self.key)
        labels = None if dataset.held_out_labels is None else dataset.held_out_labels[chosen]
        return dataset.held_out[chosen], labels


def run_task(job: dict[str, Any], folder: Path, progress: Progress) -> Outcome:
    """Do one task; returns its result (JSON values) and the temporary path of its artifact."""
    return _KINDS[job["kind"]](Job(job, folder, progress))


def _save(job: Job, trained: Trained) -> Outcome:
    path = job.temporary()
    save_network(path, trained)
    return {"terms": trained.result.terms, "saturated_share": trained.result.saturated_share}, path


def _decoder(job: Job) -> Outcome:
    """A float network and its decoder, learned together at rho = 0."""
    trained = learn_decoder(job.dataset.train, job.model, job.train_settings, fold_in(job.key, "decoder"), progress=job.progress)
    return _save(job, trained)


def _float(job: Job) -> Outcome:
    """The float network at this rho, from the decoder's network on."""
    start, rho = load_network(job.needs["decoder"]), job.settings["rho"]
    key = fold_in(job.key, "float", str(rho))
    return _save(job, train_float(start, job.dataset.train, job.model, job.train_settings, rho, key, job.own, progress=job.progress))


def _network(job: Job) -> Outcome:
    """The quantised network, from the float one on."""
    start, widths = load_network(job.needs["start"]), tuple(job.settings["widths"])
    key = fold_in(job.key, "network", *widths, str(start.rho))
    return _save(job, train_quantised(start, job.dataset.train, job.model, job.train_settings, widths, key, job.own, progress=job.progress))


def _reference(job: Job) -> Outcome:
    """The reference posterior of the held-out stimuli under the source's decoder."""
    model = build_model(job.model, load_network(job.needs["source"]).decoder_array)
    stimuli, _ = job.stimuli(job.settings["stimuli"])
    reference = model.reference(stimuli, fold_in(job.key, "reference"), progress=job.progress)
    arrays, facts = reference.to_arrays()
    path = job.temporary()
    save_file(arrays, path, metadata=facts)
    return {"diagnostics": facts | _diagnostics(reference)}, path


def _diagnostics(reference: Reference) -> dict[str, Any]:
    found = reference.diagnostics
    if found is None:
        return {}
    return {"max_rhat": found.max_rhat, "min_ess_per_draw": found.min_ess_per_draw, "max_thinning": int(found.thinning.max())}


@functools.lru_cache(maxsize=2)
def _load_reference(path: Path) -> Reference:
    with safe_open(path, framework="np") as file:
        facts = file.metadata()
    return Reference.from_arrays(load_file(path), facts)


@functools.lru_cache(maxsize=2)
def _yardstick(path: Path, reads: int, directions: int, key: int) -> Yardstick:
    reference = _load_reference(path)
    sets = (reference.subset(0, reads), reference.subset(1, reads))
    return Yardstick(sets, reference.mean, reference.sd, directions=directions, key=fold_in(key, "directions"))


_CALIBRATION_STIMULI = 256  # of the training set, for converters whose range is calibrated


class _Panel:
    """The yardstick and the measures beside it, for one reference and one set of measure settings."""

    def __init__(self, job: Job) -> None:
        self.job, self.measure = job, job.settings["measure"]
        path = job.needs["reference"]
        self.reads = self.measure["reads"]
        self.reference = _load_reference(path)
        self.yardstick = _yardstick(path, self.reads, self.measure["directions"], job.key)
        self.stimuli, self.labels = job.stimuli(self.measure["stimuli"])
        self.read_key = fold_in(job.key, "reads")

    def distances(self, values: Floats) -> dict[str, list[float]]:
        found = self.yardstick.distance(values)
        return {"d": _list(found.total), "d_axes": _list(found.axes), "d_projections": _list(found.projections)}

    def measures(self, values: Floats, step: float, decoder: Floats) -> tuple[dict[str, list[float]], dict[str, Any]]:
        """Per-stimulus measures, and arrays for pictures: mean and sd of chip and reference (stimulus, neuron)."""
        reference = self.reference
        draws, pair = reference.subset(0, self.reads), {"inputs": self.stimuli, "dictionary": decoder}
        found = compare(values, reference.mean, reference.covariance, draws, step=step, **pair)
        named = self.distances(values) | {name: _list(array) for name, array in found.per_stimulus().items()}
        pictures = {"mean": found.chip_mean, "sd": found.chip_sd, "reference_mean": reference.mean, "reference_sd": reference.sd}
        return named, {name: np.ascontiguousarray(array, np.float32) for name, array in pictures.items()}

    def accuracy(self, sample: Callable[[Floats, int, int], Floats], values: Floats) -> list[float] | None:
        """Share of reads of each stimulus that a linear read-out, fitted on one read of every training stimulus, classifies rightly."""
        labels = self.job.dataset.train_labels
        if labels is None:
            return None
        single = sample(self.job.dataset.train, 1, fold_in(self.job.key, "read-out"))[:, 0]
        spread = single.std(0) + 1e-9
        fitted = LogisticRegression(max_iter=2000).fit(single / spread, labels)
        flat = fitted.predict((values / spread).reshape(-1, values.shape[2])).reshape(values.shape[:2])
        return _list((flat == self.labels[:, None]).mean(1))


def _list(array: Any) -> list[float]:
    return [float(value) for value in array]


def _blind(job: Job) -> Outcome:
    """D of draws that ignore the stimulus."""
    found = _Panel(job).yardstick.blind(fold_in(job.key, "blind"))
    return {"d": _list(found.total), "d_axes": _list(found.axes), "d_projections": _list(found.projections)}, None


def _full(job: Job) -> Outcome:
    """D and measures of the float network's own samples."""
    trained = load_network(job.needs["network"])
    panel, chip = _Panel(job), FloatChip(float_program(trained))
    values = chip.sample(panel.stimuli, panel.reads, panel.read_key).values
    named, pictures = panel.measures(values, 0.0, trained.decoder_array)
    accuracy = panel.accuracy(lambda x, reads, key: chip.sample(x, reads, key).values, values)
    save_file(pictures, job.temporary())
    return {"measures": named, "accuracy": accuracy}, job.temporary()


def _point(job: Job) -> Outcome:
    """One cell: the network on the chip at this noise, its samples measured and its joules counted."""
    trained = load_network(job.needs["network"])
    program, decoder = export_program(trained), trained.decoder_array
    hardware = Hardware.from_table(job.settings["hardware"]).with_precision(
        weight_bits=program.weight_bits, input_bits=program.input.bits, output_bits=program.output.bits
    )
    panel = _Panel(job)
    data = job.dataset.train[:_CALIBRATION_STIMULI]
    chip = Chip(program, hardware, job.settings["noise"], chip_key=fold_in(job.key, "chip"), calibration=data)
    samples = chip.sample(panel.stimuli, panel.reads, panel.read_key)
    values = samples.values
    named, pictures = panel.measures(values, program.output.step, decoder)
    named["elbo_nat"] = _list(_elbo(values, panel.stimuli, decoder, job.model, chip.noise * program.sigma))
    accuracy = panel.accuracy(lambda x, reads, key: chip.sample(x, reads, key).values, values)
    energy = hardware.energy(samples.operations, program.rho)
    save_file(pictures, job.temporary())
    reads = panel.reads * len(panel.stimuli)
    bill = {"parts_j": {part: joules / reads for part, joules in energy.parts.items()}, "flags": list(energy.flags)}
    result = {"measures": named, "accuracy": accuracy, "energy": bill, "saturated_share": trained.result.saturated_share}
    return result, job.temporary()


def _elbo(values: Floats, x: Floats, decoder: Floats, model: ModelSettings, sigma: Floats) -> Floats:
    """ELBO per stimulus, nats: log joint averaged over reads plus the entropy of the noise before the quantiser; NaN at sigma = 0."""
    if np.any(sigma == 0):
        return np.full(len(x), np.nan)
    built = build_model(model, decoder)
    pairs = zip(x, values, strict=True)
    joint = np.array([built.log_joint(np.broadcast_to(one, (len(reads), len(one))), reads).mean() for one, reads in pairs])
    return joint + float(np.sum(0.5 * np.log(2 * np.pi * np.e) + np.log(sigma)))


_KINDS: dict[str, Callable[[Job], Outcome]] = {
    "decoder": _decoder,
    "float": _float,
    "network": _network,
    "reference": _reference,
    "blind": _blind,
    "full": _full,
    "point": _point,
}

"""What each kind of task does.

Runs in a worker: settings and files of earlier tasks in, result and one file out.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from stochsim.accounting import adc_flags
from stochsim.chip import Chip, CoarseAdcWarning, FloatChip, with_output_format
from stochsim.controls import ControlCase, control_samples
from stochsim.energy import Operations
from stochsim.keys import fold_in
from stochsim.lowering import float_program, to_program
from stochsim.models import Reference, build_model, elbo
from stochsim.networks import ARCHITECTURES, ArchitectureFacts, Sigma
from stochsim.program import Program
from stochsim.settings import StochsimError
from stochsim.studies.chip_evidence import chip_elbo
from stochsim.studies.job import Job, Progress
from stochsim.studies.measures import Panel, as_list
from stochsim.studies.stored_effective import operations_to_json
from stochsim.training import (
    TrainedNetwork,
    TrainingDiverged,
    learn_decoder,
    load_network,
    train_float,
    train_quantised,
)

Floats = NDArray[np.floating]
Outcome = tuple[dict[str, Any], Path | None]
CALIBRATION_STIMULI = 256
"""Stimuli of the training set on which ADCs whose range is calibrated are set."""


def run_task(job: dict[str, Any], folder: Path, progress: Progress) -> Outcome:
    """Do one task; returns its result (JSON values) and the temporary path of its artifact.

    A training that diverges keeps its last good network beside the artifacts; the StochsimError
    names the file.
    """
    ready = Job(job, folder, progress)
    try:
        return _KINDS[job["kind"]](ready)
    except TrainingDiverged as error:
        raise StochsimError(f"{error}; it is kept in {_kept(ready, error)}") from None


def _kept(job: Job, error: TrainingDiverged) -> Path:
    path = job.artifacts / f"diverged-{job.hash}.safetensors"
    error.trained.save(job.temporary())
    os.replace(job.temporary(), path)
    return path


def _save(job: Job, trained: TrainedNetwork) -> Outcome:
    path = job.temporary()
    left = trained.result
    trained.save(path)
    price = {"c": left.c, "s": left.s, "nats_per_joule": left.nats_per_joule}
    return {"terms": left.terms, "saturated_share": left.saturated_share, "price": price}, path


def _decoder(job: Job) -> Outcome:
    """A float network and its decoder, learned together at rho = 0."""
    trained = learn_decoder(
        job.dataset.train,
        job.model,
        job.train_settings,
        fold_in(job.key, "decoder"),
        progress=job.progress,
    )
    return _save(job, trained)


def _float(job: Job) -> Outcome:
    """The float network of this architecture at this rho, from the decoder's network on."""
    start = load_network(job.needs["decoder"])
    rho = job.settings["rho"]
    trained = train_float(
        start,
        job.dataset.train,
        job.model,
        job.train_settings,
        rho,
        fold_in(job.key, "float", str(rho)),
        learns_decoder=job.learns_decoder,
        architecture=job.architecture,
        hardware=job.hardware,
        progress=job.progress,
    )
    return _save(job, trained)


def _network(job: Job) -> Outcome:
    """The quantised network, from the float one on."""
    start = load_network(job.needs["start"])
    widths = tuple(job.settings["widths"])
    trained = train_quantised(
        start,
        job.dataset.train,
        job.model,
        job.train_settings,
        widths,
        fold_in(job.key, "network", *widths, str(start.rho)),
        learns_decoder=job.learns_decoder,
        method=job.settings["method"],
        layer_bits=job.settings.get("layer_bits"),
        weight_format=job.settings.get("weight_format"),
        input_format=job.settings.get("input_format"),
        hardware=job.hardware,
        progress=job.progress,
    )
    return _save(job, trained)


def _reference(job: Job) -> Outcome:
    """The reference posterior of the held-out stimuli under the source's decoder."""
    model = build_model(job.model, load_network(job.needs["source"]).decoder_array)
    stimuli, _ = job.stimuli(job.settings["stimuli"])
    reference = model.reference(stimuli, fold_in(job.key, "reference"), progress=job.progress)
    path = job.temporary()
    reference.save(path)
    return {"diagnostics": reference.facts | _diagnostics(reference)}, path


def _diagnostics(reference: Reference) -> dict[str, Any]:
    found = reference.diagnostics
    if found is None:
        return {}
    return {
        "max_rhat": found.max_rhat,
        "min_ess_per_draw": found.min_ess_per_draw,
        "max_thinning": int(found.thinning.max()),
    }


def _prior_samples(job: Job) -> Outcome:
    """D of draws that ignore the stimulus."""
    found = Panel(job).to_posterior.blind(fold_in(job.key, "blind"))
    return {
        "d": as_list(found.total),
        "d_axes": as_list(found.axes),
        "d_projections": as_list(found.projections),
    }, None


def _float_samples(job: Job) -> Outcome:
    """D and measures of the float network's samples at this noise."""
    trained = load_network(job.needs["network"])
    panel = Panel(job)
    chip = FloatChip(float_program(trained), job.settings["noise"])
    values = chip.sample(panel.stimuli, panel.reads, panel.read_key).values
    sigma = None
    if _facts(trained).sigma is not Sigma.UNKNOWN:
        sigma = chip.sigma_scale * chip.moments(panel.stimuli)[1]
    accuracy = panel.accuracy(lambda x, reads, key: chip.sample(x, reads, key).values, values)
    return _measured(job, panel, values, sigma, trained.decoder_array, accuracy=accuracy)


def _control(job: Job) -> Outcome:
    """Samples of a control, measured as the float network's are."""
    trained = load_network(job.needs["network"])
    panel = Panel(job)
    case = ControlCase(
        trained=trained,
        model=job.model,
        stimuli=panel.stimuli,
        reads=panel.reads,
        key=panel.read_key,
        train_stimuli=job.dataset.train,
        settings=job.train_settings,
        circuit=job.architecture,
        progress=job.progress,
    )
    found = control_samples(job.settings["control"], case)
    return _measured(
        job,
        panel,
        found.values,
        found.sigma,
        trained.decoder_array,
        accuracy=None,
        facts=found.facts,
    )


def _measured(
    job: Job, panel: Panel, values: Floats, sigma: Floats | None, decoder: Floats, **more: Any
) -> Outcome:
    """Measures of float samples, and their pictures."""
    named, pictures = panel.measures(values, 0.0, decoder)
    named["elbo_nat"] = as_list(elbo(values, panel.stimuli, decoder, job.model, sigma))
    save_file(pictures, job.temporary())
    return {"measures": named, **more}, job.temporary()


def _chip_samples(job: Job) -> Outcome:
    """One cell: the network on the chip at this noise, its samples measured and its joules counted.

    D is of the reads as they are: where they depend on each other, it is too large by what their
    effective samples say. Where a setting says so, a sample is the mean of several reads,
    `average`; joules and operations stay those of one read.
    """
    trained = load_network(job.needs["network"])
    decoder = trained.decoder_array
    chip = _chip(job, to_program(trained))
    name = job.settings.get("output_format")
    if name is not None:
        key = fold_in(job.key, "output format")
        x = job.dataset.train
        chip = _chip(job, with_output_format(chip.program, chip.hardware, name, x, key))
    panel = Panel(job)
    average: int = job.settings.get("average", 1)
    samples = chip.sample(
        panel.stimuli,
        panel.reads * average,
        panel.read_key,
        steps_between_reads=panel.steps_between_reads,
    )
    values = _averaged(samples.values, average)
    assert samples.codes is not None
    named, pictures = panel.measures(values, chip.program.output.step / average, decoder)
    bound = chip_elbo(chip, samples.codes, average, panel.stimuli, decoder, job.model)
    named["elbo_nat"] = as_list(bound)
    accuracy = panel.accuracy(
        lambda x, reads, key: _averaged(chip.sample(x, reads * average, key).values, average),
        values,
    )
    save_file(pictures, job.temporary())
    return {
        "measures": named,
        "accuracy": accuracy,
        **_costs(chip, samples.operations, panel.reads * average * len(panel.stimuli)),
        "saturated_share": trained.result.saturated_share,
        **panel.effective(chip, values),
    }, job.temporary()


def _chip(job: Job, program: Program) -> Chip:
    """The chip of a cell, as wide as the network; ranges are set on stimuli of the training set.

    Its key is that of the axis `chip_key`; without the axis it follows from the study's key.
    """
    assert job.hardware is not None
    hardware = job.hardware.with_precision(
        weight_bits=program.weight_bits,
        input_bits=program.input.bits,
        output_bits=program.first.output.bits,  # a deep network's hidden codes
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoarseAdcWarning)  # a flag of the result says it
        return Chip(
            program,
            hardware,
            job.settings["noise"],
            chip_key=job.settings.get("chip_key", fold_in(job.key, "chip")),
            calibration=job.dataset.train[:CALIBRATION_STIMULI],
        )


def _costs(chip: Chip, operations: Operations, reads: int) -> dict[str, Any]:
    """The bill and the operations of one read of all `reads`; flags of prices, and of ADCs that are
    coarse against the training set.
    """
    energy = chip.hardware.energy(operations, chip.program.rho)
    return {
        "energy": {
            "parts_j": {part: joules / reads for part, joules in energy.parts.items()},
            "flags": [*energy.flags, *adc_flags(chip.adc_use)],
        },
        "operations": operations_to_json(operations, reads),
    }


def _averaged(values: Floats, count: int) -> Floats:
    """Means of `count` reads in a row: (stimulus, count · n, neuron) to (stimulus, n, neuron)."""
    if count == 1:
        return values
    return values.reshape(len(values), -1, count, values.shape[2]).mean(axis=2)


def _facts(trained: TrainedNetwork) -> ArchitectureFacts:
    return ARCHITECTURES[trained.network.settings.architecture.kind]


_KINDS: dict[str, Callable[[Job], Outcome]] = {
    "decoder": _decoder,
    "float": _float,
    "network": _network,
    "reference": _reference,
    "prior_samples": _prior_samples,
    "float_samples": _float_samples,
    "control": _control,
    "chip_samples": _chip_samples,
}

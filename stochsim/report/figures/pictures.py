"""Figures of many points or pixels: chip against reference moments, and the dictionary as
pictures.
"""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from safetensors.numpy import load_file

from stochsim.data import load_dataset
from stochsim.report import text as words
from stochsim.report.figures.style import INK, PART_COLOURS, QUIET, new_figure, styled
from stochsim.report.variants import bits_words, is_varied, network_words
from stochsim.studies import Result, Results, used_elements

Floats = NDArray[np.floating]
MOST_POINTS = 4096
_GAP_PIXELS = 1


def scatter_settings(results: Results) -> list[Result]:
    """Three finished cells at the headline noise and the smallest ρ: fewest bits, a middle width,
    most bits.

    Of several architectures one cell each: its float network, or most bits where there is none (of
    the last method).
    """
    rho = min(results.study.grid.rho)
    noise = words.nearest_noise(results)
    here = [
        row for row in results.summary if not row.control and (row.rho, row.noise) == (rho, noise)
    ]
    if is_varied(results, "architecture"):
        last = {row.architecture: row for row in here}
        return [last[kind] for kind in results.study.grid.architecture if kind in last]
    rows = words.results_at(results, rho, noise) or here
    return [rows[index] for index in sorted({0, len(rows) // 2, len(rows) - 1})] if rows else []


@styled
def scatter_figure(results: Results) -> Figure:
    """Mean and sd of the chip's reads against the reference, a point per stimulus and neuron (a
    subsample where there are many).
    """
    picked = scatter_settings(results)
    figure, axes = new_figure(2, max(1, len(picked)), 6.4)
    for column, row in enumerate(picked):
        pictures = results.pictures(row.cells[0])
        used = results.used(row.cells[0])
        pairs = {
            "mean": (pictures.reference_mean, pictures.mean, PART_COLOURS["multiply"]),
            "sd": (pictures.reference_sd, pictures.sd, PART_COLOURS["converter"]),
        }
        for (name, (reference, chip, colour)), line in zip(pairs.items(), axes, strict=True):
            _cloud(line[column], reference, chip, used, colour, name)
        axes[0][column].set_title(_title(results, row), loc="left")
    axes[0][0].set_ylabel("mean of the chip's reads")
    axes[1][0].set_ylabel("sd of the chip's reads")
    return figure


def _title(results: Results, row: Result) -> str:
    named = network_words(results, row.architecture, settings=row.chip_settings)
    return ", ".join(
        part for part in (named, bits_words(row), f"noise {words.noise_label(row.noise)}") if part
    )


def _cloud(
    ax: Axes, reference: Floats, chip: Floats, used: NDArray[np.bool_], colour: str, name: str
) -> None:
    """Points of (stimulus, neuron); those of unused elements, whose posterior is the prior, are
    hollow, and no part of the correlation.
    """
    stride = max(1, math.ceil(reference.size / MOST_POINTS))
    x, y = reference.ravel()[::stride], chip.ravel()[::stride]
    filled = np.broadcast_to(used, reference.shape).ravel()[::stride]
    low, high = (min(float(x.min()), float(y.min())), max(float(x.max()), float(y.max())))
    margin = 0.04 * (high - low) + 1e-9
    ax.plot([low, high], [low, high], color=INK, lw=0.9, zorder=1)
    ax.scatter(x[filled], y[filled], s=5, color=colour, alpha=0.28, linewidths=0, zorder=2)
    ax.scatter(
        x[~filled], y[~filled], s=7, facecolors="none", edgecolors=QUIET, linewidths=0.4, zorder=2
    )
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(low - margin, high + margin)
    ax.set_aspect("equal")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel(f"{name} of the reference")
    ax.annotate(
        agreement_words(reference, chip, used),
        (0.04, 0.96),
        xycoords="axes fraction",
        va="top",
        fontsize=9,
        color=QUIET,
    )


def agreement_words(reference: Floats, chip: Floats, used: NDArray[np.bool_]) -> str:
    """The correlation of chip with reference (stimulus, neuron) over the neurons of used elements,
    which are counted where some are not.
    """
    reference, chip = reference[:, used], chip[:, used]
    where = "" if used.all() else f", {used.sum()} of {used.size} elements"
    if np.std(chip) == 0 or np.std(reference) == 0:
        return f"constant{where}"
    found = float(np.corrcoef(reference.ravel(), chip.ravel())[0, 1])
    return f"correlation {words.number(found, '.2f')}{where}"


def dictionary_pictures(results: Results) -> tuple[Floats, Floats]:
    """The learned dictionary in pixels (neuron, size, size), strongest element first, and the
    elements' norms in whitened inputs.
    """
    artifact = results.decoder_task.artifact
    assert artifact is not None
    decoder = load_file(artifact)["decoder"].astype(np.float64)  # (inputs, neurons)
    data = results.study.data
    norms = np.linalg.norm(decoder, axis=0)
    order = np.argsort(-norms, kind="stable")
    whitening = load_dataset(
        data.kind, data.size, data.components, min(results.study.grid.keys)
    ).whitening
    return whitening.to_pixels(decoder.T[order]).reshape(-1, data.size, data.size), norms[order]


def unused_elements(results: Results) -> int:
    """Elements of the first key's dictionary that are not used, as `used_elements` decides."""
    artifact = results.decoder_task.artifact
    assert artifact is not None
    return int((~used_elements(load_file(artifact)["decoder"])).sum())


@styled
def dictionary_figure(results: Results) -> Figure:
    """Every dictionary element as a picture, each on its own symmetric grey scale, sorted by norm,
    and the norms beside them.
    """
    pictures, norms = dictionary_pictures(results)
    columns = min(len(pictures), 16)
    mosaic = _mosaic(pictures, columns)
    height = 7.0 * mosaic.shape[0] / mosaic.shape[1]
    figure, axes = new_figure(1, 2, max(1.6, height + 0.35), width_ratios=[7.0, 1.9])
    picture, curve = axes[0]
    picture.imshow(
        np.ma.masked_invalid(mosaic), cmap="gray", vmin=-1, vmax=1, interpolation="nearest"
    )
    picture.set_axis_off()
    curve.plot(np.arange(1, len(norms) + 1), norms, color=PART_COLOURS["multiply"], lw=1.8)
    curve.set_ylim(bottom=0)
    curve.set_xlabel("element")
    curve.set_title("norm, whitened units", color=QUIET, loc="left", fontsize=10)
    return figure


def _mosaic(pictures: Floats, columns: int) -> Floats:
    """Pictures (neuron, size, size) side by side with gaps of NaN, each scaled to [-1, 1] by its
    own largest pixel.

    An unused element would show amplified noise, so no scale is finer than a tenth of the coarsest.
    """
    finest = max(0.1 * float(np.abs(pictures).max()), 1e-12)
    size = pictures.shape[1]
    rows = -(-len(pictures) // columns)
    step = size + _GAP_PIXELS
    mosaic = np.full((rows * step - _GAP_PIXELS, columns * step - _GAP_PIXELS), np.nan)
    for index, picture in enumerate(pictures):
        top, left = step * (index // columns), step * (index % columns)
        mosaic[top : top + size, left : left + size] = picture / max(
            float(np.abs(picture).max()), finest
        )
    return mosaic

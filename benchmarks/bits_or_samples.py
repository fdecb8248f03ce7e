"""Bits or samples: at a fixed number of joules per stimulus, are they better spent on more bits or
on more reads?

Sparse codes of handwritten digits by a single-layer network, quantised to one width throughout, on
two chips: digital (weights from SRAM, read once per stimulus or anew at every read) and an
in-memory array (weights stay in its cells). For every width and number of reads K: D, the distance
of these K reads from the posterior, as they are (so with the error of having few); and the share of
held-out digits that a linear read-out classifies rightly from the mean of K reads, fitted on means
of K reads of the training digits. The front: settings that no cheaper one beats.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _bench import Figure, Options, main
from sklearn.linear_model import LogisticRegression

from stochsim.chip import Chip
from stochsim.data import Dataset, evaluation_stimuli, load_dataset
from stochsim.energy import format_energy
from stochsim.hardware import Hardware, Memory, preset
from stochsim.keys import fold_in
from stochsim.lowering import to_program
from stochsim.models import SparseCoding, build_model
from stochsim.posterior import Estimate, PosteriorDistance, mean_estimate
from stochsim.training import TrainedNetwork, TrainSettings, learn_decoder, train_quantised

BITS = (1, 2, 3, 4, 5, 6, 8)
MOST_READS = 1024  # the n of every distance; fewer reads stand for as many equal shares of it
READS = tuple(2**k for k in range(11))
AVERAGED = READS[:9]
STEPS = 1500
STIMULI = 64
BUDGETS_J = (1e-10, 3e-10, 1e-9, 3e-9, 1e-8, 3e-8, 1e-7, 3e-7)
MODEL = SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)
CHIPS = {
    "digital, weights read once per stimulus": preset("digital-45nm"),
    "digital, weights read at every read": preset("digital-45nm").replace(
        memory=Memory(weights_read="read")
    ),
    "in-memory array": preset("in-memory-28nm"),
}


@dataclass(frozen=True, eq=False)
class Setting:
    """Bits and reads of one chip: joules per stimulus, D of each stimulus and which digits were
    classified rightly, keys stacked.
    """

    bits: int
    reads: int
    joules: float
    d: np.ndarray
    right: np.ndarray

    @property
    def name(self) -> str:
        """As the table names it."""
        return f"{width_words(self.bits)} x {self.reads} read{'s' if self.reads > 1 else ''}"


def width_words(bits: int) -> str:
    """A width as figures and table name it."""
    return f"{bits} bit{'s' if bits > 1 else ''}"


@dataclass(frozen=True)
class Answer:
    """What one key's network gives at one width, whatever the joules are: by reads, (stimulus,) and
    (digit,).
    """

    program: Any
    stimuli: np.ndarray
    d: dict[int, np.ndarray]
    right: dict[int, np.ndarray]


def answers(key: int, widths: Iterable[int]) -> dict[int, Answer]:
    """Every width's answers for this key; all face one posterior."""
    data = load_dataset("digits", size=8, components=48, key=key)
    stimuli = data.held_out[evaluation_stimuli(data, STIMULI, key)]
    full = learn_decoder(data.train, MODEL, TrainSettings(steps=STEPS), key)
    reference = build_model(MODEL, full.decoder_array).reference(stimuli, key)
    to_posterior = PosteriorDistance(
        (reference.subset(0, MOST_READS), reference.subset(1, MOST_READS)),
        reference.mean,
        reference.sd,
    )
    return {bits: _answer(full, data, stimuli, to_posterior, bits, key) for bits in widths}


def _answer(
    full: TrainedNetwork,
    data: Dataset,
    stimuli: np.ndarray,
    to_posterior: PosteriorDistance,
    bits: int,
    key: int,
) -> Answer:
    program = to_program(
        train_quantised(full, data.train, MODEL, TrainSettings(steps=STEPS), (bits,) * 3, key)
    )
    chip = Chip(program, preset("digital-45nm").with_precision(bits, bits, bits))

    def sample(x: np.ndarray, reads: int, name: str) -> np.ndarray:
        return chip.sample(x, reads, fold_in(key, name), count=False).values

    values = sample(stimuli, MOST_READS, "reads")
    shares = {reads: as_shares(values[:, :reads], MOST_READS) for reads in READS}
    d = {reads: to_posterior.distance(share).total for reads, share in shares.items()}
    train, held_out = (
        running_means(chip, x, fold_in(key, name))
        for x, name in ((data.train, "train"), (data.held_out, "held out"))
    )
    return Answer(
        program,
        stimuli,
        d,
        {reads: classified(train[reads], held_out[reads], data) for reads in AVERAGED},
    )


def as_shares(values: np.ndarray, reads: int) -> np.ndarray:
    """K reads (stimulus, K, neuron) as `reads` equal shares of them: the same law, (stimulus,
    reads, neuron).
    """
    return np.repeat(values, reads // values.shape[1], axis=1)


def running_means(chip: Chip, x: np.ndarray, key: int) -> dict[int, np.ndarray]:
    """Means of the first K reads of every stimulus, (stimulus, neuron), for each K of AVERAGED."""
    values = chip.sample(x, max(AVERAGED), key, count=False).values
    return {reads: values[:, :reads].mean(axis=1, dtype=np.float64) for reads in AVERAGED}


def classified(train: np.ndarray, held_out: np.ndarray, data: Dataset) -> np.ndarray:
    """1 where a linear read-out names the held-out digit rightly, else 0: (digit,)."""
    sd = train.std(0) + 1e-9
    fitted = LogisticRegression(max_iter=2000).fit(train / sd, data.train_labels)
    return np.asarray(fitted.predict(held_out / sd) == data.held_out_labels, float)


def settings_on(hardware: Hardware, found: list[dict[int, Answer]]) -> list[Setting]:
    """Every width and number of reads on this chip, keys together; joules per stimulus, reliability
    included, are means over keys.
    """
    settings = []
    for bits in found[0]:
        chip = hardware.with_precision(bits, bits, bits)
        for reads in READS:
            joules = [chip_joules(chip, each[bits], reads) for each in found]
            d = np.stack([each[bits].d[reads] for each in found])
            right = np.stack([each[bits].right.get(reads, np.array([np.nan])) for each in found])
            settings.append(Setting(bits, reads, float(np.mean(joules)), d, right))
    return settings


def chip_joules(hardware: Hardware, answer: Answer, reads: int) -> float:
    """Joules of `reads` reads of one stimulus."""
    operations = Chip(answer.program, hardware).operations(answer.stimuli[:1], reads)
    return hardware.energy(operations, answer.program.rho).all_operations_j


def front(settings: list[Setting], error: Callable[[Setting], float]) -> list[Setting]:
    """Settings that none of at most their joules beats in this error, by rising joules."""
    best: list[Setting] = []
    for one in sorted(settings, key=lambda each: (each.joules, error(each))):
        if not np.isnan(error(one)) and (not best or error(one) < error(best[-1])):
            best.append(one)
    return best


def best_within(
    settings: list[Setting], joules: float, error: Callable[[Setting], float]
) -> Setting | None:
    """The setting of least error that these joules pay for."""
    within = [one for one in front(settings, error) if one.joules <= joules]
    return within[-1] if within else None


def distance(setting: Setting) -> float:
    """Mean D."""
    return float(setting.d.mean())


def misread(setting: Setting) -> float:
    """Share of held-out digits classified wrongly."""
    return 1 - float(setting.right.mean())


def _estimate(values: np.ndarray) -> Estimate:
    return mean_estimate(values if len(values) > 1 else values[0], fold_in(0, "bits or samples"))


def budget_figures(name: str, settings: list[Setting]) -> list[Figure]:
    """The best setting under each budget, by D and by accuracy."""
    figures = []
    for joules in BUDGETS_J:
        for what, error in (("D", distance), ("accuracy", misread)):
            best = best_within(settings, joules, error)
            if best is not None:
                found = _estimate(best.d if what == "D" else best.right)
                unit, better = ("posterior sd", "lower") if what == "D" else ("1", "higher")
                label = f"{name}, {format_energy(joules)} per stimulus, best {what}: {best.name}"
                values = (found.value, found.low, found.high, unit)
                figures.append(Figure(label, *values, better=better))  # type: ignore[arg-type]
    return figures


def measure(options: Options) -> list[Figure]:
    """Three keys; one and fewer widths with --quick."""
    widths = (1, 2, 4, 8) if options.quick else BITS
    found = [answers(key, widths) for key in range(1 if options.quick else 3)]
    by_chip = {name: settings_on(hardware, found) for name, hardware in CHIPS.items()}
    figures = [
        figure for name, settings in by_chip.items() for figure in budget_figures(name, settings)
    ]
    for name, settings in by_chip.items():
        for what, error in (("D", distance), ("accuracy", misread)):
            figures += rule_figures(f"{name}, front of {what}", front(settings, error))
        figures += share_figures(name, settings)
    if options.out is not None:
        picture(by_chip).savefig(options.out / "bits_or_samples.png", dpi=150)
    return figures


def rule_figures(name: str, line: list[Setting]) -> list[Figure]:
    """How bits and reads grow along a front, per tenfold joules: slopes of a line through its
    settings.
    """
    x = np.log10([one.joules for one in line])
    if np.ptp(x) == 0:
        return []
    bits = float(np.polyfit(x, [one.bits for one in line], 1)[0])
    reads = float(np.polyfit(x, np.log2([one.reads for one in line]), 1)[0])
    return [
        Figure(f"{name}: bits gained per tenfold joules", bits, bits, bits, "bits"),
        Figure(f"{name}: doublings of reads per tenfold joules", reads, reads, reads, "doublings"),
    ]


def share_figures(name: str, settings: list[Setting]) -> list[Figure]:
    """How much of D squared is due to having few reads, where along the front of D one width gives
    way to a larger one.

    Below that share more reads are not worth their joules: more bits are.
    """
    line = front(settings, distance)
    lasting = {one.bits: np.square(one.d).mean() for one in settings if one.reads == MOST_READS}
    due = {one: 1 - float(lasting[one.bits] / np.square(one.d).mean()) for one in line}
    figures = []
    for bits in sorted(lasting)[:-1]:
        own = [one for one in line if one.bits == bits]
        if own and line.index(own[-1]) < len(line) - 1:
            last = due[own[-1]]
            label = (
                f"{name}: share of D^2 due to few reads at the last setting of "
                f"{width_words(bits)} on the front ({own[-1].name})"
            )
            figures.append(Figure(label, last, last, last, "1"))
    return figures


def picture(by_chip: dict[str, list[Setting]]) -> Any:
    """D and accuracy against joules: a line per width over its reads, and the front."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure as Sheet
    from matplotlib.ticker import FuncFormatter

    sheet = Sheet(figsize=(4.6 * len(by_chip), 8), layout="constrained")
    rows = sheet.subplots(2, len(by_chip), sharex=True, sharey="row")
    for place, (name, settings) in enumerate(by_chip.items()):
        column = rows[:, place]
        widths = sorted({one.bits for one in settings})
        for axes, error, label in zip(
            column,
            (distance, misread),
            ("D of the reads [posterior sd]", "digits misread"),
            strict=True,
        ):
            for shade, bits in zip(np.linspace(0, 0.88, len(widths)), widths, strict=True):
                line = [one for one in settings if one.bits == bits and not np.isnan(error(one))]
                look = {"color": colormaps["viridis"](shade), "lw": 1, "label": width_words(bits)}
                axes.plot([one.joules for one in line], [error(one) for one in line], ".-", **look)
            best = front(settings, error)
            axes.plot(
                [one.joules for one in best],
                [error(one) for one in best],
                "o",
                mfc="none",
                mec="black",
                ms=8,
                label="front",
            )
            axes.set(xscale="log", yscale="log", ylabel="" if place else label)
            axes.xaxis.set_major_formatter(
                FuncFormatter(lambda joules, _: format_energy(joules, 1))
            )
            for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                which(
                    FuncFormatter(
                        lambda value, _: f"{value:.2g}" if f"{value:.0e}"[0] in "12346" else ""
                    )
                )
        column[0].set_title(name, fontsize=10)
        column[1].set_xlabel("energy per stimulus")
    rows[0, -1].legend(frameon=False, fontsize=9)
    return sheet


if __name__ == "__main__":
    main(__doc__, measure)

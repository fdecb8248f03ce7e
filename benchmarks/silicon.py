"""How near do modelled joules come to those of chips that were built and measured?

Five compute-in-memory macros (Colonnade, Jia, NeuRRAM, Sinangil, Wang), each a file of sourced
parameters; one parameter at most is fitted, to points that the file names, and none for Jia and
Wang. Every figure here is over the other rows of published measurements; rows that a parameter was
read from do not count either. Within: 20 % of an energy of the whole macro or of a speed, a factor
of 1.5 of a part. Speeds rest on AccelForge's calibrations to the same figures: no predictions.
The null model has one energy per pass of the array and the square of the supply;
it starts from a measured energy everywhere, in Jia and Wang too. The models were written with these
figures at hand: only figures that nobody here has seen can test them blindly.

For the spread between machines a macro's fitted parameter stands at its prior (NeuRRAM's converter
has figures of its own chip all the same); it is what a bill of a chip that was not measured may be
off by. Published figures by way of AccelForge's notebooks; they do not come with the project and
are read from shared/data/silicon beside it.

What the macros' chips compute is held against what papers say of their outputs (last rows):
Colonnade's sums against integers; the errors of Jia's, Sinangil's and Wang's sums, of which no
noise is at hand, against the closed form of their converters' rounding; NeuRRAM against software
with weights of four bits, on digits of scikit-learn, for its own data sets are not here: accuracy
of a classifier, and the error of pictures that a restricted Boltzmann machine completes.
"""

import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from _bench import Figure, Options, main
from _silicon_accuracy import accuracy_figures

from stochsim.report.figures.style import INK, QUIET
from stochsim.silicon import (
    FEW,
    Score,
    confront_prices,
    confronted_prices,
    fit,
    largest_error,
    load_macro,
    macros,
    prior_spread,
    read_measured,
    recorded_spread,
    score,
)

FIGURES = Path(__file__).resolve().parents[2] / "shared" / "data" / "silicon"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
LEAST_SHARE, LEAST_MEAN, LEAST_SPEED = 0.6, 0.8, 0.8
MOST_LEFT_OUT = 2.0
RECORDED_TO = 1e-3


def exact(name: str, value: float, unit: str = "1", **more: Any) -> Figure:
    """A figure without an interval: of given rows."""
    return Figure(name, value, value, value, unit, **more)


def scores() -> list[Score]:
    """Every macro against the figures beside the project; fitted parameters as their points give
    them, which the files must have already.
    """
    found = []
    for name in macros():
        macro = load_macro(name)
        rows = read_measured(FIGURES / f"{name}.csv", macro)
        again = fit(macro, rows)
        for parameter, one in macro.fitted.items():
            value = again.parameters[parameter].value
            assert math.isclose(value, one.value, rel_tol=1e-5), (name, parameter, value)
        found.append(score(macro, rows))
    return found


def check_recorded(
    found: list[Score], machines: dict[str, float], prices: dict[str, dict[str, float]]
) -> None:
    """Raise AssertionError where the table that comes with stochsim says otherwise."""
    recorded = recorded_spread("machine").by_macro
    pairs = [(value, recorded[name]) for name, value in machines.items()]
    largest = [max(row.distance for row in one.predicted("energy")) for one in found]
    for one, own in zip(found, largest, strict=True):
        wanted = max(largest) if len(one.predicted("energy")) < FEW else own
        pairs.append((wanted, largest_error(one.macro) or math.inf))
    for name, ratios in prices.items():
        pairs += [(value, confronted_prices()[name][macro]) for macro, value in ratios.items()]
    assert all(math.isclose(*pair, rel_tol=RECORDED_TO, abs_tol=RECORDED_TO) for pair in pairs), (
        machines,
        prices,
    )


def figures_of(one: Score) -> list[Figure]:
    """Shares, errors and the null model's of one macro."""
    name = one.macro.name
    wholes = one.predicted("energy")
    ratios = sorted(row.ratio for row in wholes)
    found = [
        exact(
            f"{name}: energies within 20 %, of {len(wholes)}", one.share("energy"), bar=LEAST_SHARE
        ),
        Figure(
            f"{name}: modelled / measured, median and range of energies",
            statistics.median(ratios),
            ratios[0],
            ratios[-1],
            "1",
        ),
    ]
    bars = {
        "part": ("parts within a factor of 1.5", 1.0),
        "speed": ("speeds within 20 %, by AccelForge's calibration", LEAST_SPEED),
    }
    for kind, (words, bar) in bars.items():
        rows = one.predicted(kind)
        if rows:
            found.append(exact(f"{name}: {words}, of {len(rows)}", one.share(kind), bar=bar))
    if not math.isnan(one.log_rmse):
        null = f"null model {one.null_log_rmse:.3g}"
        found.append(
            exact(
                f"{name}: log RMSE of energies",
                one.log_rmse,
                baseline=null,
                bar=one.null_log_rmse,
                better="lower",
            )
        )
    return found


def by_supply(one: Score) -> list[Figure]:
    """Errors at each supply, and those of null models: with the square of the supply, and with the
    exponent that was fitted, where one was.
    """
    found = []
    name = one.macro.name
    rows = [row for row in one.predicted("energy") if not row.is_start]
    supplies = {row.row.conditions.get("voltage_v", one.macro.nominal_v) for row in rows}
    for volts in sorted(supplies) if len(supplies) > 1 else ():
        here = [row for row in rows if row.row.conditions["voltage_v"] == volts]
        errors = [log_rms(getattr(row, kind) / row.row.value for row in here) for kind in _BOTH]
        null = f"null model {errors[1]:.3g}, of {len(here)}"
        found.append(exact(f"{name} at {volts:g} V: log RMSE", errors[0], baseline=null))
    if "supply_exponent" in one.macro.parameters:
        steeper = one.macro.parameters["supply_exponent"].value - 2
        start = next(row for row in one.rows if row.is_start).row.conditions["voltage_v"]
        ratios = (
            row.null * (row.row.conditions["voltage_v"] / start) ** steeper / row.row.value
            for row in rows
        )
        found.append(exact(f"{name}: log RMSE of a null model with our exponent", log_rms(ratios)))
    return found


_BOTH = ("predicted", "null")


def log_rms(ratios: Iterable[float]) -> float:
    """Root mean square of logarithms."""
    return math.sqrt(statistics.fmean(math.log(one) ** 2 for one in ratios))


def measure(options: Options) -> list[Figure]:
    """All figures; --quick has fewer chips and stimuli where outputs are computed. Without the
    published figures the models' own at their usual conditions.
    """
    if not FIGURES.is_dir():
        print(f"no published figures at {FIGURES.name}/ beside the project: modelled energies only")
        return [
            *(
                exact(f"{name}: modelled energy per MAC", load_macro(name).at().per_mac_fj, "fJ")
                for name in macros()
            ),
            *accuracy_figures(options.quick),
        ]
    found = scores()
    if options.out is not None:
        picture(found, options.out / "silicon.png")
    spread = prior_spread(found)
    check_recorded(found, dict(spread.by_macro), confront_prices(found))
    shares = [one.share("energy") for one in found]
    figures = [
        exact("mean share of energies within 20 %", statistics.fmean(shares), bar=LEAST_MEAN)
    ]
    for one in found:
        figures += figures_of(one)
        figures += by_supply(one)
    for name in spread.by_macro:
        ratio = spread.left_out(name)
        off = max(ratio, 1 / ratio)
        words = f"{name}: factor off, calibrated by the other four alone"
        figures.append(exact(words, off, bar=MOST_LEFT_OUT, better="lower"))
    words = "joules of a machine that was not measured, over the modelled ones"
    middle = math.exp(-spread.mean)
    figures.append(Figure(words, middle, spread.low, spread.high, "1"))
    return [*figures, *accuracy_figures(options.quick)]


def picture(found: list[Score], path: Path) -> None:
    """silicon.png: modelled over measured, row by row, of energies, parts and speeds."""
    from matplotlib.figure import Figure as Picture

    sheet = Picture(figsize=(11, 4.6), layout="constrained")
    panels = sheet.subplots(1, 3, sharey=True, width_ratios=(3, 1.3, 3))
    kinds = {"energy": "energies of the whole macro", "part": "parts", "speed": "speeds"}
    for panel, (kind, title) in zip(panels, kinds.items(), strict=True):
        place = 0
        most = 1.5 if kind == "part" else 1.2
        panel.axhspan(1 / most if kind == "part" else 0.8, most, color=QUIET, alpha=0.12)
        panel.axhline(1, color=INK, lw=0.8)
        for one, colour in zip(found, COLOURS, strict=True):
            rows = [row for row in one.rows if row.row.kind == kind and row.row.is_scored]
            for is_given, face in ((False, colour), (True, "none")):
                points = [
                    (place + at, row.ratio)
                    for at, row in enumerate(rows)
                    if row.is_given == is_given and not math.isnan(row.ratio)
                ]
                if points:
                    xs, ys = zip(*points, strict=True)
                    panel.scatter(xs, ys, s=16, facecolor=face, edgecolor=colour)
            place += len(rows) + 2
        panel.set(title=title, yscale="log", ylim=(0.5, 2.0), xticks=(), xlabel="rows of a macro")
    panels[0].set_ylabel("modelled / measured")
    panels[0].set_yticks((0.5, 0.8, 1, 1.2, 1.5, 2), labels=("0.5", "0.8", "1", "1.2", "1.5", "2"))
    panels[0].minorticks_off()
    for one, colour in zip(found, COLOURS, strict=True):
        panels[0].scatter((), (), s=16, facecolor=colour, edgecolor=colour, label=one.macro.name)
    words = "a parameter was fitted to it or read from it"
    panels[0].scatter((), (), s=16, facecolor="none", edgecolor=INK, label=words)
    panels[0].legend(fontsize=8, loc="lower left")
    sheet.savefig(path, dpi=130)


if __name__ == "__main__":
    main(__doc__, measure)

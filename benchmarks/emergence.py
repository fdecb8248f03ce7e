"""Does a price on reliability give posterior samples, and how much do depth, recurrence and the
price law add? All at full precision.

Sparse coding of natural image patches: three architectures under C_rho, rho = 0, 1/2, 2/3, 1, 4/3,
2, with c = s = 1, and controls. All face one posterior (decoder shared and frozen); in a second
study each network learns its own decoder, where only D and the ELBO can be read. Differences are
paired: the same held-out stimuli and keys. Resumable: the same command goes on where it was
stopped.
"""

from itertools import pairwise

from _bench import Figure, Options, main
from _studies import Changes, figure, lower_end, publish, run_study

from stochsim.posterior import Estimate
from stochsim.report import ARCHITECTURE_WORDS
from stochsim.studies import Results

QUICK: Changes = {"grid": {"keys": [0], "rho": [0, 1, 2]}}
OWN: Changes = {"train": {"decoder": "own"}, "grid": {"rho": [0], "control": []}}


def order_figures(results: Results) -> list[Figure]:
    """D at rho = 0, the paired differences, and the measures beside D."""
    kinds = results.study.grid.architecture
    rows = {kind: results.find(kind) for kind in kinds}
    figures = [
        figure(
            f"{ARCHITECTURE_WORDS[kind]}: D",
            rows[kind].estimates["d"],
            "posterior sd",
            better="lower",
        )
        for kind in kinds
    ]
    for a, b in pairwise(kinds):
        name = f"D {ARCHITECTURE_WORDS[a]} less {ARCHITECTURE_WORDS[b]}, paired"
        figures.append(lower_end(name, results.difference(rows[a], rows[b]), unit="posterior sd"))
    for kind in kinds:
        bar = {"deep": 0.5, "recurrent": 0.7}.get(kind)
        figures.append(
            figure(
                f"{ARCHITECTURE_WORDS[kind]}: correlation of log sd",
                rows[kind].estimates["log_sd_correlation"],
                bar=bar,
            )
        )
    for kind in kinds:
        off = _off(rows[kind].estimates["coverage_90"], 0.9)
        bar = 0.05 if kind == "recurrent" else None
        figures.append(
            figure(f"{ARCHITECTURE_WORDS[kind]}: 90 % coverage off", off, bar=bar, better="lower")
        )
    return figures + [
        figure(f"{ARCHITECTURE_WORDS[kind]}: ELBO", rows[kind].estimates["elbo_nat"], "nat")
        for kind in kinds
    ]


def _off(estimate: Estimate, target: float) -> Estimate:
    """How far a coverage is from its target, with an interval."""
    ends = sorted(abs(end - target) for end in (estimate.low, estimate.high))
    return Estimate(
        abs(estimate.value - target),
        0.0 if estimate.low < target < estimate.high else ends[0],
        ends[1],
    )


def price_figures(results: Results) -> list[Figure]:
    """Along rho: the smallest paired rise of D from one rho to the next, and the log sd bias (sd
    too large is above 0).
    """
    figures = []
    rhos = sorted(results.study.grid.rho)
    for kind in results.study.grid.architecture:
        rows = [results.find(kind, rho=rho) for rho in rhos]
        rises = [results.difference(b, a) for a, b in pairwise(rows)]
        least = min(rises, key=lambda rise: rise.low)
        figures.append(
            lower_end(
                f"{ARCHITECTURE_WORDS[kind]}: least rise of D from one rho to the next",
                least,
                unit="posterior sd",
            )
        )
        for rho, row in zip(rhos, rows, strict=True):
            figures.append(
                figure(
                    f"{ARCHITECTURE_WORDS[kind]}, rho = {rho:.3g}: D",
                    row.estimates["d"],
                    "posterior sd",
                    better="lower",
                )
            )
            figures.append(
                figure(
                    f"{ARCHITECTURE_WORDS[kind]}, rho = {rho:.3g}: log sd bias",
                    row.estimates["log_sd_bias"],
                )
            )
    return figures


def control_figures(results: Results) -> list[Figure]:
    """D of every control at rho = 0, and how much larger than its network's, paired."""
    figures = []
    for row in results.summary:
        if row.control and row.rho == 0:
            name = (
                f"{row.control}, {ARCHITECTURE_WORDS[row.architecture]}"
                if row.architecture
                else row.control
            )
            figures.append(
                figure(f"control {name}: D", row.estimates["d"], "posterior sd", better="lower")
            )
            if row.architecture:
                more = results.difference(row, results.find(row.architecture))
                figures.append(
                    figure(f"control {name}: D above the network's, paired", more, "posterior sd")
                )
    return figures


def own_figures(results: Results) -> list[Figure]:
    """D and ELBO of networks with a decoder of their own."""
    figures = []
    for kind in results.study.grid.architecture:
        row = results.find(kind)
        figures.append(
            figure(
                f"own decoder, {ARCHITECTURE_WORDS[kind]}: D",
                row.estimates["d"],
                "posterior sd",
                better="lower",
            )
        )
        figures.append(
            figure(
                f"own decoder, {ARCHITECTURE_WORDS[kind]}: ELBO", row.estimates["elbo_nat"], "nat"
            )
        )
    return figures


def measure(options: Options) -> list[Figure]:
    """Three keys and six rho; with --quick one key, three rho and no decoders of their own."""
    ending = "_quick" if options.quick else ""
    with run_study("emergence", QUICK if options.quick else {}, f"emergence{ending}") as results:
        figures = [*order_figures(results), *price_figures(results), *control_figures(results)]
        publish(results, "emergence", options)
    if not options.quick:
        with run_study("emergence", OWN, "emergence_own") as results:
            figures += own_figures(results)
            publish(results, "emergence_own", options, ("distance",))
    return figures


if __name__ == "__main__":
    main(__doc__, measure)

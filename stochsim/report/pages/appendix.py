"""What stands behind a page, as rows of text: prices with their sources, references and their
checks, seconds of the tasks.
"""

import numpy as np

from stochsim.hardware import TABLE_COLUMNS, hardware_table
from stochsim.settings import AnyPath, open_arrays
from stochsim.studies import Results


def price_rows(results: Results) -> list[list[str]]:
    """The price of every kind of operation and of reliability at each ρ of the study, under
    TABLE_COLUMNS; none where nothing is priced.
    """
    if not results.study.grid.widths():
        return []
    return [
        [row[column] for column in TABLE_COLUMNS]
        for row in hardware_table(results.hardware, tuple(sorted(results.study.grid.rho)))
    ]


def reference_rows(results: Results) -> list[tuple[str, str]]:
    """Rows of stored references, each with how it was checked."""
    rows = []
    for task in results.plan.tasks.values():
        if task.kind != "reference":
            continue
        try:
            row = results.store.row(task.hash)
        except KeyError:
            rows.append((task.label, "not stored yet"))
            continue
        rows.append((task.label, _reference_words(row.result.get("diagnostics", {}), row.artifact)))
    return rows


def _reference_words(facts: dict[str, object], artifact: AnyPath | None) -> str:
    if str(facts.get("exact")) == "True":
        return "exact, in closed form"
    text = f"{facts.get('chains', '?')} chains"
    if artifact is None:
        return text
    with open_arrays(artifact) as file:
        names = set(file.keys())
        if {"rhat", "ess_per_draw", "thinning"} <= names:
            rhat, ess, thinning = (
                file.get_tensor(name) for name in ("rhat", "ess_per_draw", "thinning")
            )
            draws = file.get_slice("draws").get_shape()[1]
            text += (
                f", {draws} draws per stimulus; largest rank R-hat {np.max(rhat):.4f} (bar 1.01), "
            )
            text += (
                f"smallest bulk ESS per draw {np.min(ess):.2f} (bar 0.8), thinning up to "
                f"{int(np.max(thinning))}"
            )
    return text


def timing_rows(results: Results) -> list[tuple[str, str, str]]:
    """Kind, number and seconds of the stored tasks."""
    seconds: dict[str, list[float]] = {}
    for entry in results.timing():
        seconds.setdefault(entry["kind"], []).append(entry["seconds"])
    rows = [(kind, str(len(values)), f"{sum(values):.1f}") for kind, values in seconds.items()]
    return [
        *rows,
        ("all", str(sum(map(len, seconds.values()))), f"{sum(map(sum, seconds.values())):.1f}"),
    ]

"""Benchmarks on studies run end to end on tiny ones, and go on where they stopped."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tinybenchmarks import KINDS, LOWER, WORDS, Here, tiny_table, use_tiny_study

from stochsim._version import __version__
from stochsim.studies import Study


@pytest.fixture
def in_this_process(monkeypatch):
    """Sweeps without worker processes; the list of the kinds of tasks they did."""
    monkeypatch.setattr("stochsim.studies.run_study.Workers", Here)
    Here.done.clear()
    return Here.done


def run_script(name, load, monkeypatch, folder):
    """What `python benchmarks/NAME.py --quick --json ... --out ...` writes: the JSON's text, and
    the names of the files of --out.
    """
    script, bench = load(name), load("_bench")
    out = folder / "out"
    monkeypatch.setattr(
        sys,
        "argv",
        [f"{name}.py", "--quick", "--json", str(folder / "figures.json"), "--out", str(out)],
    )
    bench.main(script.__doc__, script.measure)
    return (folder / "figures.json").read_text(), sorted(path.name for path in out.iterdir())


def check_files(name, figures, folder):
    """NAME.csv is a table, NAME.json says study, versions and machine, NAME.md has a line for each
    figure.
    """
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])} == {44}
    assert {row[-1] for row in rows[1:]} == {__version__}
    about = json.loads((folder / f"{name}.json").read_text())
    assert about["study"]["model"]["neurons"] == 8
    assert about["versions"]["stochsim"] == __version__
    assert about["machine"]["processor"]
    lines = (folder / f"{name}.md").read_text().splitlines()
    assert [line.split(" | ")[0][2:] for line in lines if line.startswith("| ")][1:] == [
        figure["name"] for figure in figures
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.mark.slow
def test_emergence_runs_and_goes_on(in_this_process, load, monkeypatch, tmp_path):
    use_tiny_study(
        load("_studies"), monkeypatch, tmp_path, "emergence", control=["no-noise", "langevin"]
    )
    monkeypatch.setitem(load("emergence").QUICK, "grid", {"keys": [0], "rho": [0, 1]})
    text, files = run_script("emergence", load, monkeypatch, tmp_path)
    figures = json.loads(text)
    assert files == [
        f"emergence{end}" for end in (".csv", ".json", ".md", "_distance.png", "_scatter.png")
    ]
    rows = check_files("emergence", figures, tmp_path / "out")
    assert [row["control"] for row in rows] == [""] * 6 + ["no-noise"] * 6 + ["langevin"]
    assert all(np.isfinite(float(row["d"])) for row in rows)
    assert (tmp_path / "runs" / "emergence_quick" / "report.html").exists()
    assert {
        each["name"]: (each["bar"], each["better"]) for each in figures if each["bar"] is not None
    } == {
        f"D single-layer less multi-layer, paired{LOWER}": (0, "higher"),
        f"D multi-layer less recurrent, paired{LOWER}": (0, "higher"),
        "multi-layer: correlation of log sd": (0.5, "higher"),
        "recurrent: correlation of log sd": (0.7, "higher"),
        "recurrent: 90 % coverage off": (0.05, "lower"),
        **{
            f"{word}: least rise of D from one rho to the next{LOWER}": (0, "higher")
            for word in WORDS.values()
        },
    }
    names = {each["name"] for each in figures}
    assert {f"{word}: ELBO" for word in WORDS.values()} < names
    assert {
        "recurrent, rho = 1: D",
        "control langevin: D",
        "control no-noise, recurrent: D above the network's, paired",
    } < names
    assert {each["better"] for each in figures if each["name"].endswith(": D")} == {"lower"}
    # a decoder, its reference and prior samples; 6 float networks with samples and a control each;
    # the circuit
    assert sorted(in_this_process) == sorted(
        [
            "decoder",
            "reference",
            "prior_samples",
            *["float", "float_samples", "control"] * 6,
            "control",
        ]
    )
    in_this_process.clear()
    assert run_script("emergence", load, monkeypatch, tmp_path) == (text, files)
    assert in_this_process == []


@pytest.mark.long
@pytest.mark.slow
def test_posterior_survival_runs_and_goes_on(in_this_process, load, monkeypatch, tmp_path):
    use_tiny_study(
        load("_studies"),
        monkeypatch,
        tmp_path,
        "posterior_survival",
        architecture=["single", "deep"],
    )
    monkeypatch.setattr(
        load("posterior_survival"),
        "QUICK_GRID",
        {"bits": [2, 8], "noise": [1], "rho": [0], "keys": [0]},
    )
    monkeypatch.setattr(load("posterior_survival"), "QUICK_DATA_SETS", {})
    name = "posterior_survival"
    text, files = run_script(name, load, monkeypatch, tmp_path)
    figures = json.loads(text)
    pictures = [f"_{picture}.png" for picture in ("distance", "energy", "scatter", "survival")]
    tables = [".csv", ".json", ".md", "_data_sets.csv", "_methods.csv", "_methods.json"]
    shown = ["_methods_survival.png"]
    assert files == sorted(f"{name}{end}" for end in [*tables, *pictures, *shown])
    rows = check_files(name, figures, tmp_path / "out")
    assert [(row["architecture"], row["weight_bits"]) for row in rows] == [
        (kind, w) for kind in KINDS[:2] for w in ("2", "8", "float")
    ]
    names = [each["name"] for each in figures]
    assert "multi-layer, 2 bits, noise-aware: S" in names
    assert "multi-layer, 8 bits, rho = 0: S" in names
    assert "posterior rounded to 2 bits: D" in names
    assert {each["better"] for each in figures if "cliff" in each["name"]} == {"lower"}
    words = ("single-layer", "multi-layer")
    with_bar = {each["name"] for each in figures if each["bar"] is not None}
    shifted = {f"china-to-flower, {word}, 7 bits: S{LOWER}" for word in words}
    assert with_bar - shifted == {
        f"{word}, 2 bits: S noise-aware less {other}, paired{LOWER}"
        for word in words
        for other in ("post-training", "quantisation-aware")
    }
    with (tmp_path / "out" / f"{name}_data_sets.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    sets = ("patches", "china", "flower", "china-to-flower")
    assert [(row["data"], row["architecture"]) for row in table] == [
        (kind, architecture) for kind in sets for architecture in ("single", "deep")
    ]
    assert [row["is_shifted"] for row in table] == ["False"] * 6 + ["True"] * 2
    # 2 architectures at 2 bits by 3 methods, then at 8 bits: the noise-aware ones at 2 bits are not
    # trained again; on each of four data sets at 4 and 7 bits, and at 2 by 3 methods
    made = 2 * 3 + 2 + len(sets) * 2 * (2 + 3)
    assert in_this_process.count("network") == in_this_process.count("chip_samples") == made
    in_this_process.clear()
    assert run_script(name, load, monkeypatch, tmp_path) == (text, files)
    assert in_this_process == []


@pytest.mark.parametrize("name", ["emergence", "posterior_survival"])
def test_every_change_of_a_grid_is_a_valid_study(name, load):
    script = load(name)
    base = tiny_table(name)
    of_survival = ("METHOD_GRID", "LIMIT_GRID", "QUICK_GRID")
    changes = (
        [script.QUICK, script.OWN]
        if name == "emergence"
        else [{"grid": getattr(script, grid)} for grid in of_survival]
    )
    for change in changes:
        table = base | {section: base[section] | fields for section, fields in change.items()}
        table["grid"] = {
            field: value for field, value in table["grid"].items() if value is not None
        }
        study = Study.from_table(table)
        study.check(study.hardware.resolve(Path()))

"""Every format of files that stochsim reads: right files, and what reads
them.
"""

import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import _fuzz_parts as doors
import numpy as np
import tomli_w

import stochsim as ss
from stochsim import program as programs
from stochsim.cli import main
from stochsim.energy.formula import parse_formula
from stochsim.energy.price_book import read_book
from stochsim.report import console_table
from stochsim.search.request import Request
from stochsim.settings import StochsimError
from stochsim.studies import Study, plan_study

Files = dict[str, bytes]


class Format(NamedTuple):
    """Right files by name, and what reads them in a folder; slow: it takes a second."""

    files: Callable[[], Files]
    read: Callable[[Path], Any]
    slow: bool = False


# ---- right files

CHIP: dict[str, Any] = {
    "name": "mine",
    "inherits": "rram-array",
    "noise": {"read_sigma_lsb": 0.1},
    "array": {"rows": 32, "cells": {"device": "rram-wan", "age_s": 10.0}, "adc": {"bits": 6}},
    "prices": {
        "adc": "mine",
        "parameters": {"adc": {"a": 1.0}},
        "own": {
            "mine": {
                "kind": "adc",
                "formula": "a * 2 ** bits + b",
                "define": {"b": "sqrt(bits)"},
                "unit": "fJ per conversion",
                "source": "me",
                "tag": "user",
                "valid": {"bits": [1, 10]},
                "parameters": {"a": 1.0},
            }
        },
    },
}
BOOK: dict[str, Any] = {
    "prices": {"mine": CHIP["prices"]["own"]["mine"]},
    "facts": {"one": {"what": "w", "value": 1.0, "unit": "u", "source": "s", "tag": "user"}},
}
SEARCH: dict[str, Any] = {
    **{name: doors.STUDY[name] for name in ("version", "model", "data", "train", "measure")},
    "hardware": {"preset": "sram-array-28nm"},
    "search": {
        "weight_bits": [2, 4],
        "input_bits": [4],
        "output_bits": [4],
        "adc_bits": [3, 6],
        "rows": [8, 16],
    },
    "objective": {"keep": "S >= 0.9", "trials": 6},
}
DEVICE = b"g_us,programming_sigma_us,read_sigma_us\n1,0.1,0.01\n5,0.2,0.02\n9,0.2,0.03\n"
CHANNEL = b"drive,p0,p1,p2,p3\n-1,0.7,0.1,0.1,0.1\n0,0.25,0.25,0.25,0.25\n1,0.1,0.1,0.1,0.7\n"
FORMULA = b"a * 2 ** bits + max(b, sqrt(1.5e3 / (bits + 1))) if bits > 3 else -a"


def _toml(table: dict[str, Any]) -> Files:
    return {"file.toml": tomli_w.dumps(table).encode()}


def _chip_with(section: str, key: str, csv: bytes) -> Files:
    table = {"name": "mine", "inherits": "rram-array", section: {key: "data.csv"}}
    if section == "array":
        table["inherits"] = "sram-array-28nm"
        table["array"] = {"cells": {"device": "measured", "device_csv": "data.csv"}}
    if section == "noise":
        table["inherits"] = "digital-45nm"
        table["precision"] = {"output_bits": 2}
    return {**_toml(table), "data.csv": csv}


def _saved(write: Callable[[Path], Any]) -> Files:
    """What is written into a folder, by name."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        found = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@functools.cache
def run_files() -> Files:
    """A finished run."""
    study = {**doors.STUDY, "grid": {"bits": [2], "noise": [1], "rho": [1.0], "keys": [0]}}

    def write(folder: Path) -> None:
        path = folder / "study.toml"
        path.write_bytes(tomli_w.dumps(study).encode())
        ss.run_sweep(path, folder / "run", workers=1)
        path.unlink()

    return _saved(write)


def _save_program(kind: str, folder: Path) -> None:
    doors.program_of(kind).save(folder)


def _command(words: str) -> Files:
    return {"argv.txt": words.encode()}


# ---- what reads them


def _read_chip(folder: Path) -> Any:
    found = ss.Hardware.read(folder / "file.toml")
    program = programs.single_layer(doors.layer_of(found.precision))
    chip = ss.Chip(program, found)
    x = np.linspace(-1, 1, 8).reshape(2, 4)
    return str(found), chip.sample(x, 3, 0), chip.bill(x, 3)


def _read_study(folder: Path) -> Any:
    study = Study.read(folder / "file.toml")
    found = study.hardware.resolve(folder)
    study.check(found)
    return len(plan_study(study, found).tasks)


def _read_program(folder: Path) -> Any:
    program = ss.load_program(folder)
    return program.summary, str(program), doors.run_program(program)


def _read_network(folder: Path) -> Any:
    found = ss.load_network(folder / "net")
    if found.network.settings.output_bits is None:
        return str(found), found.sample(np.zeros((2, found.network.settings.inputs)), 3, 0)
    return str(found), doors.run_program(ss.to_program(found))


def _read_reference(folder: Path) -> Any:
    found = ss.Reference.load(folder / "ref")
    return str(found), found.subset(0, 4 * found.chains)


def _read_converted(folder: Path) -> Any:
    found = ss.load_converted(folder, doors.DIGITAL)
    return found.sample(np.zeros((2, 4), np.float32), 3, 0)


def _read_run(folder: Path) -> Any:
    with ss.studies.open_results(folder / "run") as results:
        results.store.check_artifacts()
        for task in sorted(results.store.hashes()):
            results.store.row(task)
        return console_table(results)


def _read_report(folder: Path) -> Any:
    return ss.write_report(folder / "run")


def _read_formula(folder: Path) -> Any:
    try:
        text = (folder / "formula.txt").read_text(encoding="utf-8")
    except ValueError:
        return None
    try:
        return parse_formula(text, ["a", "b", "bits"])(dict.fromkeys(("a", "b", "bits"), 2.0))
    except (ValueError, ArithmeticError) as error:  # as every caller expects
        raise StochsimError(str(error)[:200]) from None


def _read_command(folder: Path) -> Any:
    """A command line, one argument a line; what argparse refuses is refused."""
    words = (folder / "argv.txt").read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    if words[:1] in (["sweep"], ["optimize"], ["view"]) and os.path.exists(words[-1]):
        return None
    try:
        status = main(words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 2
    if status:
        raise StochsimError(f"exit code {status}")
    return None


COMMANDS = (
    "hardware\nshow\ndigital-45nm",
    "hardware\nlist",
    "energy\nshow\nadc-zigzag-28nm",
    "energy\nlist\n--kind\nadc",
    "energy\nbill\n--hardware\ndigital-45nm",
    "sweep\nnothing.toml\n--out\nout\n--workers\n1",
    "optimize\nnothing.toml\n--out\nout",
    "report\nnothing",
    "examples\nlist",
    "--version",
)


@functools.cache
def formats() -> dict[str, Format]:
    """All of them by name."""
    found = {
        "chip": Format(lambda: _toml(CHIP), _read_chip),
        "chip, whole": Format(lambda: _toml(ss.load_hardware("pcm-array").to_table()), _read_chip),
        "device csv": Format(lambda: _chip_with("array", "", DEVICE), _read_chip),
        "channel csv": Format(lambda: _chip_with("noise", "measured_csv", CHANNEL), _read_chip),
        "study": Format(lambda: _toml(doors.STUDY), _read_study),
        "search": Format(lambda: _toml(SEARCH), lambda folder: Request.read(folder / "file.toml")),
        "price book": Format(lambda: _toml(BOOK), lambda folder: read_book(folder / "file.toml")),
        "formula": Format(lambda: {"formula.txt": FORMULA}, _read_formula),
        "network": Format(
            lambda: _saved(lambda folder: doors.quantised().save(folder / "net")), _read_network
        ),
        "float network": Format(
            lambda: _saved(lambda folder: doors.trained().save(folder / "net")), _read_network
        ),
        "reference": Format(
            lambda: _saved(lambda folder: doors.small_reference().save(folder / "ref")),
            _read_reference,
        ),
        "converted": Format(
            lambda: _saved(lambda folder: doors.converted().program.save(folder)), _read_converted
        ),
        "run": Format(run_files, _read_run),
        "run, report": Format(run_files, _read_report, slow=True),
    }
    for kind in ("single", "log-sigma", "recurrent"):
        saved = functools.partial(_saved, functools.partial(_save_program, kind))
        found[f"program, {kind}"] = Format(saved, _read_program)
    for words in COMMANDS:
        name = f"command {words.split(chr(10))[0]} {len(found)}"
        found[name] = Format(functools.partial(_command, words), _read_command)
    return found


MADE: dict[str, Files] = {}
"""Right files by format, as far as they are made."""


def files_of(name: str) -> Files:
    """The right files of a format, made once."""
    if name not in MADE:
        MADE[name] = formats()[name].files()
    return MADE[name]


def write_files(files: Files, folder: Path) -> None:
    """Put them into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

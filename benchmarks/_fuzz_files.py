"""Every format of files that stochsim reads: right files, what reads them, and how they are made
wrong.
"""

import functools
import hashlib
import json
import shutil
import sqlite3
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import _fuzz_doors as doors
import numpy as np
import tomli_w
from _fuzz_values import TEXT, Random, array_mutant, mutant
from safetensors.numpy import load, save

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
    with ss.open_run(folder / "run") as results:
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
    if words[:1] in (["sweep"], ["optimize"], ["view"]) and Path(words[-1]).exists():
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


# ---- how they are made wrong

TOKENS = (
    *(b"[" * 5_000, b"{" * 5_000, b"9" * 400, b"1e400", b"-1e400", b"nan", b"inf", b"\x00"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9", "é".encode("latin-1"), b"\x1b[2J", b"'''", b'"""'),
    *(b"\r\n", b"\n", b";", b"\t", b",,", b"=", b"#", b"a.b.c", b"__class__", b"/dev/zero"),
    *(b"1_000", b"0x10", b"1979-05-27", b"true", b"\xf0\x9f\x92\xa9", b"A" * 10_000),
)


def _bytes_mutant(data: bytes, random: Random) -> bytes:
    place = int(random.integers(len(data) + 1))
    end = min(len(data), place + int(random.integers(1, 40)))
    way = int(random.integers(7))
    if way == 0 and place < len(data):
        return (
            data[:place] + bytes([data[place] ^ (1 << int(random.integers(8)))]) + data[place + 1 :]
        )
    if way == 1:
        return data[:place]
    if way == 2:
        return data[:place] + data[end:]
    if way == 3:
        return data[:end] + data[place:end] * int(random.integers(1, 5)) + data[end:]
    if way == 4:
        return data[:place] + TOKENS[int(random.integers(len(TOKENS)))] + data[end:]
    if way == 5:
        return _in_another_encoding(data, random)
    lines = data.split(b"\n")
    chosen = int(random.integers(len(lines)))
    return b"\n".join([*lines[:chosen], *lines[chosen + 1 :], lines[chosen]])


def _in_another_encoding(data: bytes, random: Random) -> bytes:
    text = data.decode("utf-8", errors="replace")
    names = ("utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252")
    name = names[int(random.integers(len(names)))]
    return (text + "é").encode(name, errors="replace")


def _table_bytes(data: bytes, suffix: str, random: Random) -> bytes:
    """A table of TOML or JSON with one value changed, taken away or added."""
    table = tomllib.loads(data.decode()) if suffix == ".toml" else json.loads(data)
    changed = mutant(table, random)
    if suffix == ".toml":
        return tomli_w.dumps(changed).encode()
    return json.dumps(changed).encode()


def _safetensors_bytes(data: bytes, random: Random) -> bytes:
    """Another array in place of one, or another head; with a sum that agrees."""
    arrays = dict(load(data))
    head = _head_of(data)
    name = sorted(arrays)[int(random.integers(len(arrays)))] if arrays else ""
    way = int(random.integers(4))
    if way == 0 and name:
        arrays[name] = np.ascontiguousarray(array_mutant(arrays[name], random))
    elif way == 1 and name:
        del arrays[name]
    elif way == 2:
        arrays[TEXT[int(random.integers(len(TEXT)))] or "x"] = np.zeros(2)
    plain = save(arrays)
    if head is None:
        return plain
    if way == 3:
        head["content"] = mutant(head["content"], random)
    head["sha256"] = hashlib.sha256(plain).hexdigest()
    return save(arrays, metadata={"head": json.dumps(head)})


def _head_of(data: bytes) -> dict[str, Any] | None:
    length = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("head")
    found: dict[str, Any] | None = None if text is None else json.loads(text)
    return found


def _store_bytes(data: bytes, random: Random) -> bytes:
    """A store with one value of one row changed, and a checksum that agrees."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        path.write_bytes(data)
        with closing(sqlite3.connect(path)) as store, store:
            table, key = (("results", "hash"), ("about", "name"))[int(random.integers(2))]
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            column = columns[int(random.integers(len(columns)))]
            rows = store.execute(f"SELECT {key}, {column} FROM {table}").fetchall()
            name, value = rows[int(random.integers(len(rows)))]
            store.execute(
                f"UPDATE {table} SET {column} = ? WHERE {key} = ?",
                (_stored_mutant(value, random), name),
            )
            if random.random() < 0.8:
                _mend_checksums(store, table, key)
        return path.read_bytes()


def _stored_mutant(value: Any, random: Random) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.dumps(mutant(json.loads(value), random), default=str)
    found = mutant(value, random)
    return found if isinstance(found, str | float | bytes | None) else str(found)


def _mend_checksums(store: sqlite3.Connection, table: str, key: str) -> None:
    for *whole, _ in store.execute(f"SELECT * FROM {table}").fetchall():
        checksum = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
        store.execute(f"UPDATE {table} SET checksum = ? WHERE {key} = ?", (checksum, whole[0]))


def mutated(files: Files, random: Random) -> Files:
    """The files with one of them made wrong: in its bytes, or in what it holds."""
    found = dict(files)
    name = sorted(files)[int(random.integers(len(files)))]
    data = files[name]
    suffix = Path(name).suffix
    is_arrays = suffix == ".safetensors" or data[8:9] == b"{"
    try:
        if random.random() < 0.35:
            found[name] = _bytes_mutant(data, random)
        elif suffix in (".toml", ".json"):
            found[name] = _table_bytes(data, suffix, random)
        elif is_arrays:
            found[name] = _safetensors_bytes(data, random)
        elif suffix == ".sqlite":
            found[name] = _store_bytes(data, random)
        else:
            found[name] = _bytes_mutant(data, random)
        if suffix == ".safetensors" and "program.json" in found:
            _mend_head(found, random)
    except Exception:
        found[name] = _bytes_mutant(data, random)  # what the format cannot say
    return found


def _mend_head(files: Files, random: Random) -> None:
    """The head of a program says the sum of its arrays again, save now and then."""
    if random.random() < 0.9:
        head = json.loads(files["program.json"])
        head["sha256"] = hashlib.sha256(files["program.safetensors"]).hexdigest()
        files["program.json"] = json.dumps(head).encode()


def write_files(files: Files, folder: Path) -> None:
    """Put them into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

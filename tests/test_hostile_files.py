"""Files of whoever wrote them: hostile text and values at every place of every format run nothing,
and end in a StochsimError or a program that works.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinyoptimize
import tinystudy
import tomli_w
import torch
from circuittest import deep_program, hardware_of, recurrent_program, single_program, some_stimuli
from conversiontest import chip_of, seeded, stimuli
from hostilevalues import (
    changed,
    dumped,
    judged,
    nested,
    places,
    tensors_of,
    texts,
    values,
    variants,
    with_header,
)
from safetensors.numpy import load_file, save
from torch import fx, nn
from torch.nn import functional

from stochsim.chip import Chip
from stochsim.cli import main
from stochsim.energy.formula import parse_formula
from stochsim.energy.price_book import read_book
from stochsim.hardware import Hardware
from stochsim.lowering import convert, export_program, load_converted
from stochsim.models import Reference
from stochsim.models.diagnostics import Diagnostics
from stochsim.networks import NetworkSettings, build_network
from stochsim.program.files import load_program
from stochsim.search.request import Request
from stochsim.settings import SettingError, StochsimError
from stochsim.studies import Study, collect
from stochsim.training import Trained, load_network, save_network
from stochsim.training.loop import TrainResult

HERE = 6
"""Hostile values at each place, in turn; more of them where a test is slow."""


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "CANARY"


def all_judged(
    tables: Iterable[Any], act: Callable[[Any], Any], canary: Path, at_least: int
) -> Counter[str]:
    """How many were loaded and refused: both happen, and none does harm."""
    found = Counter(judged(lambda t=table: act(t), canary, table) for table in tables)
    assert found.total() >= at_least
    assert found["refused"] > found.total() / 4
    return found


# The judge itself


def test_a_loader_that_generates_source_is_found_out(canary: Path) -> None:
    """The way that converted networks were read until now: names of a file in a GraphModule."""

    def vulnerable(table: dict[str, Any]) -> None:
        graph = fx.Graph()
        node = graph.create_node("placeholder", table["target"], (), {}, name="x")
        graph.output(node)
        try:
            fx.GraphModule(nn.Module(), graph)
        except SyntaxError:
            raise StochsimError("not a graph") from None

    assert judged(lambda: vulnerable({"target": "x"}), canary, "x") == "loaded"
    harmful = {"target": f"x={texts(canary)[0]}"}
    assert harmful["target"] in texts(canary)
    with pytest.raises(AssertionError, match="the canary was made by"):
        judged(lambda: vulnerable(harmful), canary, harmful)


def test_a_loader_with_errors_of_its_own_is_found_out(canary: Path) -> None:
    with pytest.raises(AssertionError, match="KeyError"):
        judged(lambda: {}["missing"], canary, "a table")


# Programs


def run_program(folder: Path) -> None:
    program = load_program(folder)
    chip = Chip(program, hardware_of(program))
    x = some_stimuli()[:, : program.inputs]
    chip.sample(x, 2, 1)
    chip.bill(x, 1)


def written_program(folder: Path, head: Any, data: bytes) -> Path:
    (folder / "program.json").write_bytes(dumped(head))
    (folder / "program.safetensors").write_bytes(data)
    return folder


@pytest.mark.parametrize("make", [single_program, deep_program, recurrent_program])
def test_programs(make: Any, tmp_path: Path, canary: Path) -> None:
    make(3).save(tmp_path)
    head = json.loads((tmp_path / "program.json").read_bytes())
    data = (tmp_path / "program.safetensors").read_bytes()

    def act(table: Any) -> None:
        run_program(written_program(tmp_path, table, data))

    act(head)
    all_judged(variants(head, canary, 2 * HERE), act, canary, 200)


@pytest.mark.parametrize("make", [single_program, deep_program, recurrent_program])
def test_arrays_of_programs(make: Any, tmp_path: Path, canary: Path) -> None:
    make(3).save(tmp_path)
    head = json.loads((tmp_path / "program.json").read_bytes())
    header, numbers = tensors_of((tmp_path / "program.safetensors").read_bytes())

    def act(table: Any) -> None:
        data = with_header(table, numbers)
        whole = {**head, "sha256": hashlib.sha256(data).hexdigest()}
        run_program(written_program(tmp_path, whole, data))

    act(header)
    all_judged(variants(header, canary, 3), act, canary, 20)


# Converted networks


class Everything(nn.Module):
    """Modules, functions, methods, operators, arrays, words, slices and shared weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3, padding=1)
        self.again = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.pool = nn.AvgPool2d(2)
        self.last = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.full((3, 1, 1), 0.7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = self.norm(x + self.again(self.again(x))) * self.scale
        x = self.pool(functional.pad(x, [0, 1, 0, 1], mode="constant"))[:, :, 0:2]
        x = torch.cat([x, -x], 2).mean((2, 3))
        return functional.softmax(self.last(x.reshape(x.size(0), -1)), dim=1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    x = stimuli(4, 2, 4, 4)
    converted = convert(seeded(Everything), chip_of(4, 4, 4), x, keep_float=["last"])
    assert converted.program.not_saved == ()
    converted.program.save(folder)
    return folder


def read_both(folder: Path) -> tuple[dict[str, Any], bytes]:
    head: dict[str, Any] = json.loads((folder / "program.json").read_bytes())
    return head, (folder / "program.safetensors").read_bytes()


def run_network(folder: Path) -> None:
    converted = load_converted(folder)
    x = torch.zeros((1, *converted.calibration.shape[1:]), dtype=converted.calibration.dtype)
    converted.bill(x)


def check_network(tables: Iterable[Any], data: bytes, folder: Path, canary: Path) -> Counter[str]:
    return all_judged(
        tables,
        lambda table: run_network(written_program(folder, table, data)),
        canary,
        100,
    )


@pytest.mark.slow
def test_converted_networks(network: Path, tmp_path: Path, canary: Path) -> None:
    """Every place of the whole table, a few values each."""
    head, data = read_both(network)
    run_network(written_program(tmp_path, head, data))
    check_network(variants(head, canary, 3), data, tmp_path, canary)


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_nodes_with_every_text(every: int, network: Path, tmp_path: Path, canary: Path) -> None:
    """Target, name, operation and words of every node, or each fifth: what once became source."""
    head, data = read_both(network)
    graph = head["content"]["graph"]
    tables = [
        changed(head, ("content", "graph", i, field), text)
        for i in range(0, len(graph), every)
        for field in ("target", "name", "op")
        for text in texts(canary)
    ]
    check_network(tables, data, tmp_path, canary)


@pytest.mark.slow
def test_every_place_of_a_network_with_many_values(
    network: Path, tmp_path: Path, canary: Path
) -> None:
    head, data = read_both(network)
    check_network(variants(head, canary, 2 * HERE), data, tmp_path, canary)


def test_arrays_of_networks(network: Path, tmp_path: Path, canary: Path) -> None:
    head, data = read_both(network)
    header, numbers = tensors_of(data)

    def act(table: Any) -> None:
        own = with_header(table, numbers)
        whole = {**head, "sha256": hashlib.sha256(own).hexdigest()}
        run_network(written_program(tmp_path, whole, own))

    act(header)
    all_judged(variants(header, canary, 2), act, canary, 100)


def node(head: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in head["content"]["graph"] if one["name"].startswith(name)
    )
    return found


BY_HAND: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a target that is source": (
        lambda head: node(head, "x").update(target="x=__import__('os').system('true')"),
        "should be one name of letters",
    ),
    "a keyword that writes": (
        lambda head: node(head, "cat")["kwargs"].update(out={"node": "x"}),
        "unknown key 'graph.cat.kwargs.out'",
    ),
    "a part of every module": (
        lambda head: head["content"]["modules"].update(
            forward=head["content"]["modules"].pop("pool")
        ),
        "none that torch's modules have",
    ),
    "an attribute of Python": (
        lambda head: node(head, "scale").update(target="norm.__class__"),
        "none that torch's modules have",
    ),
    "a later node": (
        lambda head: node(head, "neg").update(args=[{"node": "softmax"}]),
        "names the node 'softmax'",
    ),
    "a method of no tensor": (
        lambda head: node(head, "reshape").update(target="__reduce__"),
        "valid: view",
    ),
    "more values than memory holds": (
        lambda head: node(head, "pad").update(args=[{"node": "mul"}, [10**6] * 4]),
        "more than 268435456 values",
    ),
    "two nodes of one name": (
        lambda head: node(head, "neg").update(name="x"),
        "another node has this name",
    ),
    "an array of another shape": (
        lambda head: head["content"]["modules"]["last"]["fields"].update(in_features=10**12),
        "its fields say",
    ),
    "a layer that is called twice": (
        lambda head: node(head, "again_again").update(target="again"),
        "calls the layer 'again' 2 times",
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_a_network_cannot_say(name: str, network: Path, tmp_path: Path) -> None:
    head, data = read_both(network)
    change, message = BY_HAND[name]
    change(head)
    with pytest.raises(StochsimError, match="not a converted network that can be read") as found:
        load_converted(written_program(tmp_path, head, data))
    assert message in str(found.value)


def test_the_command_line_runs_nothing(
    network: Path, tmp_path: Path, canary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, data = read_both(network)
    for text in texts(canary):
        for name in ("x", "neg", "scale", "last"):
            table = json.loads(json.dumps(head))
            node(table, name).update(target=text)
            written_program(tmp_path, table, data)
            code = main(["energy", "bill", str(tmp_path)])
            # an input may have any name: it is a name and no more
            assert code == (0 if name == "x" and text.isidentifier() and len(text) < 100 else 2)
            assert capsys.readouterr().err.count("\n") == code // 2
            assert not canary.exists()


RAW = {
    "nested": b"[" * 200_000,
    "tables": b'{"a":' * 200_000,
    "twice": b'{"format": "stochsim-program", "format": "stochsim-program"}',
    "no number": b'{"version": NaN}',
    "no end": b'{"version": 1e999}',
    "digits": b'{"version": ' + b"9" * 5_000 + b"}",
    "surrogate": b'{"kind": "\\ud800"}',
    "bytes": b"\xff\xfe\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("name", RAW)
def test_texts_that_are_no_json(name: str, network: Path, tmp_path: Path) -> None:
    (tmp_path / "program.json").write_bytes(RAW[name])
    (tmp_path / "program.safetensors").write_bytes(read_both(network)[1])
    for load in (load_converted, load_program):
        with pytest.raises(StochsimError, match=r"program\.json: not valid JSON"):
            load(tmp_path)


# Checkpoints and references


def write_sealed(path: Path, header: Any, numbers: bytes) -> None:
    """A safetensors file whose head names the SHA-256 of its arrays, where it can be read at all:
    what is behind that check is met too.
    """
    path.write_bytes(with_header(header, numbers))
    with contextlib.suppress(Exception):
        head = json.loads(header["__metadata__"]["head"])
        data = save(dict(sorted(load_file(path).items())))
        sealed = dumped({**head, "sha256": hashlib.sha256(data).hexdigest()}).decode()
        path.write_bytes(with_header({**header, "__metadata__": {"head": sealed}}, numbers))


@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
def test_checkpoints(kind: str, tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "network.safetensors"
    bits = {f"{side}_bits": 3 for side in ("weight", "input", "output")}
    settings = NetworkSettings(inputs=4, neurons=3, architecture={"kind": kind}, **bits)
    built = build_network(settings, torch.Generator().manual_seed(1))
    result = TrainResult({"kl": 1.0}, 0.0, 1.0)
    save_network(path, Trained(built.eval(), torch.zeros(4, 3), 0.0, result))
    header, numbers = tensors_of(path.read_bytes())
    inner = json.loads(header["__metadata__"]["head"])

    def act(table: Any) -> None:
        write_sealed(path, table, numbers)
        program = export_program(load_network(path))
        Chip(program, hardware_of(program)).sample(np.zeros((1, program.inputs)), 1, 0)

    def act_inner(table: Any) -> None:
        act({**header, "__metadata__": {"head": dumped(table).decode()}})

    act(header)
    all_judged(variants(inner, canary, 4), act_inner, canary, 80)
    all_judged(variants(header, canary, 3), act, canary, 30)


def test_references(tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "reference.safetensors"
    draws = np.random.default_rng(0).normal(size=(2, 4, 8, 3)).astype(np.float32)
    facts = Diagnostics(np.ones(2), np.ones(2), np.ones(2, np.int64))
    Reference.from_draws(draws, facts).save(path)
    header, numbers = tensors_of(path.read_bytes())
    inner = json.loads(header["__metadata__"]["head"])

    def act(table: Any) -> None:
        write_sealed(path, table, numbers)
        Reference.load(path).subset(0, 8)

    def act_inner(table: Any) -> None:
        act({**header, "__metadata__": {"head": dumped(table).decode()}})

    act(header)
    all_judged(variants(header, canary, 4 * HERE), act, canary, 500)
    all_judged(variants(inner, canary, 8), act_inner, canary, 50)


# Runs


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tinystudy.study_of(grid__noise=[1], grid__bits=[2], train__steps=2)
    return tinystudy.store_answers(
        tmp_path_factory.mktemp("hostile") / "run", study, tinystudy.work
    )


def changed_store(run: Path, folder: Path, table: str, name: str, column: str, text: Any) -> Path:
    """A copy of a run with one value changed, and a checksum that agrees."""
    folder.mkdir(exist_ok=True)
    path = folder / "store.sqlite"
    path.write_bytes((run / "store.sqlite").read_bytes())
    if not (folder / "artifacts").exists():
        (folder / "artifacts").symlink_to(run / "artifacts")
    key = "hash" if table == "results" else "name"
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        store.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (text, name))
        for *whole, _ in store.execute(f"SELECT * FROM {table}").fetchall():
            checksum = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
            store.execute(f"UPDATE {table} SET checksum = ? WHERE {key} = ?", (checksum, whole[0]))
    return folder


def read_run(folder: Path) -> None:
    with collect(folder) as results:
        results.store.check_artifacts()
        for task in sorted(results.store.hashes()):
            results.store.row(task)


def test_facts_of_runs(run: Path, tmp_path: Path, canary: Path) -> None:
    with collect(run) as results:
        about = {name: json.loads(text) for name, text in results.store.about().items()}

    def act(table: Any) -> None:
        for name, value in table.items():
            if value != about.get(name):
                text = dumped(value).decode()
                read_run(changed_store(run, tmp_path / "run", "about", name, "value", text))

    cases = [table for table in variants(about, canary, 2) if set(table) == set(about)]
    all_judged(cases, act, canary, 100)


def test_rows_of_runs(run: Path, tmp_path: Path, canary: Path) -> None:
    """Names of artifacts that lead elsewhere, and results that are no table."""
    rows = tinystudy.stored_rows(run)
    task, row = next((task, row) for task, row in rows.items() if row[5])
    outside = tmp_path / "elsewhere"
    outside.write_bytes((run / "artifacts" / row[5]).read_bytes())
    names = [*texts(canary), f"../../{outside.name}", str(outside)]
    for column in ("artifact", "result"):
        for text in names:
            if "\x00" in text or (column == "artifact" and text == ""):
                continue

            def act(t: str = text, c: str = column) -> None:
                read_run(changed_store(run, tmp_path / "run", "results", task, c, t))

            assert judged(act, canary, (column, text)) == "refused"


# TOML: chips, price books, studies, searches

CHIP: dict[str, Any] = {
    "name": "mine",
    "inherits": "rram-array",
    "without": ["random"],
    "random": {"random_bits_per_code": 0},
    "sources": ["mine"],
    "noise": {"read_sigma_lsb": 0.1, "measured_csv": ""},
    "array": {
        "rows": 32,
        "cells": {"device": "rram-wan", "age_s": 10.0},
        "converter": {"bits": 6, "range": "full"},
    },
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


def test_chips(tmp_path: Path, canary: Path) -> None:
    read_toml_of(CHIP, tmp_path, canary, Hardware.read, 400)


def test_studies(tmp_path: Path, canary: Path) -> None:
    def read(path: Path) -> None:
        study = Study.read(path)
        hardware = study.hardware.resolve(path.parent)
        study.check(hardware)

    read_toml_of(tinystudy.TINY, tmp_path, canary, read, 150)


def test_searches(tmp_path: Path, canary: Path) -> None:
    read_toml_of(tinyoptimize.TINY, tmp_path, canary, Request.read, 200)


def test_price_books(tmp_path: Path, canary: Path) -> None:
    entry = {**CHIP["prices"]["own"]["mine"], "parameters": {"a": 1.0}}
    table = {
        "prices": {"mine": entry},
        "facts": {"one": {"what": "w", "value": 1.0, "unit": "u", "source": "s", "tag": "user"}},
    }
    read_toml_of(table, tmp_path, canary, read_book, 150)


def read_toml_of(
    table: dict[str, Any], folder: Path, canary: Path, read: Callable[[Path], Any], count: int
) -> None:
    """Every variant that TOML can say."""
    path = folder / "file.toml"

    def act(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        read(path)

    def written() -> Iterable[str]:
        for one in variants(table, canary, 2 * HERE):
            with contextlib.suppress(TypeError, ValueError):  # TOML has no None
                yield tomli_w.dumps(one)

    act(tomli_w.dumps(table))
    all_judged(written(), act, canary, count)


TOML = {
    "nested": "a = " + "[" * 50_000,
    "deep": "a = " + "[" * 60 + "]" * 60,
    "digits": "a = " + "9" * 5_000,
    "large": "name = " + "9" * 400,
    "twice": "a = 1\na = 2",
    "tables": "[" + ".".join("a" * 2_000) + "]\nx = 1",
}


@pytest.mark.parametrize("name", TOML)
@pytest.mark.parametrize("read", [Hardware.read, Study.read, Request.read, read_book])
def test_texts_that_are_no_toml(name: str, read: Any, tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(TOML[name])
    with pytest.raises(SettingError, match=r"file\.toml:?.* not valid TOML"):
        read(path)


FORMULAS = (
    "9**9**9**9",
    "9**999999999",
    "1" + "0" * 5_000,
    "1" + "0" * 400,
    "-" * 10_000 + "1",
    "(" * 300 + "1" + ")" * 300,
    "+".join(["1"] * 900),
    "1 if 1 else " * 150 + "1",
    "a.__class__",
    "a['x']",
    "[a for a in (1,)]",
    "(lambda: 1)()",
    "f'{a}'",
    "print(a)",
    "sqrt(x=1)",
    "min(*a)",
    "(a := 1)",
    "max(" * 120 + "1,1" + ",1)" * 120,
    "1 < 2 < 3",
    "'a' * 10**9",
    "b'a'",
    "1j",
    "...",
    "True",
)


def test_formulas(canary: Path) -> None:
    """Arithmetic alone; a tower of powers is an overflow, and at once."""

    def act(text: str) -> None:
        with contextlib.suppress(ValueError, ArithmeticError):  # as every caller expects
            parse_formula(text, ["a"])({"a": 2.0})

    found = {
        text: judged(lambda t=text: parse_formula(t, ["a"]), canary, text)
        for text in (*FORMULAS, *texts(canary))
    }
    loaded = {text for text, outcome in found.items() if outcome == "loaded"}
    assert loaded == {"9**9**9**9", "9**999999999", "9**9**9", "1e999", "0"}
    for text in loaded:
        act(text)
    assert not canary.exists()


def test_there_are_thousands_of_cases(network: Path, canary: Path) -> None:
    """The count of the tables above, so that none of them shrinks unseen."""
    head, _ = read_both(network)
    assert len(list(places(head))) > 300
    assert len(texts(canary)) + len(values()) > 60
    assert nested(3) == [[[1]]]

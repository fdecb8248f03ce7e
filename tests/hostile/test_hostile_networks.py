"""Converted networks of whoever wrote them: hostile text and values at every place run nothing, and
end in a StochsimError or a network that works.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from hostilefiles import HERE, all_judged, written_program
from hostilevalues import changed, nested, places, tensors_of, texts, values, variants, with_header
from torch import nn
from torch.nn import functional

from stochsim.cli import main
from stochsim.lowering import convert, load_converted
from stochsim.program.files import load_program
from stochsim.settings import StochsimError


class Everything(nn.Module):
    """Operations, arrays, words, slices and shared weights."""

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
    x = torch.zeros((1, *converted.examples.shape[1:]), dtype=converted.examples.dtype)
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


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.long])])
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


@pytest.mark.long
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
        lambda head: node(head, "again").update(target="forward"),
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
    "an operation that is none": (
        lambda head: node(head, "reshape").update(target="__reduce__"),
        "did you mean",
    ),
    "an operation that reads files": (
        lambda head: node(head, "reshape").update(target="from_file.default"),
        "'graph.reshape.target' = 'from_file.default'",
    ),
    "an operation that writes into its input": (
        lambda head: node(head, "neg").update(target="neg_.default"),
        "'graph.neg.target' = 'neg_.default'",
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
        lambda head: node(head, "linear")["args"]["tuple"].reverse(),
        "'graph.linear': cannot run",
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
        with pytest.raises(StochsimError, match=r"program\.json: not (valid JSON|UTF-8 text)"):
            load(tmp_path)


def test_there_are_thousands_of_cases(network: Path, canary: Path) -> None:
    """The count of the tables above, so that none of them shrinks unseen."""
    head, _ = read_both(network)
    assert len(list(places(head))) > 300
    assert len(texts(canary)) + len(values()) > 60
    assert nested(3) == [[[1]]]


class Structured(nn.Module):
    """Takes and gives every kind of structure that files have."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, a: torch.Tensor, rest: dict[str, Any], factor: float) -> dict[str, Any]:
        ids, (mask, _) = rest["ids"], rest["more"]
        y = self.layer(a) * mask[:, None] * factor + ids.sum(1, keepdim=True)
        return {"y": [y, y > 0], "best": (y.argmax(1), None), 3: 0.5}


@pytest.mark.parametrize("each", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_what_networks_take_and_give(each: int, tmp_path: Path, canary: Path) -> None:
    """Every place of the structure of inputs and outputs; what is read can be called and saved."""
    a, ids = stimuli(6, 3), torch.arange(12).reshape(6, 2)
    given = (a, {"ids": ids, "more": (a[:, 0] > 0, None)}, 2.0)
    convert(seeded(Structured), chip_of(4, 4, 4), given).program.save(tmp_path)
    head, data = read_both(tmp_path)

    def run(table: Any) -> None:
        converted = load_converted(written_program(tmp_path, table, data))
        x = converted.inputs.form(torch.zeros(2, *converted.inputs.shape))
        converted.bill(x)
        converted.sample(x, 2, key=0)
        converted.read(x, key=0)
        converted.program.save(tmp_path)

    tables = [
        {**head, "content": {**head["content"], field: found}}
        for field in ("inputs", "outputs")
        for found in variants(head["content"][field], canary, each)
    ]
    all_judged(tables, run, canary, 100)

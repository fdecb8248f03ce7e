"""Checkpoints and references with hostile text and values at every place run nothing."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from circuittest import hardware_of
from hostilefiles import HERE, all_judged
from hostilevalues import dumped, tensors_of, variants, with_header
from safetensors.numpy import load_file, save

from stochsim.chip import Chip
from stochsim.lowering import to_program
from stochsim.models import Reference
from stochsim.models.diagnostics import Diagnostics
from stochsim.networks import NetworkSettings, build_network
from stochsim.training import TrainedNetwork, load_network
from stochsim.training.loop import TrainResult


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
    TrainedNetwork(built.eval(), torch.zeros(4, 3), 0.0, result).save(path)
    header, numbers = tensors_of(path.read_bytes())
    inner = json.loads(header["__metadata__"]["head"])

    def act(table: Any) -> None:
        write_sealed(path, table, numbers)
        program = to_program(load_network(path))
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

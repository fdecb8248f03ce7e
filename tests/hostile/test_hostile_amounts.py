"""Files that ask for more than they hold: memory of readers, of networks, and numbers beyond those
of weights.
"""

import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hostilefiles import written_program
from safetensors.numpy import load, save

import stochsim as ss
from stochsim.models import Reference
from stochsim.models.diagnostics import Diagnostics
from stochsim.networks import NetworkSettings, build_network
from stochsim.settings import SettingError, StochsimError
from stochsim.settings.files import read_bytes
from stochsim.training import TrainedNetwork
from stochsim.training.loop import TrainResult

POOLS = 12
SIDE = 10_000


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"a" * 1_000)
    tracemalloc.start()
    assert len(read_bytes(tmp_path / "small")) == 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


class Pools(torch.nn.Module):
    """A layer, then pools side by side whose results are all kept until they are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 3)
        pools = [torch.nn.AdaptiveAvgPool2d((2, 2)) for _ in range(POOLS)]
        self.pools = torch.nn.ModuleList(pools)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        return torch.cat([torch.flatten(pool(y), 1) for pool in self.pools], 1)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pools")
    x = torch.randn(8, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    ss.convert(Pools().eval(), ss.load_hardware("digital-45nm", bits=4), x).program.save(folder)
    ss.load_converted(folder)
    return folder


def test_twelve_pools_are_too_many_values_together(pools: Path, tmp_path: Path) -> None:
    """Each of them is allowed: 2 × 10^8 values for two stimuli; kept together they are 9 GiB."""
    head = json.loads((pools / "program.json").read_text(encoding="utf-8"))
    for own in head["content"]["graph"]:
        if own["target"] == "adaptive_avg_pool2d.default":
            own["args"]["tuple"][1] = [SIDE, SIDE]
    written_program(tmp_path, head, (pools / "program.safetensors").read_bytes())
    with pytest.raises(StochsimError, match="values are kept for 2 stimuli: at most 536870912"):
        ss.load_converted(tmp_path)


@pytest.mark.parametrize("value", [3e38, 1e300, np.nan, np.inf])
def test_biases_beyond_those_of_weights(value: float, pools: Path, tmp_path: Path) -> None:
    """float64 of 1e300 would become an infinity of float32."""
    head = json.loads((pools / "program.json").read_text(encoding="utf-8"))
    arrays = load((pools / "program.safetensors").read_bytes())
    data = save(dict(sorted({**arrays, "layers.layer.bias": np.full(1, value)}.items())))
    head["sha256"] = hashlib.sha256(data).hexdigest()
    with pytest.raises(StochsimError, match=r"layers\.layer\.bias"):
        ss.load_converted(written_program(tmp_path, head, data))


@pytest.mark.parametrize("value", [3e38, np.nan, -np.inf])
def test_checkpoints_of_such_weights_are_not_written(value: float, tmp_path: Path) -> None:
    built = build_network(NetworkSettings(inputs=4, neurons=3))
    with torch.no_grad():
        next(built.parameters()).fill_(value)
    trained = TrainedNetwork(built.eval(), torch.zeros(4, 3), 0.0, TrainResult({}, 0.0, 1.0))
    with pytest.raises(SettingError, match="finite numbers of at most 1e"):
        trained.save(tmp_path / "network.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("terms", [{"a b": 1.0}, {"<b>": 1.0}, {"a" * 200: 1.0}])
def test_terms_of_checkpoints_have_names(terms: dict[str, float], tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    built = build_network(NetworkSettings(inputs=4, neurons=3))
    trained = TrainedNetwork(built, torch.zeros(4, 3), 0.0, TrainResult(terms, 0.0, 1.0))
    with pytest.raises(SettingError, match=r"'result\.terms' = .*should be one name of letters"):
        trained.save(path)
    assert not path.exists()


def some_reference() -> tuple[dict[str, Any], dict[str, Any]]:
    draws = np.random.default_rng(0).normal(size=(2, 4, 50, 3)).astype(np.float32)
    facts = Diagnostics(np.ones(2), np.ones(2), np.ones(2, np.int64))
    return Reference.from_draws(draws, facts).to_arrays()


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("sd", lambda one: -one, "'sd' = .*should be above 0"),
        ("mean", lambda one: one + 0.01, "'mean': should be the mean of the draws"),
        ("draws", lambda one: 2 * one, "should be (that|the mean) of the draws"),
        ("covariance", lambda one: one + np.triu(np.ones((3, 3)), 1), "should be symmetric"),
        ("covariance", lambda one: one + 9 - 9 * np.eye(3), "has a correlation of .* at most 1"),
    ],
)
def test_moments_that_no_posterior_has(name: str, change: Any, says: str) -> None:
    facts, arrays = some_reference()
    Reference.from_arrays(facts, arrays)
    with pytest.raises(SettingError, match=says):
        Reference.from_arrays(facts, {**arrays, name: change(arrays[name])})

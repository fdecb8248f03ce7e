"""The training loop: Adam on the objective, one noise sample per stimulus and step, everything drawn by key."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from stochsim.keys import fold_in
from stochsim.models import ModelSettings
from stochsim.networks import FeedForward
from stochsim.settings import StochsimError
from stochsim.training.settings import TrainSettings
from stochsim.training.terms import Terms, objective

_CHECK_EVERY = 50
_FINAL_SHARE = 0.02
_SCALE_RATE = 0.1  # of the learning rate: 2 bits end at 146 nats, at the full rate at 148
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainResult:
    """What a training run leaves beside the network: the last terms (nats per stimulus), sigma at bounds, seconds."""

    terms: dict[str, float]
    saturated_share: float
    seconds: float


def torch_generator(key: int, *names: int | str) -> torch.Generator:
    """A torch generator for the named purpose."""
    return torch.Generator().manual_seed(fold_in(key, *names) >> 1)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Networks of this size train fastest on one thread, and the result must not depend on the number (Numba changes torch's)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check(terms: Terms, step: int) -> None:
    for name, value in terms._asdict().items():
        if not torch.isfinite(value):
            raise StochsimError(f"training diverged at step {step}: '{name}' = {value.item()}; try a smaller learning_rate")


def _learning_rate_share(done: float) -> float:
    """From 1 to _FINAL_SHARE on a cosine."""
    return _FINAL_SHARE + (1 - _FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * done))


@_one_thread()
def train(
    network: FeedForward,
    stimuli: torch.Tensor,
    decoder: torch.Tensor,
    model: ModelSettings,
    settings: TrainSettings,
    rho: float,
    key: int,
    learn_decoder: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train `network` in place on stimuli (stimulus, input); the decoder (input, neuron) too where `learn_decoder`.

    Same key, same result (on one machine and the same versions). Raises StochsimError where a term stops being finite.
    """
    draws = torch_generator(key, "train")
    decoder.requires_grad_(learn_decoder)
    rest, scales = network.parameter_groups()
    groups: list[dict[str, Any]] = [
        {"params": rest + [decoder] * learn_decoder},
        {"params": scales, "lr": settings.learning_rate * _SCALE_RATE},
    ]
    optimizer = torch.optim.Adam(groups, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _learning_rate_share(step / settings.steps))
    shape = (settings.batch, network.settings.neurons)
    started = time.perf_counter()
    network.train()
    for step in range(settings.steps):
        x = stimuli[torch.randint(stimuli.shape[0], (settings.batch,), generator=draws)]
        r, sigma = network(x, torch.randn(shape, generator=draws))
        terms = objective(x, r, sigma, decoder, model, rho, settings.c, settings.s)
        optimizer.zero_grad(set_to_none=True)
        terms.total.backward()
        optimizer.step()
        schedule.step()
        network.keep_bounds()
        if (step + 1) % _CHECK_EVERY == 0 or step + 1 == settings.steps:
            _check(terms, step)
            if progress is not None:
                progress(step + 1, settings.steps)
    network.eval()
    decoder.requires_grad_(False)
    values = {name: float(value.detach()) for name, value in terms._asdict().items()}
    return TrainResult(values, network.saturated_share(), time.perf_counter() - started)

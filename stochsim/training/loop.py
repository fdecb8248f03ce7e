"""The training loop: Adam on the objective, everything drawn by key."""

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch

from stochsim.keys import fold_in
from stochsim.models import ModelSettings
from stochsim.networks import Draws, HardwareNoise, Network, one_thread, usual_torch
from stochsim.settings import SettingError, StochsimError, announce_memory, bounded, check_kind
from stochsim.training.memory import training_bytes
from stochsim.training.terms import ReliabilityCost, Terms, objective_of
from stochsim.training.train_settings import TrainSettings

_CHECK_EVERY = 50
_FINAL_SHARE = 0.02
_SCALE_RATE = 0.1  # of the learning rate: 2 bits end at 146 nats, at the full rate at 148
_WIDTH_RATE = (
    0.02  # bits per step of Adam, at first: a few hundred steps may take eight bits to two
)
_BOOK_RATE = 5e-3  # of logarithms of a format's scale or distances, at first
Progress = Callable[[int, int], None]
Extra = Callable[[Network], torch.Tensor]


class TrainingDiverged(StochsimError):
    """A term of the objective stopped being finite; `network` and `decoder` are those of the last
    check, at `step`; `trained`: the same as a TrainedNetwork.
    """

    network: Network
    decoder: torch.Tensor
    step: int
    trained: Any = None


@dataclass(frozen=True)
class TrainResult:
    """What a training run leaves beside the network: the last terms (nats per stimulus), sigma at
    bounds, seconds, and its price.

    c (nats) and s: of the price of reliability; nats_per_joule: lambda, None where c was given
    itself.
    """

    terms: dict[str, float]
    saturated_share: float
    seconds: float
    c: float = 1.0
    s: float = 1.0
    nats_per_joule: float | None = None
    method: str = ""
    steps: int = field(default=0)


def torch_generator(key: int, *names: int | str) -> torch.Generator:
    """A torch generator for the named purpose."""
    return torch.Generator().manual_seed(fold_in(key, *names) >> 1)


def checked_device(name: str) -> torch.device:
    """The torch device of this name; raises SettingError where there is none."""
    check_kind("device", name, str, "should be text, such as 'cpu' or 'cuda'")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        rule = f"not to be had here ({bounded(str(error).splitlines()[0], 200)})"
        raise SettingError.of("device", name, rule, ["cpu"]) from None
    return device


def _learning_rate_share(done: float) -> float:
    """From 1 to _FINAL_SHARE on a cosine."""
    return _FINAL_SHARE + (1 - _FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * done))


class _LastGood:
    """The state at the last check that found everything finite."""

    def __init__(self, network: Network, decoder: torch.Tensor) -> None:
        self.network = network
        self.decoder = decoder
        self.keep(0)

    def keep(self, step: int) -> None:
        self.step = step
        self.state = copy.deepcopy(self.network.state_dict())
        self.kept_decoder = self.decoder.detach().clone()

    def check(self, terms: Terms, step: int) -> None:
        """Keep this state; or put the last good one back and raise TrainingDiverged that names the
        step and the term.
        """
        for name, value in terms.values().items():
            if not math.isfinite(value):
                self.give_up(step, f"'{name}' = {value}")
        if all(bool(torch.isfinite(value).all()) for value in self.network.state_dict().values()):
            self.keep(step)

    @contextlib.contextmanager
    def watch(self, step: int) -> Iterator[None]:
        """Covariances that are no covariances any more have no factors, and say so before any term
        does.
        """
        try:
            yield
        except torch.linalg.LinAlgError as error:
            found = f"'covariance' has no factors ({str(error).splitlines()[0]})"
        else:
            return
        self.give_up(step, found)

    def give_up(self, step: int, found: str) -> NoReturn:
        """Put the last good state back and raise TrainingDiverged."""
        self.restore()
        place = f"training diverged at step {step}: {found}; the network is as at step {self.step}"
        error = TrainingDiverged(f"{place}; try a smaller learning_rate")
        error.network = self.network.cpu().eval()
        error.decoder = self.decoder.cpu()
        error.step = self.step
        raise error

    def restore(self) -> None:
        self.network.load_state_dict(self.state)
        with torch.no_grad():
            self.decoder.copy_(self.kept_decoder)


def _optimizer(
    network: Network, decoder: list[torch.Tensor], learning_rate: float
) -> torch.optim.Adam:
    rest, scales, widths = network.parameter_groups()
    groups: list[dict[str, Any]] = [
        {"params": [*rest, *decoder]},
        {"params": scales, "lr": learning_rate * _SCALE_RATE},
    ]
    groups += [{"params": widths, "lr": _WIDTH_RATE}] if widths else []
    books = network.book_parameters()
    groups += [{"params": books, "lr": _BOOK_RATE}] if books else []
    return torch.optim.Adam(groups, lr=learning_rate, fused=True)


class _Descent:
    """Adam on a network's parameters, and on the decoder (input, neuron) where it is learned."""

    def __init__(self, network: Network, decoder: torch.Tensor, settings: TrainSettings) -> None:
        steps_share, rate_share = network.shares
        self.network = network
        self.steps = max(1, round(settings.steps * steps_share))
        rate = settings.learning_rate * rate_share
        self.optimizer = _optimizer(network, [decoder] * decoder.requires_grad, rate)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: _learning_rate_share(step / self.steps)
        )
        self.last_good = _LastGood(network, decoder)

    def run(self, terms_of_batch: Callable[[], Terms], progress: Progress | None) -> Terms:
        """All steps; the terms of the last one. Raises TrainingDiverged."""
        for step in range(self.steps):
            terms = self.take(step, terms_of_batch)
            done = step + 1
            if done % _CHECK_EVERY == 0 or done == self.steps:
                self.last_good.check(terms, step)
                if progress is not None:
                    progress(done, self.steps)
        return terms

    def take(self, step: int, terms_of_batch: Callable[[], Terms]) -> Terms:
        """One step down the gradient of a batch's terms."""
        with self.last_good.watch(step):
            terms = terms_of_batch()
            self.optimizer.zero_grad(set_to_none=True)
            terms.total.backward()
        self.optimizer.step()
        self.schedule.step()
        self.network.keep_bounds()
        return terms


@one_thread()
@usual_torch()
@torch.enable_grad()
def _bytes_of(network: Network, batch: int) -> float:
    """Memory of a training at its peak; see `training_bytes`."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    own = network.settings
    hidden = own.architecture.hidden_per_neuron * own.neurons
    is_circuit = own.architecture.kind == "recurrent"
    kept = own.inputs + own.neurons + 2 * hidden * (own.architecture.kind == "deep")
    return training_bytes(parameters, batch, kept, own.neurons * is_circuit)


def fit(  # noqa: PLR0913 - public: settings are given by keyword
    network: Network,
    stimuli: torch.Tensor,
    decoder: torch.Tensor,
    model: ModelSettings,
    settings: TrainSettings,
    price: ReliabilityCost,
    key: int,
    learn_decoder: bool = False,
    progress: Progress | None = None,
    noise: HardwareNoise | None = None,
    extra: Extra | None = None,
) -> TrainResult:
    """Train `network` in place on stimuli (stimulus, input); the decoder (input, neuron) too where
    `learn_decoder`.

    noise: of the chip that the network is trained for; extra: a further term of the objective, of
    the network alone. Same key, same result (on one machine and the same versions; devices agree to
    rounding). Raises TrainingDiverged where a term stops being finite.
    """
    device = checked_device(settings.device)
    network.to(device).train()
    stimuli = stimuli.to(device)
    learned = decoder.to(device).requires_grad_(learn_decoder)
    draws = Draws(torch_generator(key, "train"), device)
    batch = max(1, round(settings.batch * network.batch_share))
    announce_memory("training", _bytes_of(network, batch))

    def terms_of_batch() -> Terms:
        x = stimuli[draws.integers(len(stimuli), batch)]
        terms = objective_of(x, network.response(x, draws, noise), learned, model, price, draws)
        if settings.weight_damping is not None and not network.settings.is_float:
            off = network.squared_steps_to_codes()
            terms = terms._replace(damping=settings.weight_damping * off)
        return terms if extra is None else terms._replace(energy=extra(network))

    started = time.perf_counter()
    descent = _Descent(network, learned, settings)
    terms = descent.run(terms_of_batch, progress)
    network.cpu().eval()
    with torch.no_grad():
        decoder.requires_grad_(False).copy_(learned.detach().cpu())
    return TrainResult(
        terms.values(),
        network.saturated_share(),
        seconds=time.perf_counter() - started,
        c=price.c,
        s=price.s,
        nats_per_joule=settings.nats_per_joule,
        method="trained",
        steps=descent.steps,
    )

"""How long does a training step take, against the same Brevitas network without noise and price,
and against plain torch?

Ours: `train` itself, checks and bounds included, for networks of 4 bits on natural image patches
(48 inputs, 64 neurons, batch 256; the recurrent circuit takes 16 stimuli per step),
quantisation-aware, and noise-aware for an in-memory chip with read noise and dithered inputs.
"Brevitas alone": the layers of the same shape, widths and first values, called through Brevitas's
own forward pass: QuantIdentity, QuantLinear, QuantIdentity (deep: one more QuantIdentity and
QuantLinear; no head for the noise, which nothing would train), the loss |x - A r|² with the decoder
fixed, the same batch and the same fused Adam. For the recurrent circuit that is what a user of
Brevitas would write: as many steps as the circuit runs (30), each through a QuantLinear of the
state and a QuantIdentity, and backpropagation through all of them; ours differentiates the
stationary moments in closed form instead. "torch alone": the same with nn.Linear and no quantisers.

One thread. A ratio is of times taken turn by turn in one process: its median over turns, and its 10
% and 90 % quantiles. A CUDA device is timed too where there is one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _bench import Figure, Options, main
from _speed import Way, quantiles, turn_by_turn
from torch import nn

from stochsim.data import load_dataset
from stochsim.hardware import Hardware, Noise, preset
from stochsim.models import ModelSettings, SparseCoding
from stochsim.networks import (
    ARCHITECTURES,
    ArchitectureSettings,
    HardwareNoise,
    Network,
    Recurrent,
    one_thread,
    quantised_from_float,
)
from stochsim.networks.network_settings import NetworkSettings
from stochsim.networks.quantizers import activation_quantizer, quantised_linear
from stochsim.report import ARCHITECTURE_WORDS
from stochsim.training import (
    ReliabilityCost,
    TrainedNetwork,
    TrainSettings,
    fit,
    learn_decoder,
    train_float,
)
from stochsim.training.loop import torch_generator

KINDS = tuple(ARCHITECTURES)
SIZE = 8
INPUTS = 48
NEURONS = 64
BITS = 4
# of the float networks that are quantised and timed: a circuit's moments take longer the slower it
# is
FIRST_STEPS = 300
STEPS_PER_CALL = {"single": 40, "deep": 40, "recurrent": 10}
BAR = 1.3
CHIP = (
    preset("in-memory-28nm")
    .with_precision(BITS, BITS, BITS)
    .replace(noise=Noise(read_sigma_lsb=0.29, input_dither="stochastic"))
)
METHODS: dict[str, Hardware | None] = {"quantisation-aware": None, "noise-aware": CHIP}


@dataclass(frozen=True)
class Task:
    """Stimuli (stimulus, input), their model, and a trained float single layer."""

    stimuli: torch.Tensor
    model: ModelSettings
    start: TrainedNetwork

    def floating(self, kind: str, steps: int = FIRST_STEPS) -> TrainedNetwork:
        """The float network of an architecture, trained for a while."""
        settings = TrainSettings(steps=steps)
        chosen = ArchitectureSettings(kind=kind)
        return train_float(
            self.start, self.stimuli.numpy(), self.model, settings, 0.0, 0, architecture=chosen
        )


def task_of(stimuli: np.ndarray, neurons: int = NEURONS, steps: int = FIRST_STEPS) -> Task:
    """A sparse coding task on stimuli (stimulus, input)."""
    model = SparseCoding(neurons=neurons, noise_sd=0.5, laplace_scale=1.0)
    return Task(
        torch.tensor(stimuli), model, learn_decoder(stimuli, model, TrainSettings(steps=steps), 0)
    )


# ---- ours


def our_steps(
    task: Task, network: Network, hardware: Hardware | None, steps: int, device: str
) -> Way:
    """A call that takes `steps` steps of `train`."""
    settings = TrainSettings(steps=round(steps / network.shares[0]), device=device)
    noise = None if hardware is None else HardwareNoise.of(hardware)

    def work() -> float:
        result = fit(
            network,
            task.stimuli,
            task.start.decoder.clone(),
            task.model,
            settings,
            ReliabilityCost(0.0),
            0,
            noise=noise,
        )
        if result.steps != steps:
            raise RuntimeError(f"{result.steps} steps taken where {steps} are timed")
        return sum(result.terms.values())

    return work


# ---- theirs


class Plain(nn.Module):
    """The network of `like` without noise: of Brevitas's layers where it is quantised, of torch's
    where it is not; starts as `like` is.
    """

    def __init__(self, like: Any) -> None:
        super().__init__()
        self.settings: NetworkSettings = like.settings
        s = self.settings
        self.kind = s.architecture.kind
        self.steps = s.architecture.steps
        self.read = self._codes(s.input_bits, s.input_scale)
        self.write = self._codes(s.output_bits, s.output_scale)
        if self.kind == "deep":
            self.clip = (
                nn.Hardtanh()
                if s.output_bits is None
                else self._codes(s.output_bits, 2.0 ** (1 - s.output_bits))
            )
        layers = {
            name: self._linear(name, layer)
            for name, layer in like.linears().items()
            if name != "log_sigma"
        }
        if isinstance(like, Recurrent):
            self.leak = like.leak
            with torch.no_grad():
                layers["lateral"].weight.copy_(like.matrix() - like.leak * torch.eye(s.neurons))
        self.layers = nn.ModuleDict(layers)

    @staticmethod
    def _codes(bits: int | None, scale: float) -> nn.Module:
        if bits is None:
            return nn.Identity()
        quantizer = activation_quantizer(bits, scale)
        quantizer.return_quant_tensor = False  # Brevitas's default
        return quantizer

    def _linear(self, name: str, like: Any) -> Any:
        bits = self.settings.weight_bits
        bias = like.bias is not None
        outputs, inputs = like.weight.shape
        scale = (
            self.settings.weight_scale
            if name == self.settings.first_layer
            else self.settings.scales.get(name, 1.0)
        )
        layer: Any = (
            nn.Linear(inputs, outputs, bias)
            if bits is None
            else quantised_linear(inputs, outputs, bias, bits, scale)
        )
        with torch.no_grad():
            layer.weight.copy_(like.weight)
            if bias:
                layer.bias.copy_(like.bias)
        return layer

    def forward(self, x: torch.Tensor) -> Any:
        """Responses (stimulus, neuron)."""
        drive = self.layers[self.settings.first_layer](self.read(x))
        if self.kind == "deep":
            return self.write(self.layers["readout"](self.clip(drive)))
        state = self.write(drive)
        for _ in range(self.steps - 1 if self.kind == "recurrent" else 0):
            state = self.write(self.leak * state + drive + self.layers["lateral"](state))
        return state


def plain_steps(task: Task, like: Network, steps: int, device: str) -> Way:
    """A call that takes `steps` steps of the plain network of `like`."""
    network = Plain(like).to(device).train()
    stimuli = task.stimuli.to(device)
    decoder = task.start.decoder.to(device)
    settings = TrainSettings()
    generator = torch_generator(0, "plain")
    batch = max(1, round(settings.batch * like.batch_share))
    rate = settings.learning_rate * like.shares[1]
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)

    @one_thread()
    def work() -> float:
        for _ in range(steps):
            x = stimuli[torch.randint(len(stimuli), (batch,), generator=generator).to(device)]
            loss = (x - network(x) @ decoder.T).square().sum(-1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        return float(loss.detach())  # waits for the device too

    return work


# ---- races


def works_of(
    task: Task, kind: str, device: str, steps: int, first_steps: int = FIRST_STEPS
) -> dict[str, Way]:
    """All ways to take `steps` steps with this architecture, by name."""
    start = task.floating(kind, first_steps).network
    works: dict[str, Way] = {}
    for method, hardware in METHODS.items():
        fit = torch_generator(0, "fit")
        network = quantised_from_float(
            start, task.stimuli, BITS, BITS, BITS, fit, by_posterior=hardware is not None
        )
        works[method] = our_steps(task, network, hardware, steps, device)
        if hardware is None:
            works["Brevitas alone"] = plain_steps(task, network, steps, device)
    return works | {"torch alone": plain_steps(task, start, steps, device)}


def figures_of(label: str, seconds: dict[str, np.ndarray]) -> list[Figure]:
    """Ratios with their bar, and milliseconds; seconds per step (turn,) by way."""
    figures = []
    for method in METHODS:
        for other, bar in (("Brevitas alone", BAR), ("torch alone", None)):
            ratio = quantiles(seconds[method] / seconds[other])
            figures.append(
                Figure(
                    f"{label}, {method}: time per step / {other}", *ratio, "×", other, bar, "lower"
                )
            )
    for way, times in seconds.items():
        figures.append(
            Figure(
                f"{label}, {way}: milliseconds per step",
                *quantiles(1e3 * times),
                "ms",
                better="lower",
            )
        )
        if label.startswith(ARCHITECTURE_WORDS["recurrent"]):
            figures.append(
                Figure(f"{label}, {way}: steps per second", *quantiles(1 / times), "1/s")
            )
    return figures


def devices() -> list[str]:
    """The CPU, and a CUDA device where there is one."""
    if torch.cuda.is_available():
        return ["cpu", "cuda"]
    print("no CUDA device here: its rows are left out")
    return ["cpu"]


def measure(options: Options) -> list[Figure]:
    """21 turns; with --quick 5."""
    dataset = load_dataset("patches", SIZE, INPUTS, 0)
    task = task_of(dataset.train)
    figures = []
    for device in devices():
        for kind in KINDS:
            steps = STEPS_PER_CALL[kind]
            seconds = turn_by_turn(works_of(task, kind, device, steps), 5 if options.quick else 21)
            label = ARCHITECTURE_WORDS[kind] + ("" if device == "cpu" else f" on {device}")
            figures += figures_of(label, {way: times / steps for way, times in seconds.items()})
    if options.out is not None:
        picture(figures, options)
    return figures


def picture(figures: list[Figure], options: Options) -> None:
    """Ratios as bars, with the bar to reach as a line."""
    from matplotlib.figure import Figure as Picture

    chosen = [figure for figure in figures if figure.bar is not None]
    canvas = Picture(figsize=(7, 1 + 0.35 * len(chosen)), layout="constrained")
    axes = canvas.subplots()
    values = [figure.value for figure in chosen]
    ends = [
        [figure.value - figure.low for figure in chosen],
        [figure.high - figure.value for figure in chosen],
    ]
    axes.barh([figure.name.split(":")[0] for figure in chosen], values, xerr=ends)
    axes.axvline(BAR, color="black", linestyle="--")
    axes.invert_yaxis()
    axes.set_xlabel("time per step / Brevitas alone (lower is better)")
    assert options.out is not None
    canvas.savefig(options.out / "training_speed.png", dpi=150)


if __name__ == "__main__":
    main(__doc__, measure)

"""Bring your own network: do small networks of many kinds keep what they learned on a chip?

Classifiers of 12 × 12 digits, moved and noisy (made of scikit-learn's; 3,000 to test), are trained
in float and converted: at 8 bits without noise; with 4-bit weights, each at its nearest value, and
so that their errors make up for each other; at 4 bits, as they are and after quantisation-aware
fine-tuning, with a weight scale per channel from 4 bits down. Losses are in accuracy, paired with
the float network on the same pictures; of Monte-Carlo dropout both are the class of the mean
probability over reads, and the divergence from the float network's predictive law is beside them. A
network of two inputs, a picture and a number, says whether the digit is larger. A U-Net that takes
noise away, a character-level decoder with a causal mask and a variational autoencoder are measured
by the relative error of their outputs at 8 bits (of the autoencoder: of the mean over reads; and
how far their spread is off). Multiply-adds of the bill stand against torch's own counter.
"""

import copy
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from _bench import Figure, Options, main
from _zoo import (
    CLASSIFIERS,
    CharacterDecoder,
    LargerThan,
    MovedDigits,
    Questions,
    Text,
    UNet,
    VariationalAutoencoder,
)
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from stochsim.hardware import preset
from stochsim.keys import fold_in
from stochsim.lowering import ChipModule, convert
from stochsim.posterior import mean_estimate

EPOCHS, TUNING_EPOCHS = 12, 6
BATCH = 128
RATE, TUNING_RATE = 3e-3, 1e-3
READS = 200
FEW = 200  # stimuli, where there are many reads
QUIET = preset("digital-45nm")

Loss = Callable[[Any, torch.Tensor], torch.Tensor]


def trained(network: Any, loss: Loss, count: int, epochs: int, rate: float) -> Any:
    """The network after epochs of Adam on `count` stimuli, its rate falling to 0; loss: of the
    network, for rows.
    """
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    steps = epochs * -(-count // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    random = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(count, generator=random).split(BATCH):
            optimizer.zero_grad()
            loss(network, rows).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def made(make: Callable[[], nn.Module]) -> nn.Module:
    """A network, its start by one seed."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def on_chip(
    network: nn.Module, bits: int, x: Any, scales: str, others: int = 0, rounding: str = "nearest"
) -> ChipModule:
    """The network with weights, and inputs and outputs if they have no other, of this width,
    without noise.
    """
    chip = QUIET.with_precision(bits, others or bits, others or bits)
    return convert(network, chip, first(x, 512), weight_scales=scales, weight_rounding=rounding)


def first(x: Any, count: int) -> Any:
    """The first stimuli of an input, or of each of several."""
    return tuple(one[:count] for one in x) if isinstance(x, tuple) else x[:count]


class Classifier:
    """A float network, and how its conversions do on the test pictures."""

    def __init__(self, data: MovedDigits, kind: str, epochs: int) -> None:
        self.data = data
        self.kind = kind
        self.is_random = kind == "Monte-Carlo dropout"
        self.network = trained(made(CLASSIFIERS[kind]), self._loss, len(data.x), epochs, RATE)
        self.right = self._right(self.probabilities(self.network))

    def _loss(self, network: Any, rows: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(network(self.data.x[rows]), self.data.y[rows])

    def _right(self, probabilities: np.ndarray) -> np.ndarray:
        return (probabilities.argmax(1) == self.data.answers.numpy()).astype(float)

    def probabilities(self, network: Any) -> np.ndarray:
        """Of the classes, (picture, class): the mean over passes or reads where it draws."""
        passes = READS if self.is_random else 1
        test = self.data.test
        if isinstance(network, ChipModule):
            scores = torch.from_numpy(network.sample(test, passes, 0))
            return torch.softmax(scores, -1).mean(1).numpy()
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(1)
            found = sum(torch.softmax(network(test), -1) for _ in range(passes)) / passes
        return np.asarray(found)

    def lost(self, network: ChipModule) -> np.ndarray:
        """What a conversion loses of the accuracy, (picture,), in per cent."""
        return 100 * (self.right - self._right(self.probabilities(network)))

    def tuned(self, network: ChipModule, epochs: int) -> ChipModule:
        """The same after fine-tuning."""
        tuned: ChipModule = trained(
            copy.deepcopy(network), self._loss, len(self.data.x), epochs, TUNING_RATE
        )
        return tuned


def _of_classifier(data: MovedDigits, kind: str, epochs: tuple[int, int]) -> list[Figure]:
    own = Classifier(data, kind, epochs[0])
    figures = [percent(f"{kind}, float: accuracy", 100 * own.right, None)]
    eight = on_chip(own.network, 8, data.x, "per-tensor")
    lost = own.lost(eight)
    figures.append(percent(f"{kind}, 8 bits: accuracy lost", lost, 1.0))
    for rounding in ("nearest", "compensated"):
        weights = on_chip(own.network, 4, data.x, "per-channel", 8, rounding)
        name = f"{kind}, 4-bit weights, {rounding}: accuracy lost"
        figures.append(percent(name, own.lost(weights), None))
    four = on_chip(own.network, 4, data.x, "per-channel")
    figures.append(percent(f"{kind}, 4 bits, as it is: accuracy lost", own.lost(four), None))
    tuned = own.tuned(four, epochs[1])
    figures.append(percent(f"{kind}, 4 bits, fine-tuned: accuracy lost", own.lost(tuned), 2.0))
    if own.is_random:
        p, q = own.probabilities(own.network), own.probabilities(eight)
        kl = (p * np.log(np.maximum(p, 1e-12) / np.maximum(q, 1e-12))).sum(1)
        figures.append(_mean(f"{kind}, 8 bits: KL of the predictive law", kl, "nat", None))
    return [*figures, *_of_bill(kind, own.network, eight, data.test)]


def _of_bill(kind: str, network: nn.Module, chip: ChipModule, x: Any) -> list[Figure]:
    """Multiply-adds of the bill over torch's own count on the module, and those on the chip."""
    found = chip.bill(first(x, 4)).multiply_adds
    one = first(x, 1)
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TF32, which no processor has
        with counter, sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False):
            network(*one) if isinstance(one, tuple) else network(one)
    share = 100 * sum(found) / (counter.get_total_flops() / 2)
    figure = Figure(f"{kind}: multiply-adds that the bill prices", share, share, share, "%")
    own = 100 * found.on_chip / sum(found)
    return [
        Figure(**{**vars(figure), "baseline": "torch's FlopCounterMode", "bar": 99.0}),
        Figure(f"{kind}: multiply-adds on the chip", own, own, own, "%"),
    ]


def percent(name: str, values: np.ndarray, bar: float | None) -> Figure:
    """The mean of values (picture,) in per cent, with its interval."""
    return _mean(name, values, "%", bar)


def _mean(name: str, values: np.ndarray, unit: str, bar: float | None) -> Figure:
    found = mean_estimate(values[None], fold_in(0, "conversion zoo", name))
    more: dict[str, Any] = {} if bar is None else {"baseline": "float", "bar": bar}
    better: Any = "higher" if name.endswith(": accuracy") else "lower"
    return Figure(name, found.value, found.low, found.high, unit, better=better, **more)


def _error(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Size of the difference over that of the outputs, in per cent, (stimulus,)."""
    axes = tuple(range(1, wanted.ndim))
    size = np.sqrt(np.square(wanted).sum(axes))
    return np.asarray(100 * np.sqrt(np.square(found - wanted).sum(axes)) / size)


def _of_two_inputs(data: MovedDigits, epochs: tuple[int, int]) -> list[Figure]:
    own = Questions(data)

    def loss(network: Any, rows: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(network(data.x[rows], own.asked[rows]), own.y[rows])

    def right(network: Any) -> np.ndarray:
        with torch.no_grad():
            found = network(data.test, own.test).argmax(1)
        return 100 * (found == own.answers).double().numpy()

    network = trained(made(LargerThan), loss, len(data.x), epochs[0], RATE)
    in_float = right(network)
    examples = (data.x, own.asked)
    eight = on_chip(network, 8, examples, "per-tensor")
    four = on_chip(network, 4, examples, "per-channel")
    as_it_is = in_float - right(four)
    tuned = trained(four, loss, len(data.x), epochs[1], TUNING_RATE)
    name = "two inputs"
    return [
        percent(f"{name}, float: accuracy", in_float, None),
        percent(f"{name}, 8 bits: accuracy lost", in_float - right(eight), 1.0),
        percent(f"{name}, 4 bits, as it is: accuracy lost", as_it_is, None),
        percent(f"{name}, 4 bits, fine-tuned: accuracy lost", in_float - right(tuned), 2.0),
        *_of_bill(name, network, eight, (data.test, own.test)),
    ]


def _of_u_net(data: MovedDigits, epochs: int) -> list[Figure]:
    network = trained(
        made(UNet),
        lambda own, rows: functional.mse_loss(own(data.x[rows]), data.clean[rows]),
        len(data.x),
        epochs,
        RATE,
    )
    chip = on_chip(network, 8, data.x, "per-tensor")
    wanted = network(data.test).detach().numpy()
    errors = _error(wanted, chip.sample(data.test, 1, 0)[:, 0])
    figures = [percent("U-Net, 8 bits: relative error of outputs", errors, 2.0)]
    return figures + _of_bill("U-Net", network, chip, data.test)


def _of_decoder(epochs: int) -> list[Figure]:
    text = Text()
    network = trained(
        made(lambda: CharacterDecoder(text.letters)),
        lambda own, rows: functional.cross_entropy(
            own(text.x[rows]).flatten(0, 1), text.y[rows].flatten()
        ),
        len(text.x),
        2 * epochs,
        RATE,
    )
    chip = on_chip(network, 8, text.x[::4], "per-tensor")
    x = text.x[1::7]
    wanted = network(x).detach().numpy()
    found = chip.sample(x, 1, 0)[:, 0]
    alike = 100 * (wanted.argmax(-1) == found.argmax(-1)).mean(1)
    return [
        percent("decoder, 8 bits: relative error of outputs", _error(wanted, found), 2.0),
        _mean("decoder, 8 bits: same likeliest character", alike, "%", None),
        *_of_bill("decoder", network, chip, x),
    ]


def _of_autoencoder(data: MovedDigits, epochs: int) -> list[Figure]:
    network = trained(
        made(VariationalAutoencoder),
        lambda own, rows: (
            own.loss(data.x[rows], data.clean[rows])
            if isinstance(own, VariationalAutoencoder)
            else functional.mse_loss(own(data.x[rows]), data.clean[rows])
        ),
        len(data.x),
        epochs,
        RATE,
    )
    chip = on_chip(network, 8, data.x, "per-tensor")
    x = data.test[:FEW]
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        wanted = torch.stack([network(x) for _ in range(READS)], 1).numpy()
    found = chip.sample(x, READS, 0)
    spread = found.std(1).reshape(FEW, -1).mean(1) / wanted.std(1).reshape(FEW, -1).mean(1) - 1
    return [
        percent(
            f"autoencoder, 8 bits: relative error of the mean of {READS} reads",
            _error(wanted.mean(1), found.mean(1)),
            None,
        ),
        percent("autoencoder, 8 bits: spread off float's", 100 * spread, None),
        *_of_bill("autoencoder", network, chip, x),
    ]


def measure(options: Options) -> list[Figure]:
    """All of them; fewer epochs with --quick."""
    epochs = (2, 1) if options.quick else (EPOCHS, TUNING_EPOCHS)
    data = MovedDigits()
    figures = []
    for kind in CLASSIFIERS:
        start = time.perf_counter()
        figures += _of_classifier(data, kind, epochs)
        print(f"{kind}: {time.perf_counter() - start:.0f} s", flush=True)
    figures += _of_two_inputs(data, epochs)
    figures += _of_u_net(data, epochs[0])
    figures += _of_decoder(epochs[0])
    return figures + _of_autoencoder(data, epochs[0])


if __name__ == "__main__":
    main(__doc__, measure)

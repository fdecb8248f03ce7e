"""Bring your own network: what does a digits classifier lose as it is converted, and what does a
picture cost, layer by layer?

A linear (64-100-10), a convolutional and a depthwise separable classifier of the 8 × 8 digits are
trained in float and converted: at 8 bits without noise; at 4 and 2 bits, without noise and on a
noisy in-memory chip, as they are and after fine-tuning with the chip's noise, and with a weight
scale per channel; at 4 bits on an array. Losses are in accuracy
on 500 held-out pictures against the float network, those of noisy chips averaged over reads;
intervals over pictures and keys (of weights, training, and noise).
"""

import copy
import os
import sys
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import torch
from _bench import Figure, Options, main

from stochsim.data.digits import digit_pictures, split_by_label
from stochsim.hardware import Hardware, Noise, preset
from stochsim.keys import fold_in
from stochsim.lowering import ChipModule, convert
from stochsim.posterior import mean_estimate


class Sizes(NamedTuple):
    """keys: how many. epochs: of the float network, and of fine-tuning. held_out: pictures. reads:
    of each picture.
    """

    keys: int
    epochs: tuple[int, int]
    held_out: int = 500
    reads: int = 5


FULL, QUICK = Sizes(5, (60, 40)), Sizes(2, (20, 10))
BATCH = 64
RATE = 2e-3
TUNING_RATE = 1e-3
CHIP = preset("in-memory-28nm").replace(noise=Noise(read_sigma_lsb=0.29, input_dither="stochastic"))
QUIET = preset("digital-45nm")
BARS = {"8 bits, no noise": 0.5, "4 bits, noisy chip, fine-tuned": 2.0}


def linear() -> torch.nn.Module:
    """64-100-10."""
    nn = torch.nn
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(), hidden=nn.Linear(64, 100), relu=nn.ReLU(), last=nn.Linear(100, 10)
        )
    )


def convolutional() -> torch.nn.Module:
    """Two convolutions with pooling, and a linear layer on 64 values."""
    nn = torch.nn
    parts = OrderedDict[str, torch.nn.Module]()
    for number, (inputs, outputs) in enumerate(((1, 8), (8, 16)), 1):
        parts |= {
            f"conv{number}": nn.Conv2d(inputs, outputs, 3, padding=1),
            f"relu{number}": nn.ReLU(),
            f"pool{number}": nn.MaxPool2d(2),
        }
    return nn.Sequential(OrderedDict({**parts, "flatten": nn.Flatten(), "last": nn.Linear(64, 10)}))


def depthwise() -> torch.nn.Module:
    """A convolution to 16 channels, then twice one of each channel and one of 1 × 1, all with batch
    normalisation, and a linear layer on the means of 32 channels.
    """
    nn = torch.nn
    parts = OrderedDict[str, torch.nn.Module]()
    for number, (inputs, outputs, kernel, groups) in enumerate(
        ((1, 16, 3, 1), (16, 16, 3, 16), (16, 32, 1, 1), (32, 32, 3, 32), (32, 32, 1, 1)), 1
    ):
        pad = kernel // 2
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=pad, groups=groups, bias=False)
        parts |= {
            f"conv{number}": convolution,
            f"norm{number}": nn.BatchNorm2d(outputs),
            f"relu{number}": nn.ReLU(),
        }
    parts |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "last": nn.Linear(32, 10)}
    return nn.Sequential(parts)


NETWORKS = {"linear": linear, "convolutional": convolutional, "depthwise": depthwise}


class Digits:
    """Pictures (picture, 1, 8, 8) from 0 to 1 and labels, in two parts that are the same for all
    keys.
    """

    def __init__(self, held_out: int) -> None:
        pictures, labels = digit_pictures()
        train, test = split_by_label(labels, held_out, 0)
        x, y = torch.from_numpy(pictures).float().reshape(-1, 1, 8, 8), torch.from_numpy(labels)
        self.x = x[train]
        self.y = y[train]
        self.test = x[test]
        self.answers = labels[test]

    def trained(self, network: Any, epochs: int, rate: float, key: int) -> Any:
        """The network after `epochs` epochs of Adam, its rate falling to 0."""
        network.train()
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        generator = torch.Generator().manual_seed(key)
        steps = epochs * -(-len(self.x) // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(epochs):
            for part in torch.randperm(len(self.x), generator=generator).split(BATCH):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(network(self.x[part]), self.y[part]).backward()
                optimizer.step()
                schedule.step()
        return network.eval()

    def right(self, network: Any) -> np.ndarray:
        """1 for each held-out picture that a float network names rightly, (picture,)."""
        with torch.no_grad():
            return (network(self.test).argmax(1).numpy() == self.answers).astype(float)

    def share_right(self, converted: ChipModule, reads: int, key: int) -> np.ndarray:
        """The share of reads of a chip that name each picture rightly, (picture,); ties go to the
        lower digit.
        """
        found = converted.sample(self.test, reads, key).argmax(-1)
        return np.asarray((found == self.answers[:, None]).mean(1))


class Bench:
    """One key's float network, and its conversions."""

    def __init__(self, kind: str, key: int, sizes: Sizes) -> None:
        self.data = data = Digits(sizes.held_out)
        self.key = fold_in(key, "conversion", kind) % 2**62
        self.sizes = sizes
        with torch.random.fork_rng():
            torch.manual_seed(self.key)  # torch's layers draw their start from it
            network = NETWORKS[kind]()
        self.network = data.trained(network, sizes.epochs[0], RATE, self.key)
        self.right = data.right(self.network)

    def converted(self, hardware: Hardware, bits: int, scales: str = "per-tensor") -> ChipModule:
        """The float network on a chip of these widths; scales: see `convert`."""
        return convert(
            self.network,
            hardware.with_precision(bits, bits, bits),
            self.data.x,
            weight_scales=scales,
            key=self.key,
            chip_key=self.key,
        )

    def tuned(self, converted: ChipModule) -> ChipModule:
        """The same after noise-aware fine-tuning: the chip's noise in every step."""
        tuned: ChipModule = self.data.trained(
            copy.deepcopy(converted), self.sizes.epochs[1], TUNING_RATE, self.key
        )
        return tuned

    def losses(self) -> dict[str, np.ndarray]:
        """What each conversion loses of the float network's accuracy, (picture,), in per cent."""
        chips = {"8 bits, no noise": self.converted(QUIET, 8)}
        for bits in (4, 2):
            for name, hardware in (
                (f"{bits} bits, no noise", QUIET),
                (f"{bits} bits, noisy chip", CHIP),
            ):
                chips[f"{name}, as it is"] = self.converted(hardware, bits)
                chips[f"{name}, fine-tuned"] = self.tuned(chips[f"{name}, as it is"])
                channels = self.converted(hardware, bits, "per-channel")
                chips[f"{name}, per channel, as it is"] = channels
                chips[f"{name}, per channel, fine-tuned"] = self.tuned(channels)
        chips["4 bits, rram-array, as it is"] = self.converted(preset("rram-array"), 4)
        return {
            name: 100 * (self.right - self.data.share_right(chip, self.sizes.reads, self.key))
            for name, chip in chips.items()
        }


class Measured(NamedTuple):
    """What one key's network gives: 1 for each picture named rightly (picture,), what each
    conversion loses, and joules by chip and layer, of the first key.
    """

    right: np.ndarray
    losses: dict[str, np.ndarray]
    joules: list[Figure]


def measured(kind: str, key: int, sizes: Sizes) -> Measured:
    """One network, in a process of its own, on one thread: the networks are too small for two."""
    torch.set_num_threads(1)
    bench = Bench(kind, key, sizes)
    return Measured(bench.right, bench.losses(), [] if key else _joules(bench, kind))


def _joules(bench: Bench, kind: str) -> list[Figure]:
    """Joules of a picture by layer at 4 bits, on the presets."""
    figures = []
    for name in ("digital-45nm", "in-memory-28nm", "rram-array"):
        bill = bench.converted(preset(name), 4).bill(bench.data.test[:16])
        for layer, energy in {**bill.energy_by_layer, "all layers": bill.energy}.items():
            pico = 1e12 * energy.per_read_j
            figures.append(
                Figure(
                    f"{kind}, 4 bits, {name}: {layer}",
                    pico,
                    pico,
                    pico,
                    "pJ/picture",
                    better="lower",
                )
            )
    return figures


def measure(options: Options) -> list[Figure]:
    """Five keys; two and fewer epochs with --quick."""
    sizes = QUICK if options.quick else FULL
    keys = range(sizes.keys)
    runs = [(kind, key) for kind in reversed(NETWORKS) for key in keys]  # the longest first
    found = {}
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        tasks = {pool.submit(measured, *run, sizes): run for run in runs}
        for count, task in enumerate(as_completed(tasks), 1):
            found[tasks[task]] = task.result()
            print(f"{count} of {len(runs)} networks", file=sys.stderr, flush=True)
    figures = []
    for kind in NETWORKS:
        of_keys = [found[kind, key] for key in keys]
        right = mean_estimate(
            100 * np.stack([one.right for one in of_keys]), fold_in(0, "conversion", kind)
        )
        figures.append(Figure(f"{kind}, float: accuracy", right.value, right.low, right.high, "%"))
        for name in of_keys[0].losses:
            lost = mean_estimate(
                np.stack([one.losses[name] for one in of_keys]),
                fold_in(0, "conversion", kind, name),
            )
            more: dict[str, Any] = {"baseline": "float", "bar": BARS.get(name), "better": "lower"}
            figures.append(
                Figure(
                    f"{kind}, {name}: accuracy lost", lost.value, lost.low, lost.high, "%", **more
                )
            )
        figures += of_keys[0].joules
    return figures


if __name__ == "__main__":
    main(__doc__, measure)

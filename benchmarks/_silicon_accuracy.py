"""What the macros' chips compute, held against what papers say of their outputs.

Colonnade is digital and exact: sums of random codes at 1 to 8 bits are compared with integers.
Of Jia, Sinangil and Wang no noise is at hand, so their arrays err by the converter's rounding
alone: the root mean square of a sum's error is compared with the closed form of it, each conversion
off by a step over the root of 12, times its place. NeuRRAM's claim is accuracy comparable to
software with weights of four bits: the same network on both, digits of scikit-learn (MNIST and
CIFAR-10, on which it was made, are not here); and image recovery by a restricted Boltzmann machine,
whose error falls by 70 % on its data, against the same machine in software.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from _bench import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import stochsim as ss
from stochsim.hardware import Hardware
from stochsim.posterior import mean_estimate
from stochsim.program import Layer, Quantizer, single_layer
from stochsim.silicon import load_macro

Floats = NDArray[np.floating]
COMPARABLE = 0.01
"""Accuracy that may be lost where a paper says comparable: our reading of the word."""


def accuracy_figures(quick: bool) -> Iterator[Figure]:
    """All of them."""
    yield exact_sums(8 if quick else 64)
    for name, bits in (("jia", (1, 1)), ("sinangil", (4, 4)), ("wang", (8, 8))):
        yield rounding_error(name, bits, 256 if quick else 2048)
    yield from classification(2 if quick else 10)
    yield from recovery(1 if quick else 5)


def exact_sums(stimuli: int) -> Figure:
    """Sums of Colonnade that differ from those of integers, at all widths."""
    off = count = 0
    draws = np.random.default_rng(0)
    for weight_bits in range(1, 9):
        for input_bits in range(1, 9):
            hardware = load_macro("colonnade").hardware(
                weight_bits=weight_bits, input_bits=input_bits
            )
            weights, codes = (
                _codes(draws, (16, 128), weight_bits),
                _codes(draws, (stimuli, 128), input_bits),
            )
            chip = ss.Chip(_program(weights, weight_bits, input_bits, 1.0), hardware)
            found = chip.drive(codes.astype(np.float64))
            expected = codes.astype(object) @ weights.T.astype(object)
            off += int((found != expected.astype(np.float64)).sum())
            count += found.size
    name = f"colonnade: sums that differ from integers, of {count:,}"
    return Figure(name, off, off, off, "sums", bar=0.0, better="lower")


def rounding_error(name: str, bits: tuple[int, int], stimuli: int) -> Figure:
    """Root mean square of the error of a macro's sums over the closed form."""
    weight_bits, input_bits = bits
    hardware = load_macro(name).hardware(weight_bits=weight_bits, input_bits=input_bits)
    assert hardware.array is not None
    rows = hardware.array.rows
    draws = np.random.default_rng(1)
    weights = _codes(draws, (16, rows), weight_bits)
    codes = _codes(draws, (stimuli, rows), input_bits)
    exact = codes.astype(np.float64) @ weights.T
    step = float(np.abs(exact).max()) / 127
    program = _program(weights, weight_bits, input_bits, step)
    found = ss.Chip(program, hardware).sample(codes.astype(np.float64), 1, key=0).values[:, 0]
    form = math.hypot(closed_form(hardware, bits), step / math.sqrt(12))
    errors = np.sqrt(((found - exact) ** 2).mean(axis=1)) / form
    estimate = mean_estimate(errors**2, 0)
    return Figure(
        f"{name}: error of sums of {rows} products, over rounding's closed form",
        math.sqrt(estimate.value),
        math.sqrt(estimate.low),
        math.sqrt(estimate.high),
        "1",
        baseline=f"{closed_form(hardware, bits):.3g} in units of a product",
    )


def closed_form(hardware: Hardware, bits: tuple[int, int]) -> float:
    """Root mean square of rounding in a sum of one tile, in units of a product of two codes: of
    every slice and cycle a step over the root of 12, times its place.
    """
    array = hardware.array
    assert array is not None
    cells, digits = 2**array.cell_bits - 1, 2**array.cycle_bits - 1
    step = array.rows * cells * digits / (2**array.adc.bits - 1)
    slices, cycles = array.slices(bits[0]), array.cycles(bits[1])
    places = [
        2.0 ** (array.cell_bits * one + array.cycle_bits * other)
        for one in range(slices)
        for other in range(cycles)
    ]
    unit = (2.0 if bits[0] == 1 else 1.0) * (2.0 if bits[1] == 1 else 1.0)  # of ±1
    return unit * max(step, 1.0) / math.sqrt(12) * math.sqrt(sum(one**2 for one in places))


def _codes(draws: np.random.Generator, shape: tuple[int, ...], bits: int) -> NDArray[np.int8]:
    """Signed integers of so many bits; of one bit ±1."""
    if bits == 1:
        return (2 * draws.integers(0, 2, shape) - 1).astype(np.int8)
    top = 2 ** (bits - 1) - 1
    return draws.integers(-top, top + 1, shape).astype(np.int8)


def _program(weights: NDArray[np.int8], weight_bits: int, input_bits: int, step: float) -> Any:
    """One layer without noise, whose outputs are sums in steps of `step`."""
    neurons = len(weights)
    inputs, outputs = Quantizer(input_bits, 1.0), Quantizer(8, step)
    zeros = np.zeros(neurons)
    return single_layer(
        Layer(weights, weight_bits, 1.0, inputs, outputs, zeros, zeros, "identity"), 0.0
    )


def classification(chips: int) -> Iterator[Figure]:
    """What a network of digits loses on chips of NeuRRAM, against 4-bit software, trained with and
    without noise on its weights as NeuRRAM's were.
    """
    images, labels = _digits()
    for noise in (0.0, 0.15):
        net = _trained(images[:1300], labels[:1300], noise)
        examples, test = images[:512], images[1300:]
        truth = labels[1300:].numpy()
        software = ss.load_hardware("digital-45nm").with_precision(4, 4, 8)
        right = _right(ss.convert(net, software, examples).sample(test, 1, 0)[:, 0], truth)
        hardware = load_macro("neurram").hardware(input_bits=4, output_bits=6)
        on_chips = [
            _right(
                ss.convert(net, hardware, examples, chip_key=key).sample(test, 1, key)[:, 0], truth
            )
            for key in range(chips)
        ]
        lost = mean_estimate(right[None] - np.stack(on_chips), 0)
        how = "trained with noise on weights" if noise else "trained without noise"
        yield Figure(
            f"neurram: accuracy lost to 4-bit software, digits, {how}, {chips} chips",
            *(lost.value, lost.low, lost.high),
            "1",
            baseline=f"software {right.mean():.3f}; published: comparable",
            bar=COMPARABLE,
            better="lower",
        )


def recovery(chips: int) -> Iterator[Figure]:
    """By how much the error of pictures falls whose lower three rows are hidden, of a restricted
    Boltzmann machine in software, in software with weights of four bits, and with its sums on chips
    of NeuRRAM in both directions.
    """
    images, _ = _digits()
    pixels = (images > 0.5).double().numpy()
    machine = _boltzmann(pixels[:1300])
    test = pixels[1300:]
    hidden = np.arange(64) >= 40
    occluded = np.where(hidden, 0.0, test)
    macro = load_macro("neurram").hardware(input_bits=2, output_bits=8)
    digital = ss.load_hardware("digital-45nm").with_precision(4, 2, 8)
    examples = pixels[:512]
    ways: list[tuple[str, list[Any]]] = [
        ("software", [_in_software(machine)]),
        ("4-bit software", [_on_chip(machine, digital, examples, 0)]),
        (f"{chips} chips", [_on_chip(machine, macro, examples, n) for n in range(chips)]),
    ]
    for words, sums in ways:
        fallen = [_fallen(test, occluded, _recovered(machine, test, hidden, one)) for one in sums]
        found = mean_estimate(np.stack(fallen) if len(fallen) > 1 else fallen[0], 0)
        yield Figure(
            f"neurram: image error removed by a Boltzmann machine, digits, {words}",
            *(found.value, found.low, found.high),
            "1",
            baseline="published, other images: 0.70",
        )


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (stimulus, pixel) from 0 to 1, shuffled, and labels."""
    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    images = torch.tensor(found.data[order] / 16, dtype=torch.float32)
    return images, torch.tensor(found.target[order])


def _trained(images: torch.Tensor, labels: torch.Tensor, noise: float) -> torch.nn.Module:
    """A network 64-64-10; noise: sd of what is added to weights at each step, as a share of their
    largest.
    """
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(400):
        moved = {
            name: one + noise * one.detach().abs().max() * torch.randn_like(one)
            if name.endswith("weight")
            else one
            for name, one in net.named_parameters()
        }
        given = torch.func.functional_call(net, moved, (images,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(given, labels).backward()
        optimiser.step()
    return net.eval()


def _right(values: Floats, truth: NDArray[np.integer]) -> Floats:
    return (values.argmax(axis=1) == truth).astype(np.float64)


class _Machine:
    """Weights (visible, hidden) and biases of a restricted Boltzmann machine."""

    def __init__(self, visible: int, hidden: int) -> None:
        self.draws = np.random.default_rng(2)
        self.weights = self.draws.normal(0, 0.05, (visible, hidden))
        self.visible, self.hidden = np.zeros(visible), np.zeros(hidden)


def _boltzmann(pixels: Floats, hidden: int = 96, epochs: int = 150) -> _Machine:
    """Trained by contrastive divergence of one step (Hinton 2002)."""
    found = _Machine(pixels.shape[1], hidden)
    draws = found.draws
    for _ in range(epochs):
        for part in np.array_split(draws.permutation(len(pixels)), len(pixels) // 50):
            seen = pixels[part]
            first = _logistic(seen @ found.weights + found.hidden)
            units = (draws.random(first.shape) < first).astype(float)
            back = _logistic(units @ found.weights.T + found.visible)
            again = _logistic(back @ found.weights + found.hidden)
            rate = 0.05 / len(part)
            found.weights += rate * (seen.T @ first - back.T @ again)
            found.visible += rate * (seen - back).sum(axis=0)
            found.hidden += rate * (first - again).sum(axis=0)
    return found


def _in_software(machine: _Machine) -> Any:
    return lambda x, up, key: x @ (machine.weights if up else machine.weights.T)


def _on_chip(machine: _Machine, hardware: Hardware, pixels: Floats, chip_key: int) -> Any:
    """Sums on a chip, in both directions; the two are on cells of their own."""
    draws = np.random.default_rng(4)
    chance = _logistic(pixels @ machine.weights + machine.hidden)
    examples = (pixels, (draws.random(chance.shape) < chance).astype(float))
    found = []
    for weights, some in zip((machine.weights.T, machine.weights), examples, strict=True):
        linear = torch.nn.Linear(weights.shape[1], weights.shape[0], bias=False)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(weights)))
        x = torch.from_numpy(some).float()
        found.append(ss.convert(linear, hardware, x, chip_key=chip_key))
    up_chip, down_chip = found

    def sums(x: Floats, up: bool, key: int) -> Floats:
        chip = up_chip if up else down_chip
        read: Floats = chip.sample(torch.from_numpy(x).float(), 1, key)[:, 0]
        return read

    return sums


def _recovered(
    machine: _Machine, pixels: Floats, unknown: NDArray[np.bool_], sums: Any, cycles: int = 20
) -> Floats:
    """The mean of the chances of unknown pixels over the last half of some cycles of Gibbs
    sampling, in which the others stay as they are.
    """
    draws = np.random.default_rng(5)
    seen, kept = np.where(unknown, draws.random(pixels.shape) < 0.5, pixels), []
    for cycle in range(cycles):
        hidden = _logistic(sums(seen, True, 2 * cycle) + machine.hidden)
        units = (draws.random(hidden.shape) < hidden).astype(float)
        chance = _logistic(sums(units, False, 2 * cycle + 1) + machine.visible)
        seen = np.where(unknown, draws.random(chance.shape) < chance, pixels)
        if cycle >= cycles // 2:
            kept.append(chance)
    found: Floats = np.where(unknown, np.mean(kept, axis=0), pixels)
    return found


def _fallen(clean: Floats, occluded: Floats, recovered: Floats) -> Floats:
    """The share of each picture's squared error that is gone."""
    before, after = (((one - clean) ** 2).sum(axis=1) for one in (occluded, recovered))
    found: Floats = 1 - after / np.maximum(before, 1)
    return found


def _logistic(x: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-x))
    return found

"""Programs: what a chip needs to know of a network, as plain arrays."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stochsim.formats import CodeBook, NeuronBooks, blocks_text
from stochsim.program.folders import write_folder
from stochsim.program.layer import Layer
from stochsim.program.layer_shape import LayerShape
from stochsim.program.quantizer import Quantizer
from stochsim.program.wiring import Wiring
from stochsim.settings import (
    AnyPath,
    SettingError,
    Stored,
    as_path,
    card,
    check_kind,
    check_rho,
    counted,
    one_line,
)

_LONGEST_NAME = 500


@dataclass(frozen=True)
class Program:
    """A quantised network: layers by name, in the order in which they run, and how they are wired.

    rho: the exponent of the price under which sigma was learned, finite and at least 0. Raises
    SettingError for what is no Layer, no Wiring or no such rho, and for layers that do not fit each
    other or the wiring. Made by `single_layer`, `with_log_sigma`, `recurrent` and `feed_forward`,
    or by `to_program` and `convert` of a network.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, inputs = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> print(program)
    program: feed-forward, 6 inputs -> 3 neurons
      layer    shape   weights  inputs  outputs  sigma
      layer 1  6 -> 3  4 bits   4 bits  4 bits   0.5
    >>> program.save("my_program")
    >>> ss.load_program("my_program").rho
    0.0
    """

    layers: Mapping[str, Layer]
    wiring: Wiring
    rho: float = 0.0
    __repr__ = one_line

    def __post_init__(self) -> None:
        _check_layers(self.layers)
        if not isinstance(self.wiring, Wiring):
            raise SettingError.of("wiring", self.wiring, "should be a Wiring")
        object.__setattr__(self, "rho", check_rho(self.rho))
        self.wiring.check(self.layers)

    @property
    def first(self) -> Layer:
        """The layer on the stimulus."""
        return next(iter(self.layers.values()))

    @property
    def readout(self) -> Layer:
        """The layer whose neurons' codes are read."""
        return self.layers[self.wiring.read_layer(self.layers)]

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.first.inputs

    @property
    def neurons(self) -> int:
        """Number of neurons whose codes are read."""
        return self.readout.neurons

    @property
    def input(self) -> Quantizer:
        """The quantiser of the stimuli."""
        return self.first.input

    @property
    def output(self) -> Quantizer:
        """The quantiser of the codes that are read."""
        return self.readout.output

    @property
    def sigma(self) -> np.ndarray:
        """Noise of the neurons that are read, (neuron,), in units of the drive, where it does not
        depend on the stimulus.
        """
        return self.readout.sigma

    @property
    def billed_sigma(self) -> dict[str, np.ndarray]:
        """Noise levels (neuron,) that neurons are billed for, by layer."""
        return self.wiring.billed_sigma(self.layers)

    @property
    def weight_bits(self) -> int:
        """Bits of the weights of the layers without a width of their own, of the layer that is read
        where they differ; of the widest where all have one.
        """
        order = sorted(self.layers.values(), key=lambda layer: layer is not self.readout)
        widest = max(layer.weight_bits for layer in order)
        return next((layer.weight_bits for layer in order if not layer.own_width), widest)

    @property
    def steps(self) -> int | None:
        """Steps from rest to a read of a recurrent network; None of others."""
        return self.wiring.steps_of_read

    @property
    def shapes(self) -> dict[str, LayerShape]:
        """Sizes and widths of the layers."""
        return {name: layer.shape for name, layer in self.layers.items()}

    @property
    def not_saved(self) -> tuple[str, ...]:
        """Parts that `save` leaves out, each with the reason: of a converted network, those in
        float that no file can say.
        """
        return self.wiring.not_saved

    @property
    def summary(self) -> str:
        """What it is, in a few words: "recurrent, 64 inputs -> 64 neurons, 25 steps"."""
        return self.wiring.summary(self.layers)

    def __str__(self) -> str:
        """A card with a line for each layer; sigma in units of the drive."""
        heads = ("layer", "shape", "weights", "inputs", "outputs", "sigma")
        rows: list[tuple[str, ...]] = [heads]
        for name, layer in self.layers.items():
            books = (layer.weight_book, layer.input.book, layer.output.book)
            widths = (layer.weight_bits, layer.input.bits, layer.output.bits)
            bits = [_values_text(*one) for one in zip(widths, books, strict=True)]
            if layer.weight_book is not None and layer.block_size is not None:
                bits[0] = blocks_text(layer.weight_book, layer.block_size, layer.block_scales)
            if layer.input.is_dynamic:
                bits[1] = layer.input.format_name
            shape = f"{layer.inputs:,} -> {layer.neurons:,}"
            rows.append((name, shape, *bits, self.wiring.sigma_text(name, layer)))
        return card(f"program: {self.summary}", rows, "more layers")

    def with_output(self, output: Quantizer) -> "Program":
        """The same network with other outputs of the layer that is read, as of another number
        format; of a circuit with another state, see `Recurrent.with_output`.

        Raises SettingError where that layer's codes are inputs of another layer too.

        >>> from stochsim.program import Quantizer, random_program
        >>> program, inputs = random_program((6, 3), (4, 4, 4), sigma=0.5)
        >>> print(program.with_output(Quantizer.of_format("fp4-e2m1", 0.5)))
        program: feed-forward, 6 inputs -> 3 neurons
          layer    shape   weights  inputs  outputs   sigma
          layer 1  6 -> 3  4 bits   4 bits  fp4-e2m1  0.5
        """
        check_kind("output", output, Quantizer, "should be a Quantizer")
        layers, wiring = self.wiring.with_output(self.layers, output)
        return dataclasses.replace(self, layers=layers, wiring=wiring)

    def save(self, folder: AnyPath) -> None:
        """Write it to a folder, made where it does not exist, from which `load_program` gives it
        back; a program that stood there is replaced.
        """
        arrays: dict[str, np.ndarray] = {}
        rows = []
        for name, layer in self.layers.items():
            row, own = layer.to_table()
            rows.append({"name": name, **row})
            arrays |= {f"layers.{name}.{field}": value for field, value in own.items()}
        table, of_wiring = self.wiring.to_table()
        table = {**table, "layers": rows, "rho": self.rho}
        stored = Stored(self.wiring.kind, table, arrays | of_wiring)
        write_folder(as_path("folder", folder), stored)


def _values_text(width: int, book: CodeBook | NeuronBooks | None) -> str:
    return counted(width, "bit", "bits") if book is None else book.name


def _check_layers(layers: Any) -> None:
    """Raise SettingError for what is no mapping of names to layers."""
    if not isinstance(layers, Mapping):
        raise SettingError.of("layers", layers, "should be layers by name, as in a dict")
    for name, layer in layers.items():
        is_name = isinstance(name, str) and name.isprintable() and 1 <= len(name) <= _LONGEST_NAME
        if not is_name:
            rule = (
                f"the name of a layer should be printable text of 1 to {_LONGEST_NAME} characters"
            )
            raise SettingError.of("layers", name, rule)
        if not isinstance(layer, Layer):
            raise SettingError.of(name, layer, "should be a Layer", section=("layers",))

"""Programs: what a chip needs to know of a trained network, as plain arrays; single-layer,
multi-layer ("deep") and recurrent.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stochsim.program.float_programs import FloatProgram as FloatProgram
from stochsim.program.quantizer import Quantizer as Quantizer
from stochsim.settings import SettingError


@dataclass(frozen=True)
class Program:
    """A quantised single-layer network: drive = weight_scale input.scale (W_q x_q) + bias, then
    noise, then the output quantiser.

    weight_codes: (neuron, input) int8, -1 and 1 at one bit; bias, sigma: (neuron,) float64 in units
    of the drive; rho: the exponent of the price under which sigma was learned. own_width:
    `weight_bits` was chosen for this layer, and need not be that of the Hardware.
    """

    weight_codes: np.ndarray
    weight_bits: int
    weight_scale: float
    input: Quantizer
    output: Quantizer
    bias: np.ndarray
    sigma: np.ndarray
    rho: float
    activation: str = "identity"
    own_width: bool = False

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight_codes.shape[1])

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight_codes.shape[0])

    @property
    def layers(self) -> tuple["Program", ...]:
        """All products with their neurons, in the order in which they run."""
        return (self,)

    def save(self, folder: Path) -> None:
        """Write it to a folder, from which `load_program` gives it back (see files.py)."""
        _save(self, folder)


@dataclass(frozen=True)
class DeepProgram:
    """A quantised multi-layer network: hidden layers one after the other, then two layers that read
    the codes of the last of them.

    `last` gives the codes that are read; `spread` gives their noise, sigma_i = exp(base_i + value
    of spread's code), in units of last's drive, for each stimulus. sigma of hidden layers and of
    `spread` is 0 (buys nothing), that of `last` is not used. base: (neuron,) float64. Raises
    SettingError for layers whose shapes or quantisers do not fit.
    """

    hidden: tuple[Program, ...]
    spread: Program
    last: Program
    base: np.ndarray

    def __post_init__(self) -> None:
        if not self.hidden:
            raise SettingError("'hidden' has no layers: a deep program needs at least one")
        names = [f"hidden[{i}]" for i in range(len(self.hidden))]
        for i, program in enumerate(self.hidden[1:]):
            _check_follows(names[i], self.hidden[i], names[i + 1], program)
        for name, program in (("spread", self.spread), ("last", self.last)):
            _check_follows(names[-1], self.hidden[-1], name, program)
        for name, shape in (("spread", (self.spread.neurons,)), ("base", np.shape(self.base))):
            if shape != (self.last.neurons,):
                raise SettingError(
                    f"'{name}' has shape {shape}: one value for each of the {self.last.neurons} "
                    f"neurons of 'last' is needed"
                )

    @property
    def inputs(self) -> int:
        """Number of inputs of the first layer."""
        return self.hidden[0].inputs

    @property
    def neurons(self) -> int:
        """Number of neurons whose codes are read."""
        return self.last.neurons

    @property
    def input(self) -> Quantizer:
        """The quantiser of the stimuli."""
        return self.hidden[0].input

    @property
    def output(self) -> Quantizer:
        """The quantiser of the codes that are read."""
        return self.last.output

    @property
    def weight_bits(self) -> int:
        """Bits of the weights of the layers without a width of their own (of the last of them); of
        the widest where all have one.
        """
        return _common_width(self.last, self.spread, *reversed(self.hidden))

    @property
    def rho(self) -> float:
        """The exponent of the price under which sigma was learned."""
        return self.last.rho

    @property
    def layers(self) -> tuple[Program, ...]:
        """All products with their neurons, in the order in which they run."""
        return (*self.hidden, self.spread, self.last)

    def save(self, folder: Path) -> None:
        """Write it to a folder, from which `load_program` gives it back (see files.py)."""
        _save(self, folder)


@dataclass(frozen=True)
class RecurrentProgram:
    """A quantised recurrent network.

    Its neurons hold codes c of `output`; at each of `steps` steps, from the code of value 0 on,

        drive = forward(x) + lateral(c) + own[c - c_min],    c = code of drive + sigma xi

    and the code after the last step is read; every read is a chain of its own. forward: weights
    (neuron, input) on the stimulus, with the bias, sigma (injected at every step), output and rho
    of the network; lateral: weights (neuron, neuron) on the codes, so lateral.input is the
    quantiser of the state; its bias is added, its sigma is not used. own: (levels, neuron) float64,
    what a neuron adds to its drive by its own present code. radius: the spectral radius of the
    linearised step, which must be below 1. Raises SettingError for shapes or quantisers that do not
    fit.
    """

    forward: Program
    lateral: Program
    own: np.ndarray
    steps: int
    radius: float

    def __post_init__(self) -> None:
        neurons, output = self.forward.neurons, self.forward.output
        if self.lateral.weight_codes.shape != (neurons, neurons):
            raise SettingError(
                f"'lateral' has weights {self.lateral.weight_codes.shape}: should be "
                f"{(neurons, neurons)}, as 'forward' has"
            )
        if self.forward.input.unsigned or output.unsigned:
            raise SettingError(
                "a recurrent program reads and gives signed codes: 'unsigned' is for layers that "
                "follow one another"
            )
        if not self.lateral.input == self.lateral.output == output:
            raise SettingError(
                f"'lateral' reads {self.lateral.input}, gives {self.lateral.output}: both should "
                f"be the state's, {output}"
            )
        if np.shape(self.own) != (output.levels, neurons):
            raise SettingError(
                f"'own' has shape {np.shape(self.own)}: should be (levels, neuron) = "
                f"{(output.levels, neurons)}"
            )
        if self.steps < 1:
            raise SettingError(f"'steps' = {self.steps!r}: should be at least 1")

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.forward.inputs

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.forward.neurons

    @property
    def input(self) -> Quantizer:
        """The quantiser of the stimuli."""
        return self.forward.input

    @property
    def output(self) -> Quantizer:
        """The quantiser of the state, which is read."""
        return self.forward.output

    @property
    def weight_bits(self) -> int:
        """Bits of the weights on the stimulus; of the lateral ones where those alone have no width
        of their own; else of the wider.
        """
        return _common_width(self.forward, self.lateral)

    @property
    def sigma(self) -> np.ndarray:
        """Noise injected at every step, (neuron,), in units of the drive."""
        return self.forward.sigma

    @property
    def rho(self) -> float:
        """The exponent of the price under which sigma was learned."""
        return self.forward.rho

    @property
    def layers(self) -> tuple[Program, ...]:
        """All products with their neurons, in the order in which they run."""
        return (self.forward, self.lateral)

    def save(self, folder: Path) -> None:
        """Write it to a folder, from which `load_program` gives it back (see files.py)."""
        _save(self, folder)


AnyProgram = Program | DeepProgram | RecurrentProgram


def _save(program: AnyProgram, folder: Path) -> None:
    from stochsim.program.files import save_program  # here, for it imports this file

    save_program(program, folder)


def _common_width(*layers: Program) -> int:
    return next(
        (layer.weight_bits for layer in layers if not layer.own_width),
        max(layer.weight_bits for layer in layers),
    )


def _check_follows(before: str, first: Program, after: str, second: Program) -> None:
    if second.inputs != first.neurons:
        raise SettingError(
            f"'{after}' has {second.inputs} inputs: should be {first.neurons}, the neurons of "
            f"'{before}'"
        )
    if second.input != first.output:
        raise SettingError(
            f"'{after}' reads {second.input}: should be the output of '{before}', {first.output}"
        )

"""Programs: what a chip needs to know of a trained network, as plain arrays; single-layer, multi-layer ("deep") and recurrent."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stochsim.deploy.float_programs import FloatProgram as FloatProgram
from stochsim.settings import SettingError

_AT_ONCE = 32768  # values quantised at a time: they stay in the second-level cache


@dataclass(frozen=True)
class Quantizer:
    """A b-bit quantiser with the conventions of Brevitas.

    Two bits and more: codes c in -2^(b-1) … 2^(b-1) - 1 and value scale * c. One bit: c in {0, 1} and values -scale and +scale.
    Unsigned: the same codes, with value scale * (c - c_min), so from 0 on in steps of scale, at one bit too.
    """

    bits: int
    scale: float
    unsigned: bool = False

    @property
    def levels(self) -> int:
        """2^b."""
        return int(2**self.bits)

    @property
    def c_min(self) -> int:
        """The smallest code."""
        return 0 if self.bits == 1 else -(self.levels // 2)

    @property
    def z(self) -> float:
        """The value of code 0."""
        if self.unsigned:
            return -self.c_min * self.scale
        return -self.scale if self.bits == 1 else 0.0

    @property
    def step(self) -> float:
        """The distance of neighbouring values, Delta."""
        return 2 * self.scale if self.bits == 1 and not self.unsigned else self.scale

    @property
    def largest_integer(self) -> int:
        """No integer is larger in size."""
        return self.levels - 1 if self.unsigned else -self.c_min or 1

    def codes(self, values: np.ndarray) -> np.ndarray:
        """int8 codes, any shape, computed in float64 as Brevitas does there; halves go to the even code, 0 to the upper one at one bit."""
        values = np.asarray(values)
        if self.bits == 1:
            return (np.divide(values, self.scale, dtype=np.float64) >= 0.5 if self.unsigned else values >= 0).astype(np.int8)
        out = np.empty(values.shape, np.int8)
        flat, codes = np.ascontiguousarray(values).reshape(-1), out.reshape(-1)
        for first in range(0, flat.size, _AT_ONCE):
            part = np.divide(flat[first : first + _AT_ONCE], self.scale, dtype=np.float64)
            np.rint(part, out=part)
            if self.unsigned:
                part += self.c_min
            np.clip(part, self.c_min, self.c_min + self.levels - 1, out=part)
            codes[first : first + _AT_ONCE] = part
        return out

    def values(self, codes: np.ndarray) -> np.ndarray:
        """The values of codes, float32."""
        if self.unsigned:
            return np.float32(self.scale) * self.integers(codes).astype(np.float32)
        return (np.float32(self.z) + np.float32(self.step) * codes).astype(np.float32)

    def integers(self, codes: np.ndarray) -> np.ndarray:
        """The factor of `scale` in each code's value: -1 and 1 at one bit, the code itself above. These are Brevitas's integers.

        Unsigned: 0 … 2^b - 1, uint8.
        """
        if self.unsigned:
            return (codes.astype(np.int16) - self.c_min).astype(np.uint8)
        return 2 * codes - 1 if self.bits == 1 else codes


@dataclass(frozen=True)
class Program:
    """A quantised single-layer network: drive = weight_scale input.scale (W_q x_q) + bias, then noise, then the output quantiser.

    weight_codes: (neuron, input) int8, -1 and 1 at one bit; bias, sigma: (neuron,) float64 in units of the drive; rho: the exponent of
    the price under which sigma was learned. own_width: `weight_bits` was chosen for this layer, and need not be that of the Hardware.
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
    """A quantised multi-layer network: hidden layers one after the other, then two layers that read the codes of the last of them.

    `last` gives the codes that are read; `spread` gives their noise, sigma_i = exp(base_i + value of spread's code), in units of last's
    drive, for each stimulus. sigma of hidden layers and of `spread` is 0 (buys nothing), that of `last` is not used. base: (neuron,)
    float64. Raises SettingError for layers whose shapes or quantisers do not fit.
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
                raise SettingError(f"'{name}' has shape {shape}: one value for each of the {self.last.neurons} neurons of 'last' is needed")

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
        """Bits of the weights of the layers without a width of their own (of the last of them); of the widest where all have one."""
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
    """A quantised recurrent network. Its neurons hold codes c of `output`; at each of `steps` steps, from the code of value 0 on,

        drive = forward(x) + lateral(c) + own[c - c_min],    c = code of drive + sigma xi

    and the code after the last step is read; every read is a chain of its own. forward: weights (neuron, input) on the stimulus, with the
    bias, sigma (injected at every step), output and rho of the network; lateral: weights (neuron, neuron) on the codes, so lateral.input is
    the quantiser of the state; its bias is added, its sigma is not used. own: (levels, neuron) float64, what a neuron adds to its drive by
    its own present code. radius: the spectral radius of the linearised step, which must be below 1. Raises SettingError for shapes or
    quantisers that do not fit.
    """

    forward: Program
    lateral: Program
    own: np.ndarray
    steps: int
    radius: float

    def __post_init__(self) -> None:
        neurons, output = self.forward.neurons, self.forward.output
        if self.lateral.weight_codes.shape != (neurons, neurons):
            raise SettingError(f"'lateral' has weights {self.lateral.weight_codes.shape}: should be {(neurons, neurons)}, as 'forward' has")
        if self.forward.input.unsigned or output.unsigned:
            raise SettingError("a recurrent program reads and gives signed codes: 'unsigned' is for layers that follow one another")
        if not self.lateral.input == self.lateral.output == output:
            raise SettingError(f"'lateral' reads {self.lateral.input}, gives {self.lateral.output}: both should be the state's, {output}")
        if np.shape(self.own) != (output.levels, neurons):
            raise SettingError(f"'own' has shape {np.shape(self.own)}: should be (levels, neuron) = {(output.levels, neurons)}")
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
        """Bits of the weights on the stimulus; of the lateral ones where those alone have no width of their own; else of the wider."""
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
    from stochsim.deploy.files import save_program  # here, for it imports this file

    save_program(program, folder)


def _common_width(*layers: Program) -> int:
    return next((layer.weight_bits for layer in layers if not layer.own_width), max(layer.weight_bits for layer in layers))


def _check_follows(before: str, first: Program, after: str, second: Program) -> None:
    if second.inputs != first.neurons:
        raise SettingError(f"'{after}' has {second.inputs} inputs: should be {first.neurons}, the neurons of '{before}'")
    if second.input != first.output:
        raise SettingError(f"'{after}' reads {second.input}: should be the output of '{before}', {first.output}")

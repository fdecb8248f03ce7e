"""A converted network: on the chip when it is evaluated, by a differentiable emulation of it in
training.
"""

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from stochsim.accounting import Bill
from stochsim.chip import Chip, Place
from stochsim.energy import Operations
from stochsim.formats import CodeBook
from stochsim.hardware import HARDWARE_RULE, Hardware, rounding_named
from stochsim.lowering.array_surrogate import Surrogate, SurrogateError
from stochsim.lowering.comparison import ConversionErrors
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.example_inputs import (
    checked_stimuli,
    checked_tensors,
    resized,
    stimuli_of,
    tensors_of,
    unlike_examples,
    unlike_sizes,
)
from stochsim.lowering.graph_network import Network
from stochsim.lowering.graph_program import graph_program
from stochsim.lowering.learned_noise import cost_of_noise, give_noise
from stochsim.lowering.learned_widths import (
    SIDES,
    fix_widths,
    give_widths,
    grids_of,
    keep_bounds,
    real_widths,
)
from stochsim.lowering.left_in_float import LeftInFloat
from stochsim.lowering.module_stream import ModuleStream
from stochsim.lowering.other_sizes import NO_MODULE, OtherSizes, Sized
from stochsim.lowering.price_of_widths import PriceOfWidths
from stochsim.lowering.rehearsal import rehearse
from stochsim.lowering.rounded_gradients import GradientFormat, gradient_format
from stochsim.lowering.rounded_weights import weights_drawn_anew
from stochsim.lowering.serialise import stored
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.signature_tables import table_of
from stochsim.lowering.training_calls import emulated, in_the_loop, walked
from stochsim.lowering.trees import Leaf
from stochsim.lowering.walks import evaluated, layers_in
from stochsim.networks import Draws, HardwareNoise
from stochsim.program import Program
from stochsim.settings import (
    AnyPath,
    SettingError,
    StochsimError,
    as_path,
    card,
    check_choice,
    check_draw,
    check_kind,
    check_positive,
    check_rho,
    check_whole,
    counted,
)

_KEPT_EXAMPLES = 256


class ChipModule(torch.nn.Module):
    """A network whose products run on a chip; `convert` makes it.

    Evaluated (`eval()`, as it starts), calling it gives one read of the chip: every Hardware,
    arrays, errors of memories and own sources of random numbers among them, by the kernels; no
    gradient. Every such call has the noise of one key, `stream(key)` has new noise at every call.
    In training (`train()`) it gives a differentiable emulation: values on the same grids,
    gradients straight through the roundings, and the chip's read noise, noise of weights (both as
    Gaussians of the chip's variance) and dither of inputs, drawn anew at every call, as are the
    neighbours that weights take where `convert` rounds these at random. Sums of an
    array are drawn with its mean and variance, each neuron's a straight line of the exact sum,
    fitted to the array's own sums at the first call and every 100 calls (`surrogate_errors`).
    Of errors of memories, a measured neuron, and accumulators narrower than their sums there is no
    such model: then a call gives the chip's own values (of weights by the numbers of the key), with
    the gradient of the noiseless emulation; so it does for arrays where `chip_in_the_loop` is set
    to True. Without noise both give the same values, wherever the emulation's float sums are exact
    and there is no array.

    Weights, biases and the scales of all grids are parameters for any optimiser; `state_dict` holds
    them. It is called as the module was, and gives what that gave: tensors with the stimuli on the
    first axis, alone or in tuples, lists, dicts and dataclasses. `sample`, `read`, `bill` and
    `emulated` take x in the form of `convert`'s examples: a tensor, a tuple of arguments, or a dict
    of them. `inputs` and `outputs` describe both; `examples`, `program` and `chip()` are of the one
    array that the network reads, several inputs side by side, as `stimuli` makes it. `errors`: how
    far it was from the float module when it was converted; None for one that was read from files.

    Inputs may have other sizes than the examples on the axes after the first: at the first call of
    a size the float module is captured again (`other_sizes`), and its products are the layers that
    are there, on the same parameters and cells. Where the module computes something else in
    training, calls in training do so, too; with `follows_training` set to False they compute what
    evaluation does. Of a network that was read from files neither is known.
    """

    examples: torch.Tensor
    inputs: Inputs
    outputs: Outputs
    errors: ConversionErrors | None = None
    other_sizes: OtherSizes | None = None
    chip_in_the_loop = False
    follows_training = True

    def __init__(
        self,
        network: Network,
        hardware: Hardware,
        left_in_float: tuple[LeftInFloat, ...],
        examples: torch.Tensor,
        *,
        key: int = 0,
        chip_key: int = 0,
        signature: tuple[Inputs, Outputs] | None = None,
    ) -> None:
        super().__init__()
        check_kind("network", network, torch.nn.Module, "should be a converted network")
        check_kind("hardware", hardware, Hardware, HARDWARE_RULE)
        examples = checked_stimuli("examples", examples, network)
        self.network = network
        self.hardware = hardware
        self.left_in_float = left_in_float
        one = Inputs(Leaf("", tuple(examples.shape[1:])))
        self.inputs, self.outputs = signature or (one, given_by(network, examples))
        self.key = check_whole("key", key, 0, 2**64)
        self.chip_key = check_whole("chip_key", chip_key, 0, 2**64)
        self.generator = torch.Generator().manual_seed(self.key % 2**63)
        self.register_buffer("examples", examples[:_KEPT_EXAMPLES].clone(), persistent=False)
        self._chip: Chip | None = None
        self._chip_state: list[torch.Tensor] = []
        self._surrogate = Surrogate()
        self._price_of_widths: PriceOfWidths | None = None
        self._gradient_format: GradientFormat | None = None
        self.eval()

    def __getstate__(self) -> dict[str, Any]:
        """Without the chip, which is built anew where it is asked for."""
        anew: dict[str, Any] = {"_chip": None, "_chip_state": [], "_surrogate": Surrogate()}
        return {**super().__getstate__(), **anew, "_price_of_widths": None}

    def __str__(self) -> str:
        """A card with a line for each layer on the chip; `repr` is that of torch's modules."""
        heads = ("layer", "shape", "weights", "inputs", "outputs", "activation")
        rows: list[tuple[str, ...]] = [heads]
        for name, layer in self.layers.items():
            sizes = " × ".join(map(str, layer.weight.shape))
            bits = [one.values_text for one in grids_of(layer)]
            rows.append((name, sizes, *bits, layer.activation))
        layers = counted(len(self.layers), "layer", "layers")
        others = counted(len(self.left_in_float), "part", "parts")
        title = f"chip module: {layers} on {self.hardware.name}, {others} in float"
        sums = self.hardware.accumulator_text
        title = f"{title}, sums {sums}" if sums else title
        return card(f"{title}, chip key {self.chip_key}", rows, "more layers")

    @property
    def layers(self) -> dict[str, ChipLayer]:
        """The layers on the chip, by name, in the order in which they run."""
        return layers_in(self.network)

    @property
    def model_of_noise(self) -> HardwareNoise | None:
        """What the emulation draws in training beside the sums of an array; None where the chip
        itself is in the loop.
        """
        if self.hardware.accumulator_bits is not None or self.hardware.float_accumulation:
            return None
        if self.hardware.array is not None and self.chip_in_the_loop:
            return None
        try:
            return HardwareNoise.of(self.hardware, models_array=True)
        except SettingError:
            return None

    @property
    def surrogate_errors(self) -> dict[str, SurrogateError]:
        """How far the sums that training draws in place of the array's are from these, by layer,
        when they were last fitted; empty without an array, and before the first call in training.
        """
        return dict(self._surrogate.errors)

    def forward(
        self, *args: Any, key: int | None = None, first_stimulus: int = 0, **named: Any
    ) -> Any:
        """What the module gives for these inputs: of the chip, or in training of its emulation.

        key: of the read (None: the key given to `convert`), or in training of this call's noise
        (None: new numbers at every call). first_stimulus: the absolute number of the first, where
        the inputs are a batch of many; the same numbers have the same noise. Raises SettingError
        for an input that is unlike the examples.
        """
        x = self.inputs.bound(args, named)
        if not self.training:
            return self.read(x, self.key if key is None else key, first_stimulus)
        checked_tensors("x", x, self.inputs)
        sized = self._trained_as(x)
        x = tensors_of("x", x, sized.inputs, self)
        keep_bounds(self.layers)
        with _like(sized, x):
            try:
                return sized.outputs.given(self._trained(sized, x, key))
            except StochsimError:
                for layer in self.layers.values():  # the cause, where training has diverged
                    layer.check_trained()
                raise

    def _trained(self, sized: Sized, x: torch.Tensor, key: int | None) -> torch.Tensor:
        """Outputs (stimulus, …) of the emulation with noise."""
        generator = self.generator
        if key is not None:
            seed = check_whole("key", key, 0, 2**64) % 2**63
            generator = torch.Generator().manual_seed(seed)
        noise = self.model_of_noise
        to = self._gradient_format
        of_drive = None if to is None else to.of_drives(generator)
        if noise is not None:
            draws = Draws(generator, x.device)
            moments = {} if self.hardware.array is None else self._surrogate.moments_of(self)

            def with_noise(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
                own = moments.get(sized.cells.get(layer.name, layer.name))
                return layer.emulate(values, noise, draws, own, of_drive)

            with weights_drawn_anew(layers_in(sized.network), draws):
                return walked(sized, x, with_noise)
        if len(x) == 0:
            return emulated(sized, x)
        place = Place(int(torch.randint(2**62, (1,), generator=generator)), 0, 0)
        chip = self._chip_of(sized)

        def by_the_chip(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
            return in_the_loop(layer, chip, values, place, of_drive)

        return walked(sized, x, by_the_chip)

    def emulated(self, x: Any) -> Any:
        """What the emulation gives without any noise, in training or not; raises SettingError for
        what is no tensor of real numbers.
        """
        checked_tensors("x", x, self.inputs)
        sized = self._sized(x)
        x = tensors_of("x", x, sized.inputs, self)
        with _like(sized, x):
            return sized.outputs.given(emulated(sized, x))

    def _sized(self, x: Any) -> Sized:
        """The network for inputs x, in the form of the examples: that of other sizes than theirs is
        made when it is asked for first.
        """
        base = Sized(self.network, self.inputs, self.outputs)
        inputs = resized(self.inputs, x)
        if inputs is self.inputs:
            return base
        if self.other_sizes is None:
            stimuli_of("x", x, inputs, self, least=0)  # what else is wrong with it is named first
            raise unlike_sizes("x", self.inputs, x, NO_MODULE)
        return self.other_sizes.sized(
            base, inputs, x, lambda: stimuli_of("x", x, inputs, self, least=0)
        )

    def _trained_as(self, x: Any) -> Sized:
        """The network for inputs x in training: that of the module's own branches there."""
        sized = self._sized(x)
        if self.other_sizes is None or not self.follows_training:
            return sized
        base = Sized(self.network, self.inputs, self.outputs)
        return self.other_sizes.in_training(
            base, sized, lambda: stimuli_of("x", x, sized.inputs, self, least=0)
        )

    def sample(
        self,
        x: Any,
        reads: int,
        key: int,
        first_stimulus: int = 0,
        first_read: int = 0,
    ) -> Any:
        """Output values of `reads` reads of the chip, float32 (stimulus, read, …), whether in
        training or not, in the module's structure where it gives several.

        Same key, same values, for any thread count and any split in stimuli or reads (give the
        absolute first_stimulus, first_read), as far as parts left in float give the same for any
        batch. Raises SettingError for stimuli, reads and indices out of range.
        """
        sized = self._sized(x)
        given = stimuli_of("x", x, sized.inputs, self)
        values = self._read(sized, given, reads, key, first_stimulus, first_read)
        return sized.outputs.read(values.numpy().astype(np.float32))

    def stream(self, key: int | None = None, position: int = 0) -> ModuleStream:
        """Successive reads of the chip with new noise at each call, for a loop that puts the
        network's output back into it; key: None for that of `convert`.

        >>> import torch
        >>> import stochsim as ss
        >>> noisy = ss.load_hardware("digital-45nm", bits=4).with_({"noise.read_sigma": 0.5})
        >>> x = torch.linspace(-1, 1, 12).reshape(4, 3)
        >>> model = ss.convert(torch.nn.Linear(3, 2), noisy, x)
        >>> bool((model(x) == model(x)).all())          # one key: one noise
        True
        >>> stream = model.stream(key=0)
        >>> bool((stream(x) == stream(x)).all())
        False
        """
        return ModuleStream(self, self.key if key is None else key, position)

    def read(self, x: Any, key: int, first_stimulus: int = 0) -> Any:
        """What the module gives of one read of the chip, whether in training or not; no gradient.
        There may be no stimuli.
        """
        device = checked_tensors("x", x, self.inputs)[0].device
        sized = self._sized(x)
        given = stimuli_of("x", x, sized.inputs, self, least=0)
        if len(given) == 0:
            check_draw(0, 1, key, first_stimulus, 0)
            with _like(sized, given):
                none = given.new_empty((0, *sized.outputs.shape), device=device)
                return sized.outputs.given(none)
        found = self._read(sized, given, 1, key, first_stimulus, 0)[:, 0]
        return sized.outputs.given(found.to(device))

    def _read(
        self,
        sized: Sized,
        x: torch.Tensor,
        reads: int,
        key: int,
        first_stimulus: int,
        first_read: int,
    ) -> torch.Tensor:
        """Values (stimulus, read, …) of the chip, in the numbers of the network."""
        draw = check_draw(len(x), reads, key, first_stimulus, first_read)
        with evaluated(self), _like(sized, x):
            found = self._chip_of(sized).sample(x.detach().cpu().numpy(), *draw, count=False)
        return torch.from_numpy(found.values)

    def bill(self, x: Any, reads: int = 1, rho: float = 0.0) -> Bill:
        """What `reads` reads of each stimulus take, by layer: operations, joules and cycles per
        read (see `Graph.workload`); rho: of the price of reliability, where neurons have a noise of
        their own.
        """
        sized = self._sized(x)
        x = stimuli_of("x", x, sized.inputs, self)
        draw = check_draw(len(x), reads, 0, 0, 0)
        self.hardware.reliability_law(rho)  # that has no price where it is asked for
        with evaluated(self), _like(sized, x):
            return self._chip_of(sized).bill(x.cpu().numpy(), draw.reads, rho)

    def learn_noise(self, sigma_lsb: float = 0.5, of: str = "neurons") -> None:
        """Give the neurons of every layer a noise of their own, whose σ is a parameter: Gaussian,
        before the activation, in training and on the chip, from `sigma_lsb` steps of the outputs
        on; of: "neurons", one each, or "layers", one for all neurons of a layer. Layers on the same
        cells share it. `reliability_cost` is its price, `bill` has its joules.

        Raises SettingError for a sigma_lsb that is not above 0, and where there is one already.

        >>> import stochsim as ss
        >>> import torch
        >>> x = torch.linspace(-1, 1, 24).reshape(8, 3)
        >>> model = ss.convert(torch.nn.Linear(3, 2), ss.load_hardware("digital-45nm", bits=4), x)
        >>> model.learn_noise(0.5)
        >>> loss = model.train()(x).square().mean() + 1e-3 * model.reliability_cost()
        >>> loss.backward()
        >>> model.layers["linear"].log_sigma.grad.shape
        torch.Size([2])
        """
        sigma_lsb = check_positive("sigma_lsb", sigma_lsb)
        check_choice("of", of, ("neurons", "layers"))
        give_noise(self.layers, sigma_lsb, of == "neurons")

    def reliability_cost(self, rho: float = 0.0, c: float = 1.0) -> torch.Tensor:
        """The price of the neurons' own noise, C_ρ(σ) = c ((s/σ)^ρ - 1)/ρ, at ρ = 0 -c ln(σ/s),
        summed over all neurons and positions of a stimulus of the examples' shape: nats per read, a
        scalar with its gradient; s: that of the Hardware's reliability.

        With c = `energy.reliability_price_to_cost(λ, law)` it is λ times joules, up to a constant.
        Raises SettingError for ρ beyond 0 to 16, c that is not above 0, a price that the weights'
        numbers do not hold, and before `learn_noise`.
        """
        rho, c = check_rho(rho), check_positive("c", c)
        prices = (rho, c, self.hardware.reliability.s)
        return cost_of_noise(self.network, self.layers, self.examples[:1], prices)

    def round_gradients(self, format: str | CodeBook | None, rounding: str = "stochastic") -> None:
        """Let calls in training round the gradient of every layer's drive, which goes into the
        products that give the gradients of its weights and of its inputs, to a number format: its
        values times the smallest power of two at which none of the layer's gradients is beyond
        them. None: gradients in float, as it starts.

        rounding: "stochastic", one of the two neighbours, the upper with a chance that is the
        remainder; "stochastic-8", by 8 random bits, from 0 to 16 of them, of which
        "stochastic-8-nearest" and "-zero" say how the remainder is cut (see `hardware.Noise`);
        "nearest". Every call has new numbers, or those of its `key`. Nothing of it is billed, nor
        kept in `state_dict`. Raises SettingError for formats with blocks or of numbers of one sign.

        >>> import stochsim as ss
        >>> import torch
        >>> x = torch.linspace(-1, 1, 24).reshape(8, 3)
        >>> model = ss.convert(torch.nn.Linear(3, 2), ss.load_hardware("digital-45nm", bits=4), x)
        >>> model.round_gradients("fp8-e5m2", "stochastic-8")
        >>> model.train()(x).square().sum().backward()
        >>> model.layers["linear"].weight.grad.shape
        torch.Size([2, 3])
        """
        how = rounding_named("rounding", rounding)
        self._gradient_format = None if format is None else gradient_format(format, how)

    def learn_widths(self, of: Sequence[str] = SIDES, keep: Sequence[str] = ()) -> None:
        """Make the widths of all grids parameters, each a real number from 2 to 8: rounded to whole
        bits wherever it is used, in training, on the chip, in files and bills, with a gradient that
        passes the rounding. The range of a grid stays, so that its step follows its width.

        of: which widths, of "weights", "inputs" and "outputs"; codes that one layer writes and
        another reads have one width, an output of the one and an input of the other. keep: names of
        layers whose grids stay as they are. `joules_per_read` is the price of the widths,
        `layer_bits` says what they are, `fix_widths` ends it. Raises SettingError for names that
        are none, on an array, for grids of one bit, affine ones and those that the module brought
        along, for widths that the Hardware cannot have, and where widths are learned already.

        >>> import stochsim as ss
        >>> import torch
        >>> x = torch.linspace(-1, 1, 24).reshape(8, 3)
        >>> model = ss.convert(torch.nn.Linear(3, 2), ss.load_hardware("digital-45nm", bits=8), x)
        >>> model.learn_widths(of=["weights", "inputs"])
        >>> loss = model.train()(x).square().mean() + 1e9 * model.joules_per_read()
        >>> loss.backward()
        >>> [name for name, one in model.named_parameters() if name.endswith("width")]
        ['network.linear.weight_grid.width', 'network.linear.input_grid.width']
        """
        give_widths(self.layers, self.hardware, of, keep)

    def fix_widths(self) -> None:
        """End `learn_widths`: the widths, rounded, are no parameters any more, and training goes on
        with these. Raises SettingError where none are learned.
        """
        fix_widths(self.layers)

    @property
    def layer_bits(self) -> dict[str, tuple[int, int, int]]:
        """Whole widths of weights, inputs and outputs by layer, as `convert`'s `bits` takes
        them.
        """
        return {name: layer.bits for name, layer in self.layers.items()}

    def joules_per_read(self, reads: int = 1) -> torch.Tensor:
        """Joules of a read of a stimulus of the examples' shape at the present widths, a scalar
        with its gradient to those that are learned (see `learn_widths`): trilinear between whole
        widths of a layer, and at these what `bill` has of `reads` reads of each stimulus, without
        the joules of reliability, which `reliability_cost` has.

        Raises SettingError for what is no number of reads, and on an array, whose joules follow the
        data.
        """
        reads = check_whole("reads", reads, 1, 2**31)
        if self.hardware.array is not None:
            rule = "joules of widths are those of digital chips; `bill` has an array's, of data"
            raise SettingError.of("hardware.array", rule=rule)
        widths = real_widths(self.layers)
        return self._priced(reads)(widths).to(widths.device)

    def _priced(self, reads: int) -> PriceOfWidths:
        """The prices of widths, made anew where they are of something else."""
        present = self._price_of_widths
        noisy = [layer.log_sigma is not None for layer in self.layers.values()]
        if present is not None and present.is_of(self.hardware, reads, noisy):
            return present
        with evaluated(self):
            program = graph_program(self.network, self.layers, self.examples)
            x = self.examples[:1].detach().cpu().numpy()
            self._price_of_widths = PriceOfWidths(program, self.hardware, x, reads)
        return self._price_of_widths

    def operations_by_layer(self, x: Any, reads: int = 1) -> dict[str, Operations]:
        """The operations behind `bill`, of all reads together."""
        return dict(self.bill(x, reads).counts)

    @property
    def program(self) -> Program:
        """Integer weights, scales and the order of layers as they are now, for `Chip` and files;
        parts in float are copied.
        """
        network = copy.deepcopy(self.network).eval()
        layers = layers_in(network)
        facts = {
            "hardware": self.hardware,
            "left_in_float": self.left_in_float,
            "key": self.key,
            "chip_key": self.chip_key,
            "inputs": table_of(self.inputs),
            "outputs": table_of(self.outputs),
        }
        examples = self.examples.detach().cpu().numpy()
        return graph_program(
            network, layers, self.examples, stored(network, layers, examples, facts)
        )

    def export_qonnx(self, path: AnyPath) -> None:
        """Write the noiseless network as QONNX, by Brevitas (see `qonnx.py`), each of its tensors
        by itself, in order; needs the packages onnx and onnxoptimizer. Raises SettingError for
        accumulators that QONNX does not have: in floating point, and so narrow that sums may not
        fit.
        """
        from stochsim.lowering.qonnx import check_accumulators, export

        check_accumulators(self.program, self.hardware)
        one = tuple(self.inputs.tensors(self.examples[:1].float()))
        export(self.network, self.layers, one, self.outputs, as_path("path", path))

    def chip(self) -> Chip:
        """The chip of the layers as their parameters are now; built anew only where these have
        changed, the hardware or the chip's key. Its parts in float are those of the network.
        """
        state = [*self.network.parameters(), *self.network.buffers()]
        present = self._chip
        if present is not None and self._is_like(present) and _are_same(state, self._chip_state):
            return present
        program = graph_program(self.network, self.layers, self.examples)
        examples = self.examples.detach().cpu().numpy()
        with evaluated(self):
            made = Chip(program, self.hardware, chip_key=self.chip_key, calibration=examples)
        self._chip, self._chip_state = made, [one.detach().clone() for one in state]
        return made

    def _chip_of(self, sized: Sized) -> Chip:
        """The chip of a network for inputs of given sizes: the layers of `chip()` in its order."""
        base = self.chip()
        if sized.network is self.network:
            return base
        if sized.chip is None or sized.made_of is not base:
            example = self.examples.new_empty((1, *sized.inputs.shape))
            program = graph_program(sized.network, layers_in(sized.network), example)
            sized.chip, sized.made_of = base.rewired(program, sized.cells), base
        return sized.chip

    def _is_like(self, chip: Chip) -> bool:
        """Whether a chip is of this network's hardware and key."""
        return chip.hardware == self.hardware and chip.chip_key == self.chip_key

    def stimuli(self, x: Any) -> torch.Tensor:
        """Inputs as the one array (stimulus, …) that `chip()` and `program` read."""
        return stimuli_of("x", x, self.inputs, self)


def given_by(network: Network, x: torch.Tensor) -> Outputs:
    """The one tensor that a network gives for stimuli like x (stimulus, …)."""
    found = rehearse(network, x)
    dtype = None if found.is_floating_point() else found.dtype
    return Outputs(Leaf("", tuple(found.shape[1:]), dtype))


@contextlib.contextmanager
def _like(sized: Sized, x: torch.Tensor) -> Iterator[None]:
    """Raise SettingError for stimuli (stimulus, …) of other sizes than a network is for, such as
    empty ones: one tensor alone may have such, if all that follows takes them.
    """
    leaf = sized.inputs.leaves[0]
    if tuple(x.shape[1:]) == sized.inputs.shape:
        yield
    elif sized.outputs.is_packed or len(x) == 0:
        raise unlike_examples("x", x, leaf)
    else:
        try:
            yield
        except StochsimError as error:
            raise unlike_examples("x", x, leaf, str(error)) from None


def _are_same(now: list[torch.Tensor], before: list[torch.Tensor]) -> bool:
    """Whether parameters and buffers are what they were, their numbers too."""
    return len(now) == len(before) and all(
        one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
        for one, other in zip(now, before, strict=True)
    )

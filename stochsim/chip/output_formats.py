"""Programs whose outputs are of a number format, fitted to what they give."""

import dataclasses

import numpy as np

from stochsim.chip.chip import Chip
from stochsim.formats import (
    BLOCK_FORMATS,
    E8M0,
    PER_NEURON,
    BlockFormat,
    CodeBook,
    NeuronBooks,
    best_scale,
    block_format,
    code_book,
    format_bits,
    is_fitted,
    lloyd_max,
    scales_on_format,
)
from stochsim.hardware import HARDWARE_RULE, Hardware, Memory
from stochsim.keys import fold_in
from stochsim.program import Program, Quantizer
from stochsim.settings import (
    SettingError,
    bounded_array,
    check_kind,
    check_whole,
    finite,
    finite_array,
    real_array,
)

_STIMULI, _READS, _NUMBERS = 512, 64, 200_000
_NUMBERS_PER_NEURON = 10_000
_LEAST_SHARE = 1e-3
_TIMES_WIDER = 2.0
"""The range of the outputs on which formats are fitted, in units of the program's own."""


def with_output_format(
    program: Program, hardware: Hardware, name: str, x: np.ndarray, key: int
) -> Program:
    """The same network with outputs of a number format of FORMATS or FITTED: its scale, and of
    fitted ones its values too, have the least squared error on reads of stimuli x (stimulus,
    input), of which 512 at most are read 64 times; with "-per-neuron" behind the name, those of
    each neuron on its own reads. Of `int<b>`, b the program's own width, the program itself, whose
    scale training has chosen.

    Formats are fitted with the read noise in steps of the outputs that the program had. The outputs
    of a circuit are its state, and every step adds their read noise: its sigma makes room for it,
    so that the noise of a step is what it was (`with_less_noise`). Raises SettingError for other
    names, and what `Program.with_output` and `Chip` do.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.chip import with_output_format
    >>> from stochsim.program import random_program
    >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> chip = ss.load_hardware("digital-45nm", bits=4)
    >>> with_output_format(program, chip, "fp4-e2m1", np.ones((8, 6)), key=0).output.format_name
    'fp4-e2m1'
    """
    check_kind("program", program, Program, "should be a Program")
    check_kind("hardware", hardware, Hardware, HARDWARE_RULE)
    key = check_whole("key", key, 0, 2**64)
    bits, own = format_bits(name), program.output
    x = bounded_array("x", x, "stimulus, input", (None, program.inputs))
    if not len(x):
        raise SettingError.of("x", x, "should have one stimulus at least")
    if name == f"int{bits}" and own.is_even and own.bits == bits:
        return program
    values = _reads(program, hardware, x, key)
    random = np.random.default_rng(fold_in(key, "numbers"))
    each = has_books_of_neurons(name)
    rows = values.reshape(-1, program.neurons) if each else values.ravel()
    most = _NUMBERS_PER_NEURON if each else _NUMBERS
    numbers = random.choice(rows, min(most, len(rows)), replace=False)
    try:
        changed = program.with_output(fitted_quantizer(name, numbers))
    except SettingError as error:
        if error.field != ("numbers",):
            raise
        rule = f"should be more, or other, stimuli: what '{name}' is fitted to, reads of these,"
        raise SettingError.of("x", rule=f"{rule} {error.faults[0].rule}") from None
    if changed.steps is None:
        return changed
    before, now = (_read_sigma(one.output, hardware) for one in (program, changed))
    return with_less_noise(changed, now**2 - before**2)


def with_less_noise(program: Program, variance: np.ndarray | float) -> Program:
    """The same network whose neurons have a sigma of less variance, by `variance` (neuron,) or one
    for all, but of a thousandth of it at least: so that what a chip adds is no longer on top of the
    noise that a neuron was trained to. Raises SettingError for what is no program, and variances of
    another shape or that are not finite.

    >>> import numpy as np
    >>> from stochsim.chip import with_less_noise
    >>> from stochsim.program import random_program
    >>> program, _ = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> with_less_noise(program, np.array([0.0, 0.09, 9.0])).sigma.round(3)
    array([0.5  , 0.4  , 0.016])
    """
    check_kind("program", program, Program, "should be a Program")
    own = program.sigma**2
    rule = f"should be one number, or one for each of {len(own)} neurons"
    less = finite("variance", real_array("variance", variance, rule))
    if less.shape not in ((), own.shape):
        raise SettingError.of("variance", less, rule)
    sigma = np.sqrt(np.maximum(own - less, _LEAST_SHARE * own))
    layers = {**program.layers}
    name = program.wiring.read_layer(layers)
    layers[name] = dataclasses.replace(layers[name], sigma=sigma)
    return dataclasses.replace(program, layers=layers)


def _read_sigma(output: Quantizer, hardware: Hardware) -> float:
    """Read noise of these outputs, in units of the drive."""
    return hardware.noise.read_sigma_drive(output.step, output.levels)


def fitted_quantizer(name: str, numbers: np.ndarray) -> Quantizer:
    """The quantiser of a format of FORMATS or FITTED for numbers (n,): its scale, and of fitted
    ones its values too, have the least squared error; with "-per-neuron" behind the name those of
    each neuron, for numbers (n, neuron). Of a block format, too, with a constant scale for each
    block of neurons. Raises SettingError for other names.

    >>> import numpy as np
    >>> from stochsim.chip import fitted_quantizer
    >>> numbers = np.array([[-1.0, -30.0], [0.0, 0.0], [1.0, 10.0], [0.1, 20.0]])
    >>> fitted_quantizer("lloyd-1-per-neuron", numbers).value_table.round(3)
    array([[ -1.   , -30.   ],
           [  0.367,  10.   ]])
    """
    bits = format_bits(name)
    is_per_neuron = has_books_of_neurons(name)
    axes = "number, neuron" if is_per_neuron else "number"
    numbers = finite_array("numbers", numbers, axes).astype(np.float64)
    if not numbers.size:
        raise SettingError.of("numbers", numbers, "should be one at least")
    if name in BLOCK_FORMATS:
        return _fitted_blocks(block_format(name), numbers)
    if is_per_neuron:
        own = [fitted_quantizer(name.removesuffix(PER_NEURON), row) for row in numbers.T]
        books = [one.book.scaled(one.scale) for one in own if isinstance(one.book, CodeBook)]
        size = None if is_fitted(name.removesuffix(PER_NEURON)) else 1
        return Quantizer.of_format(NeuronBooks(tuple(books), size), 1.0)
    if is_fitted(name):
        return Quantizer.of_format(lloyd_max(numbers, bits), 1.0)
    book = code_book(name)
    return Quantizer.of_format(book, best_scale(book, numbers))


def has_books_of_neurons(name: str) -> bool:
    """Whether outputs of this format have a book for each neuron, or scales of blocks of them."""
    return name.endswith(PER_NEURON) or name in BLOCK_FORMATS


def _fitted_blocks(block: BlockFormat, numbers: np.ndarray) -> Quantizer:
    """Constant scales of blocks of neurons, of the block's own format, for numbers (n, neuron): the
    nearest to those of least error, of powers of two that of less error.
    """
    neurons = numbers.shape[1]
    parts = [
        numbers[:, first : first + block.block_size]
        for first in range(0, neurons, block.block_size)
    ]
    scales = np.array([best_scale(block.element, part.ravel()) for part in parts])
    if block.scale == E8M0:
        both = 2.0 ** np.stack([np.floor(np.log2(scales)), np.ceil(np.log2(scales))])
        errors = [
            [
                _squared_error(block.element, one, part.ravel())
                for one, part in zip(row, parts, strict=True)
            ]
            for row in both
        ]
        scales = np.where(np.diff(errors, axis=0)[0] < 0, both[1], both[0])
    else:
        scales = scales_on_format(scales, block.scale, float(scales.max()))
    each = np.repeat(scales, block.block_size)[:neurons]
    books = tuple(block.element.scaled(float(one)) for one in each)
    return Quantizer.of_format(NeuronBooks(books, block.block_size, block.name), 1.0)


def _squared_error(book: CodeBook, scale: float, numbers: np.ndarray) -> float:
    rounded = scale * book.decode(book.encode(numbers / scale))
    return float(np.mean((rounded - numbers) ** 2))


def _reads(program: Program, hardware: Hardware, x: np.ndarray, key: int) -> np.ndarray:
    """Values (stimulus, read, neuron) with outputs of 8 bits, which round and clip little, and the
    noise of the program's own, without errors of memories.
    """
    own = program.output
    step = _TIMES_WIDER * own.step * own.levels / 256
    noise = hardware.noise
    sigma = _read_sigma(own, hardware)
    noise = noise.replace(read_sigma=sigma, read_sigma_lsb=0.0, read_sigma_fs=None)
    hardware = hardware.replace(noise=noise, memory=Memory())
    fine = program.with_output(Quantizer.of_format("int8", step))
    some = x[:_STIMULI]
    return Chip(fine, hardware, calibration=some).sample(some, _READS, key, count=False).values

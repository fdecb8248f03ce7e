"""The first call of every compiled function, on a few numbers: what fills the compile cache, those
that a network on a chip needs first.

Entry points are found by looking through the package: `uncalled` names one that no call reaches, so
that a new kernel cannot be forgotten.
"""

import importlib
import pkgutil
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from stochsim_kernels.neuron.channel import NeuronLaw
    from stochsim_kernels.random.address import DrawAddress

KEY = 1
UNUSED = {"fill_words"}
"""Helpers that only tests call."""


def kernel_modules() -> list[ModuleType]:
    """All modules of the kernels but the reference implementations, which are plain NumPy."""
    import stochsim_kernels

    prefix = "stochsim_kernels."
    names = [
        found.name
        for found in pkgutil.walk_packages(stochsim_kernels.__path__, prefix)
        if not found.name.startswith(f"{prefix}reference")
    ]
    return [importlib.import_module(name) for name in names]


def compiled_functions(modules: list[ModuleType], kernels_only: bool) -> dict[str, Any]:
    """Kernels and Numba's dispatchers by name, those that are inlined into others left out;
    `kernels_only`: entry points that run tasks alone.
    """
    from numba.core.dispatcher import Dispatcher

    from stochsim_kernels._jit import Kernel

    def is_asked_for(value: Any) -> bool:
        if isinstance(value, Kernel):
            return True
        if kernels_only or not isinstance(value, Dispatcher):
            return False
        return value.targetoptions.get("inline") != "always"

    return {
        f"{module.__name__.split('.')[-1]}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if is_asked_for(value) and value.py_func.__module__ == module.__name__
    }


def uncalled(kernels_only: bool) -> list[str]:
    """Compiled functions without a compiled form in this process.

    Where callers come from a cache, helpers inside them stay without one.
    """
    dispatchers = compiled_functions(kernel_modules(), kernels_only)
    return sorted(
        name
        for name, dispatcher in dispatchers.items()
        if not dispatcher.signatures and name.split(".")[1] not in UNUSED
    )


Calls = dict[str, Callable[[], object]]
"""By name; a call without arguments."""


def first_calls() -> Calls:
    """One tiny call per entry point, by name, in the order in which a user needs them."""
    return {
        **_neuron_calls(),
        **_array_calls(),
        **_circuit_calls(),
        **_posterior_calls(),
        **_product_calls(),
        **_source_calls(),
    }


def cache_misses(modules: list[ModuleType]) -> int:
    """How many functions this process has compiled because the cache did not have them."""
    found = compiled_functions(modules, kernels_only=False).values()
    dispatchers = [getattr(one, "compiled", one) for one in found]
    return sum(sum(one.stats.cache_misses.values()) for one in dispatchers)


def _address() -> "DrawAddress":
    from stochsim_kernels.random.address import DrawAddress

    return DrawAddress.of(KEY, 0, 0)


def _law(bits: int) -> "NeuronLaw":
    from stochsim_kernels.neuron import channel

    c_min = -(2 ** (bits - 1))
    return channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, 0.0, 1.0, c_min, 2**bits)


def _neuron_calls() -> Calls:
    from stochsim_kernels.neuron import channel, drawing, nearest_codes, stochastic_rounding

    ones = np.ones((2, 4))
    zeros = np.zeros((2, 4))
    drives = np.zeros((2, 3, 4))
    codes = np.empty((2, 3, 4), np.int8)
    address = _address()

    logistic = _law(4)._replace(family=channel.LOGISTIC)

    def draw(bits: int) -> None:
        drawing.draw(zeros, ones, zeros, _law(bits), address, codes)

    def quantise() -> None:
        for dtype in (np.float32, np.float64):
            values = np.zeros(24, dtype)
            nearest_codes.fill_nearest_codes(values, 1.0, -8.0, 0.0, 7.0, codes.reshape(-1))

    return {
        "codes of inputs": quantise,
        "codes of neurons, 4 bits": lambda: draw(4),
        "codes of neurons, 8 bits": lambda: draw(8),
        "codes of neurons, a drive per read": lambda: drawing.draw_each(
            drives, ones, zeros, _law(4), address, codes
        ),
        "codes of neurons, 4 bits, logistic": lambda: drawing.draw(
            zeros, zeros, ones, logistic, address, codes
        ),
        "codes of inputs rounded at every step": lambda: stochastic_rounding.two_codes(
            zeros, 1.0, _law(4).edges
        ),
    }


def _source_calls() -> Calls:
    from stochsim_kernels.neuron import drawing
    from stochsim_kernels.random import flips, source

    codes = np.empty((2, 3, 4), np.int8)
    u = np.zeros((2, 3, 4), np.uint32)
    thresholds = np.zeros((2, 15, 4), np.uint32)
    address = _address()
    counter = source.ChipSource()
    registers = source.ChipSource(8, 8)
    return {
        "codes from given integers": lambda: drawing.count_thresholds(thresholds, u, -8, codes),
        "integers of the counter generator": lambda: source.fill_source(counter, address, u),
        "integers of shift registers": lambda: source.fill_source(registers, address, u),
        "bit errors of codes": lambda: flips.flip_codes(codes, -8, 4, 0.1, address),
    }


def _circuit_calls() -> Calls:
    from stochsim_kernels.circuit import float_circuit, integer_circuit
    from stochsim_kernels.product import matmul

    ones = np.ones((2, 4))
    zeros = np.zeros((2, 4))
    state = np.zeros((2, 3, 4))
    moved = np.zeros((2, 3, 4))
    address = _address()
    step = float_circuit.FloatStep(zeros, *ones[[0, 0, 0]])

    def run_chains() -> None:
        packed = matmul.pack_weights(np.ones((4, 4), np.int8))
        table = np.zeros((16, 4))
        circuit = integer_circuit.Circuit(packed, 1.0, zeros[0], table, ones, zeros, _law(4))
        codes = np.zeros((2, 3, 4), np.int8)
        integer_circuit.run_chains(circuit, zeros, address, integer_circuit.Steps(1, 2), codes)

    return {
        "chains of a recurrent circuit": run_chains,
        "a step of the float circuit": lambda: float_circuit.finish_step(
            state, step, address, moved
        ),
    }


def _product_calls() -> Calls:
    from stochsim_kernels.product import accumulator, float_sums, matmul, weight_noise

    small = np.ones((2, 4), np.int8)
    weights = np.ones((4, 4), np.int8)
    square = np.eye(4)
    partial = np.zeros((2, 4), np.int32)
    values = np.empty((2, 3, 4))
    address = _address()
    terms = float_sums.Terms(
        np.array([0, 4], np.intp), np.zeros(1, np.intp), np.ones((1, 4)), np.ones((4, 1))
    )
    bfloat16 = float_sums.Accumulator(2.0**-7, 2.0**-133, 2.0**127)
    no_integers = np.empty((4, 0), np.uint32)
    return {
        "products of integers": lambda: matmul.integer_product(small, weights),
        "saturating products": lambda: accumulator.saturating_product(
            100 * small, 100 * weights, 14
        ),
        "floating-point sums": lambda: float_sums.fill_sums(
            square, square, terms, bfloat16, no_integers, np.empty((4, 4))
        ),
        "floating-point sums of integers": lambda: float_sums.fill_exact_sums(
            square, square, terms.groups, bfloat16, no_integers, np.empty((4, 4))
        ),
        "floating-point additions": lambda: float_sums.add_rounded(
            np.zeros((4, 4)), np.zeros((4, 4)), bfloat16, no_integers
        ),
        "floating-point scales": lambda: float_sums.scale_rounded(
            np.zeros((4, 4)), np.ones(4), bfloat16, no_integers
        ),
        "explicit weight noise": lambda: weight_noise.explicit_drives(
            np.zeros((2, 4)), square, square, address, values
        ),
        "bit errors of weights": lambda: weight_noise.transient_flips(
            partial, small, weights, 8, 0.1, address
        ),
    }


def _array_calls() -> Calls:
    from stochsim_kernels.array import adc_channel, crossbar, crossbar_bits

    words = crossbar_bits.pack_inputs(np.ones((2, 4), np.int8), 4, 2, 1)
    cells = crossbar_bits.pack_cells(np.ones((1, 1, 4, 4), np.uint8), 4, 1)
    partial = np.zeros((2, 4), np.int32)
    out = np.zeros((2, 3, 4), np.int32)
    address = _address()

    def readout() -> crossbar.Readout:
        table = adc_channel.build_channel(np.arange(5), 0.5, adc_channel.ideal_edges(4))
        return crossbar.readout(table, np.ones((1, 2)), 1)

    def convert() -> None:
        streams = crossbar.draw_streams(address, 2, readout(), 4)
        event = crossbar.Event(0, 0, 0)
        crossbar.convert_partials(partial, readout(), streams, event, 0, out)

    return {
        "tables of ADCs": readout,
        "crossbar": lambda: crossbar.draw_crossbar(words, cells, readout(), address, out),
        "conversion of partial sums": convert,
    }


def _posterior_calls() -> Calls:
    from stochsim_kernels.posterior import gibbs

    chains = gibbs.Chains(np.uint64(KEY), np.arange(2), np.zeros((2, 2, 4)), np.zeros((2, 2, 4)))
    posterior = gibbs.LaplacePosterior(np.zeros((2, 4)), np.eye(4), 1.0)
    schedule = gibbs.Schedule(1, 2, 1, 1)
    draws = np.zeros((2, 2, 1, 4), np.float32)
    return {
        "Gibbs, start": lambda: gibbs.gibbs_start(chains, posterior),
        "Gibbs, sweeps": lambda: gibbs.gibbs_sweeps(chains, posterior, schedule, draws),
    }

"""What parts of a graph give, its stimuli, and the codes that it moves."""

import numpy as np
import pytest
from conversiontest import chip_of
from graphtest import FIRST, X, layer_of, residual

from stochsim.chip import Chip
from stochsim.hardware import Adc, Array
from stochsim.program import FloatCall, Geometry, Graph, LayerCall, Program
from stochsim.settings import SettingError, StochsimError

GIVES = {
    "none": (None, "gives None"),
    "number": (1.5, r"gives 1\.5"),
    "tuple": ((X, X), r"gives \("),
    "objects": (np.array([[None] * 4] * 2), r"gives array of shape \(2, 4\), object"),
    "complex": (np.zeros((2, 4), complex), r"gives array of shape \(2, 4\), complex128"),
}
INTEGERS = {
    "integers": (np.ones((2, 4), np.int64), r"gives array of shape \(2, 4\), int64"),
    "flags": (np.ones((2, 4), bool), r"gives array of shape \(2, 4\), bool"),
}


@pytest.mark.parametrize(("value", "message"), GIVES.values(), ids=GIVES)
def test_a_part_that_gives_no_array_is_named_where_it_is_the_result(value, message):
    nodes = residual().wiring.nodes
    last = FloatCall("sum", ("b",), lambda b: value)
    chip = Chip(residual(nodes=(*nodes[:2], last)), chip_of())
    with pytest.raises(StochsimError, match=rf"the part 'sum' {message}.* the graph's result"):
        chip.sample(X[:2], 1, 0)


@pytest.mark.parametrize(("value", "message"), (GIVES | INTEGERS).values(), ids=GIVES | INTEGERS)
def test_a_part_that_gives_no_floats_is_named_where_a_layer_reads_it(value, message):
    """Integers and flags too: a layer gives its values in their numbers, in which scales are 0."""
    nodes = (
        FloatCall("part", ("x",), lambda x: value),
        LayerCall("a", "part", "first", Geometry()),
    )
    program = Program({"first": FIRST}, Graph(nodes, "x", "a", (4,)))
    for ask in (lambda one: one.sample(X[:2], 1, 0), lambda one: one.bill(X[:2], 1)):
        with pytest.raises(StochsimError, match=rf"the part 'part' {message}.*'first' reads"):
            ask(Chip(program, chip_of()))
    array = Array(rows=16, columns=16, adc=Adc(bits=5, range="calibrated"))
    with pytest.raises(StochsimError, match=rf"the part 'part' {message}.*'first' reads"):
        Chip(program, chip_of(array=array), calibration=X[:2])


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda b: b.sum(0), r"\(4,\)"),
        (lambda b: b.reshape(-1, 2), r"\(4, 2\)"),
        (lambda b: np.asarray(b.mean()), r"\(\)"),
    ],
)
def test_a_result_has_the_stimuli_on_its_first_axis(function, shape):
    nodes = residual().wiring.nodes
    last = FloatCall("sum", ("b",), function)
    chip = Chip(residual(nodes=(*nodes[:2], last)), chip_of())
    for ask in (chip.bill, lambda x, reads: chip.sample(x, reads, 0)):
        with pytest.raises(StochsimError, match=rf"'sum' gives an array of shape {shape} of 2 "):
            ask(X, 2)


def test_a_result_may_be_integers():
    """Such as the number of the largest output."""
    nodes = residual().wiring.nodes
    last = FloatCall("sum", ("b",), lambda b: b.argmax(1))
    chip = Chip(residual(nodes=(*nodes[:2], last)), chip_of())
    assert chip.sample(X, 2, 0).values.shape == (5, 2)


@pytest.mark.parametrize(
    "x", [[["a"] * 4], [[0.0] * 4, [0.0]], np.zeros((2, 4), complex), np.full((2, 4), None)]
)
def test_stimuli_of_a_graph_are_real_numbers(x):
    with pytest.raises(SettingError, match=r"'x' = .*: should be numbers that float32 can hold"):
        Chip(residual(), chip_of()).sample(x, 1, 0)


def test_stimuli_too_large_for_a_graph_are_refused():
    with pytest.raises(SettingError, match="'x': has values that are not finite"):
        Chip(residual(), chip_of()).sample(np.full((2, 4), 1e300), 1, 0)


@pytest.mark.parametrize("groups", [2, 4])
def test_codes_of_a_grouped_convolution_pass_the_memory_once(groups):
    """As those of the ungrouped convolution on the same values, by which it is billed."""

    def code_memory(groups):
        own = layer_of(8, 4 // groups * 3)
        geometry = Geometry((3,), (1,), ((1, 1),), (1,), groups)
        graph = Graph((LayerCall("y", "x", "conv", geometry),), "x", "y", (4, 5))
        chip = Chip(Program({"conv": own}, graph), chip_of())
        bill = chip.bill(np.zeros((1, 4, 5), np.float32), 3)
        found = bill.total_operations
        return found.count("code_memory"), found.count("multiply")

    whole, whole_products = code_memory(1)
    grouped, grouped_products = code_memory(groups)
    assert whole == 3 * (4 * 5 + 8 * 5) * 4
    assert grouped == whole
    assert grouped_products * groups == whole_products

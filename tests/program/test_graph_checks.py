"""Graphs and nodes that cannot be are refused where they are built."""

import dataclasses

import numpy as np
import pytest
from graphtest import FIRST, SECOND, residual

from stochsim.hardware import Noise
from stochsim.program import FloatCall, Geometry, Graph, LayerCall, Program, Quantizer
from stochsim.settings import SettingError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"result": "other"}, "'result' = 'other': should be a node; valid: a, b, sum, x"),
        ({"stimulus": "y"}, r"'a\.reads' = 'x': should be an earlier node; valid: y"),
        ({"nodes": (LayerCall("a", "x", "first", Geometry()),)}, "'layers' = "),
    ],
)
def test_graphs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        residual(**changes)


def test_neurons_that_groups_do_not_divide_are_refused():
    geometry = Geometry((1,), (1,), ((0, 0),), (1,), groups=2)
    graph = Graph((LayerCall("y", "x", "layer", geometry),), "x", "y", (4, 5))
    with pytest.raises(
        SettingError, match=r"'layer\.neurons' = 3: should be a multiple .* 2 groups"
    ):
        Program({"layer": FIRST}, graph)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "float16"}, "'dtype' = 'float16': did you mean 'float64'"),
        ({"shape": (0,)}, "'shape' = 0: should be an integer from 1"),
        ({"stimulus": "a"}, "'nodes' = 'a': the stimulus or an earlier node has this name"),
        ({"result": None}, "'result' = None: should be a node"),
        ({"result": ["b"]}, r"'result' = \['b'\]: should be a node"),
        ({"stimulus": None}, "'stimulus' = None: should be a name"),
        ({"shape": 4}, "'shape' = 4: should be a tuple"),
        ({"shape": (4.0,)}, r"'shape' = 4\.0: should be an integer from 1"),
        ({"nodes": None}, "'nodes' = None: should be a tuple"),
        ({"nodes": ("a",)}, "'nodes' = 'a': should be LayerCalls and FloatCalls"),
    ],
)
def test_graphs_that_cannot_be_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        residual(**changes)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (FloatCall("b", ("b",), np.abs), "'nodes' = 'b': the stimulus or an earlier node"),
        (FloatCall("sum", ("b",), np.abs, macs=-1), r"'sum\.macs' = -1"),
        (FloatCall("sum", ("c",), np.abs), r"'sum\.reads' = 'c': should be an earlier node"),
        (FloatCall("sum", ("b", []), np.abs), r"'sum\.reads' = \[\]: should be an earlier node"),
        (FloatCall("sum", "bx", np.add), r"'sum\.inputs' = 'bx': should be a tuple of names"),
        (FloatCall("sum", ("b",), None), r"'sum\.function' = None: should be a function"),
        (FloatCall("sum", ("b",), np.abs, row=1), r"'sum\.row' = 1: should be text"),
        (FloatCall("sum", ("b",), np.abs, measures=1), r"'sum\.measures' = 1: should be True or"),
        (FloatCall(None, ("b",), np.abs), "'nodes' = None: the name of a node should be text"),
        (LayerCall("sum", "b", "second", None), r"'sum\.geometry' = None: should be a Geometry"),
        (
            LayerCall("sum", "b", "second", Geometry(), takes_codes="no"),
            r"'sum\.takes_codes' = 'no': should be True or False",
        ),
    ],
)
def test_nodes_that_cannot_be_are_refused(last, message):
    nodes = residual().wiring.nodes
    with pytest.raises(SettingError, match=message):
        residual(nodes=(*nodes[:2], last))


def test_noise_of_a_layer_is_drawn_and_held_in_every_read():
    noisy = dataclasses.replace(SECOND, sigma=np.full(4, 0.5))
    program = Program({"first": FIRST, "second": noisy}, residual().wiring)
    x = np.zeros((2, *program.wiring.shape))
    uses = program.wiring.workload(program.shapes, Noise(), 3, x=x).uses
    first, second = uses
    assert second.reliability == second.draws == second.products == 3
    assert first.reliability == first.draws == 0
    assert list(program.billed_sigma) == ["second"]


@pytest.mark.parametrize(
    ("owner", "message"), [("second", "should be an earlier layer"), ("first", "with the weights")]
)
def test_weights_are_shared_with_an_earlier_layer_that_has_them(owner, message):
    nodes = residual().wiring.nodes
    shared = nodes[1]._replace(weights_of=owner)
    with pytest.raises(SettingError, match=rf"'b\.weights_of' = '{owner}': .*{message}"):
        residual(nodes=(nodes[0], shared, nodes[2]))


def with_source(source, **changes):
    """A layer on values of this node, said to take its codes."""
    layer = dataclasses.replace(SECOND, **changes)
    first = LayerCall("a", "x", "first", Geometry())
    passed = FloatCall("p", ("a",), np.abs)
    nodes = (first, passed, LayerCall("b", source, "second", Geometry(), takes_codes=True))
    return Program({"first": FIRST, "second": layer}, Graph(nodes, "x", "b", (4,)))


def test_codes_are_those_of_the_layer_that_gives_them():
    with_source("a")
    with_source("p", input=Quantizer(4, 0.5))  # of values that passed a part it cannot be told
    with pytest.raises(SettingError, match=r"'b\.takes_codes' = True: .* 'x' is the stimulus"):
        with_source("x")
    for other in (Quantizer(4, 0.5, unsigned=True), Quantizer(4, 0.25), Quantizer(3, 0.25, True)):
        with pytest.raises(
            SettingError,
            match=r"'b\.takes_codes' = True: should be False: 'first' gives the codes of Quant",
        ):
            with_source("a", input=other)

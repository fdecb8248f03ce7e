"""Graphs, nodes and windows that cannot be are refused where they are built."""

import dataclasses

import numpy as np
import pytest
from graphtest import FIRST, SECOND, residual

from stochsim.program import FloatCall, Geometry, Graph, LayerCall, Program
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
    ],
)
def test_graphs_that_cannot_be_are_refused(changes, message):
    with pytest.raises(SettingError, match=message):
        residual(**changes)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (FloatCall("b", ("b",), np.abs), "'nodes' = 'b': the stimulus or an earlier node"),
        (FloatCall("sum", ("b",), np.abs, macs=-1), r"'sum\.macs' = -1: should be an integer"),
        (FloatCall("sum", ("c",), np.abs), r"'sum\.reads' = 'c': should be an earlier node"),
    ],
)
def test_nodes_that_cannot_be_are_refused(last, message):
    nodes = residual().wiring.nodes
    with pytest.raises(SettingError, match=message):
        residual(nodes=(*nodes[:2], last))


def test_a_layer_of_a_graph_has_no_trained_noise():
    """It would be drawn, and neither its random bits nor its price counted."""
    noisy = dataclasses.replace(SECOND, sigma=np.full(4, 0.5))
    with pytest.raises(SettingError, match=r"'second\.sigma' = 0\.5: should be 0"):
        Program({"first": FIRST, "second": noisy}, residual().wiring)


@pytest.mark.parametrize(
    ("owner", "message"), [("second", "should be an earlier layer"), ("first", "with the weights")]
)
def test_weights_are_shared_with_an_earlier_layer_that_has_them(owner, message):
    nodes = residual().wiring.nodes
    shared = nodes[1]._replace(weights_of=owner)
    with pytest.raises(SettingError, match=rf"'b\.weights_of' = '{owner}': .*{message}"):
        residual(nodes=(nodes[0], shared, nodes[2]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": 0}, "'groups' = 0: should be an integer from 1"),
        ({"kernel": (0,)}, "'kernel' = 0: should be an integer from 1"),
        ({"stride": (0,)}, "'stride' = 0: should be an integer from 1"),
        ({"padding": ((-1, 0),)}, "'padding' = -1: should be an integer from 0"),
        ({"dilation": ()}, r"'dilation' = \(\): should have one entry for each of the 1 axes"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes, message):
    window = {"kernel": (3,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
    Geometry(**window)
    with pytest.raises(SettingError, match=message):
        Geometry(**window | changes)

"""Parts of a program of several layers that do not fit: the message names the part, its shape or
value, and the rule.
"""

import dataclasses

import numpy as np
import pytest
from circuittest import changed, deep_program, hidden_of, recurrent_program, small_float_circuit

from stochsim.program import (
    LATERAL,
    LOG_SIGMA,
    FloatFeedForward,
    FloatLayer,
    FloatProgram,
    Layer,
    LogSigmaHead,
    Quantizer,
    float_deep,
    with_log_sigma,
)
from stochsim.settings import SettingError


def first_neurons(layer, number):
    """The arrays of a layer's first neurons."""
    return {name: getattr(layer, name)[:number] for name in ("weight_codes", "bias", "sigma")}


def test_layers_of_a_deep_program_fit():
    program = deep_program()
    first, second = hidden_of(program)
    rest = (program.layers[LOG_SIGMA], program.readout, program.wiring.base)
    wrong_sizes = dataclasses.replace(second, weight_codes=second.weight_codes[:, :4])
    other_codes = dataclasses.replace(second, input=Quantizer(3, 0.5))
    for hidden, complaint in (
        (
            (),
            r"'layers' = \['log_sigma', 'readout'\]: should have at least one layer before 'log_",
        ),
        (
            (first, wrong_sizes),
            r"'hidden 2\.inputs' = 4: should be 9, the neurons of 'hidden 1'",
        ),
        (
            (first, other_codes),
            r"'hidden 2\.input' = Quantizer\(bits=3, scale=0.5, .*\): should be the output of "
            r"'hidden 1'",
        ),
        ((first,), r"'log_sigma\.inputs' = 6: should be 9"),
    ):
        with pytest.raises(SettingError, match=complaint):
            with_log_sigma(hidden, *rest)
    with pytest.raises(
        SettingError, match=r"'readout\.input' = .* should be the output of 'hidden 2'"
    ):
        changed(program, "readout", input=Quantizer(3, 0.5))
    with pytest.raises(
        SettingError,
        match=r"'log_sigma\.neurons' = 4: should be 5, a value for each neuron",
    ):
        changed(program, LOG_SIGMA, **first_neurons(program.layers[LOG_SIGMA], 4))
    with pytest.raises(SettingError, match=r"'base' = array of .*4,.* shape \(neuron\) = \(5,\)"):
        dataclasses.replace(program, wiring=LogSigmaHead(np.zeros(4)))


def rewired(program, **changes):
    return dataclasses.replace(program, wiring=dataclasses.replace(program.wiring, **changes))


def test_parts_of_a_recurrent_program_fit():
    program = recurrent_program()
    with pytest.raises(
        SettingError,
        match=r"'lateral\.weight_codes' = array of shape \(4, 5\), .*: should have shape "
        r"\(neuron, neuron\) = \(5, 5\)",
    ):
        changed(program, "lateral", **first_neurons(program.layers[LATERAL], 4))
    for name in ("input", "output"):
        with pytest.raises(
            SettingError,
            match=rf"'lateral\.{name}' = Quantizer\(bits=3, .*: should be that of the state, Quant",
        ):
            changed(program, "lateral", **{name: Quantizer(3, 0.5)})
    with pytest.raises(
        SettingError,
        match=r"'table' = array of shape \(7, 5\), .*: should have shape \(level, neuron\) = "
        r"\(8, 5\)",
    ):
        rewired(program, table=program.wiring.table[:7])
    with pytest.raises(SettingError, match="'steps' = 0: should be an integer from 1"):
        rewired(program, steps=0)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"readout": FloatLayer(np.ones((2, 3)), np.zeros(3))},
            r"'readout\.bias' = array of shape \(3,\), .* shape \(neuron\) = \(2,\)",
        ),
        ({"shrink": np.zeros(1)}, r"'shrink' = array .*1,.* shape \(neuron\) = \(2,\)"),
        ({"width": np.ones((2, 1))}, r"'width' = array .*2, 1.* shape \(neuron\) = \(2,\)"),
        ({"sigma": np.float64(1.0)}, r"'sigma' = 1\.0: should have shape \(neuron\) = \(2,\)"),
        (
            {"lateral": np.zeros((2, 3))},
            r"'lateral\.weight' = array of shape \(2, 3\), .* shape \(neuron, neuron\) = \(2, 2\)",
        ),
        ({"width": np.array([1.0, 0.0])}, "'width' = 0.0: should be above 0"),
        ({"steps": 0}, "'steps' = 0: should be an integer from 1"),
    ],
)
def test_parts_of_a_float_recurrent_program_fit(changes, complaint):
    with pytest.raises(SettingError, match=complaint):
        small_float_circuit(**changes)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"hidden": ()}, r"'hidden' = \(\): should have at least one layer"),
        (
            {"hidden": (FloatLayer(np.ones((4, 3)), np.zeros(3)),)},
            r"'hidden\.bias' = array of shape \(3,\), .* shape \(neuron\) = \(4,\)",
        ),
        (
            {"readout": FloatLayer(np.ones((2, 5)), np.zeros(2))},
            r"'readout\.weight' = array of shape \(2, 5\), .* \(neuron, hidden\) = \(2, 4\)",
        ),
        (
            {"log_sigma": FloatLayer(np.ones((3, 4)), np.ones(3))},
            r"'log_sigma\.weight' = array of shape \(3, 4\), .* \(neuron, hidden\) = \(2, 4\)",
        ),
        (
            {"hidden": (FloatLayer(np.ones((4, 3)), np.zeros(4)),) * 2},
            r"'hidden 2\.weight' = array of shape \(4, 3\), .* \(neuron, input\) = \(4, 4\)",
        ),
        (
            {"log_sigma": FloatLayer(np.ones((2, 4)), np.ones(3))},
            r"'log_sigma\.bias' = array of shape \(3,\), .* shape \(neuron\) = \(2,\)",
        ),
    ],
)
def test_parts_of_a_float_deep_program_fit(changes, complaint):
    whole = {
        "hidden": (FloatLayer(np.ones((4, 3)), np.zeros(4)),),
        "log_sigma": FloatLayer(np.ones((2, 4)), np.zeros(2)),
        "readout": FloatLayer(np.ones((2, 4)), np.zeros(2)),
    }
    float_deep(**whole)
    with pytest.raises(SettingError, match=complaint):
        float_deep(**{**whole, **changes})


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        ({"other": FloatLayer(np.ones((2, 4)), np.zeros(2))}, "should end with readout"),
        ({}, r"'layers' = \[\]: should end with readout"),
        ({"readout": FloatLayer(np.ones((2, 4)), np.zeros(3))}, r"'readout\.bias' = "),
        ({"readout": FloatLayer(np.ones((3, 4)), np.zeros(3))}, r"'sigma' = .* = \(3,\)"),
    ],
)
def test_parts_of_a_float_layer_fit(layers, complaint):
    with pytest.raises(SettingError, match=complaint):
        FloatProgram(layers, FloatFeedForward(np.ones(2)))


@pytest.mark.parametrize("block_size", [None, 2])
@pytest.mark.parametrize("given", [[[True], [], [5]], [[1.0], [2.0, 3.0]]])
def test_scales_in_rows_of_unequal_length_are_refused(given, block_size):
    with pytest.raises(SettingError, match=r"'weight_scale' = .*rows of unequal length"):
        Layer(
            weight_codes=np.ones((2, 3), np.int8),
            weight_bits=4,
            weight_scale=given,
            block_size=block_size,
            input=Quantizer(4, 1.0),
            output=Quantizer(4, 1.0),
            bias=np.zeros(2),
            sigma=np.zeros(2),
        )

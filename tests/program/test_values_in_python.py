"""What a program is made of by hand is checked where it is built, as files of it are."""

import dataclasses
import json

import numpy as np
import pytest
from circuittest import (
    changed,
    deep_program,
    hardware_of,
    hidden_of,
    recurrent_program,
    single_program,
    some_stimuli,
)

from stochsim.chip import Chip
from stochsim.program import (
    LATERAL,
    LOG_SIGMA,
    READOUT,
    FeedForward,
    Layer,
    LogSigmaHead,
    Program,
    Quantizer,
    Recurrent,
    feed_forward,
    float_single,
    load_program,
    random_program,
    recurrent,
    single_layer,
    with_log_sigma,
)
from stochsim.settings import SettingError, StochsimError, check_positive

CIRCUIT = {"table": np.zeros((8, 5)), "steps": 4, "radius": 0.5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": "x"}, "'radius' = 'x': should be a number"),
        ({"radius": None}, "'radius' = None: should be a number"),
        ({"radius": True}, "'radius' = True: should be a number"),
        ({"radius": 0.5j}, r"'radius' = 0\.5j: should be a number"),
        ({"radius": -1}, "'radius' = -1: should be at least 0"),
        ({"radius": -np.inf}, "'radius' = -inf: should be at least 0"),
        ({"steps": 0}, "'steps' = 0: should be an integer from 1 to 1000000"),
        ({"steps": 4.0}, r"'steps' = 4\.0: should be an integer from 1"),
        ({"steps": True}, "'steps' = True: should be an integer from 1"),
        ({"table": np.zeros((8, 5), complex)}, "'table' = .*complex128: .*float64 can hold"),
        ({"table": np.zeros((8, 5), object)}, "'table' = .*object: .*float64 can hold"),
        ({"table": [[0.0], [0.0, 1.0]]}, r"'table' = \[\[0\.0\], \[0\.0, 1\.0\]\]: .*can hold"),
        ({"table": None}, "'table' = None: .*float64 can hold"),
        ({"table": [[0.0, np.nan]]}, "'table' = nan: should be finite"),
    ],
)
def test_circuits_that_cannot_be_are_refused(changes, message):
    Recurrent(**CIRCUIT)
    with pytest.raises(SettingError, match=message):
        Recurrent(**CIRCUIT | changes)


@pytest.mark.parametrize("radius", [np.nan, np.inf])
def test_a_radius_that_is_not_finite_is_left_to_the_chip_and_not_saved(radius, tmp_path):
    program = recurrent_program(radius=radius)
    with pytest.raises(StochsimError, match="spectral radius of a step is"):
        program.save(tmp_path / "program")
    assert not (tmp_path / "program").exists()


def test_a_negative_radius_of_a_file_is_refused(tmp_path):
    recurrent_program().save(tmp_path)
    table = json.loads((tmp_path / "program.json").read_text())
    table["content"]["radius"] = -0.5
    (tmp_path / "program.json").write_text(json.dumps(table))
    with pytest.raises(StochsimError, match=r"'radius' = -0\.5: should be at least 0"):
        load_program(tmp_path)


def test_a_circuit_of_lists_and_numpys_numbers_is_the_same_again(tmp_path):
    given = recurrent_program()
    table = given.wiring.table
    layers = (given.layers[READOUT], given.layers[LATERAL])
    program = recurrent(*layers, table.tolist(), np.int64(4), np.float32(0.75), np.float32(0.5))
    wiring = program.wiring
    assert wiring.table.dtype == np.float64
    assert [type(one) for one in (wiring.steps, wiring.radius, program.rho)] == [int, float, float]
    program.save(tmp_path)
    again = load_program(tmp_path)
    assert (again.wiring.steps, again.wiring.radius, again.rho) == (4, 0.75, 0.5)
    x = some_stimuli()
    codes = [Chip(one, hardware_of(one)).sample(x, 5, 3).codes for one in (given, program, again)]
    assert np.array_equal(codes[0], codes[1])
    assert np.array_equal(codes[0], codes[2])


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (np.zeros(5, complex), "'base' = .*complex128: .*float64 can hold"),
        (np.zeros(5, object), "'base' = .*object: .*float64 can hold"),
        (["a"] * 5, "'base' = .*float64 can hold"),
        ([0.0, 0.0, 0.0, 0.0, np.inf], "'base' = inf: should be finite"),
        (0.0, r"'base' = 0\.0: should have shape \(neuron\) = \(5,\)"),
    ],
)
def test_bases_that_cannot_be_are_refused(base, message):
    program = deep_program()
    with pytest.raises(SettingError, match=message):
        dataclasses.replace(program, wiring=LogSigmaHead(base))


def test_a_base_may_be_a_list(tmp_path):
    given = deep_program()
    ends = (given.layers[LOG_SIGMA], given.readout)
    program = with_log_sigma(hidden_of(given), *ends, given.wiring.base.tolist())
    assert program.wiring.base.dtype == np.float64
    program.save(tmp_path)
    assert np.array_equal(load_program(tmp_path).wiring.base, given.wiring.base)
    with pytest.raises(SettingError, match=r"'hidden' = .*: should be a tuple of layers"):
        with_log_sigma(hidden_of(given)[0], *ends, given.wiring.base)


LAYER = single_program().readout


@pytest.mark.parametrize("rho", [-1, -1e-9, np.nan, np.inf, 17, 1e308, "x", None, True, 1j])
def test_a_rho_that_no_price_has_is_refused(rho):
    with pytest.raises(SettingError, match=r"'rho' = .*: should be from 0 to 16"):
        single_layer(LAYER, rho)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"a": None}, r"'layers\.a' = None: should be a Layer"),
        ({"a": LAYER, "b": "x"}, r"'layers\.b' = 'x': should be a Layer"),
        ({0: LAYER}, "'layers' = 0: the name of a layer should be printable text"),
        ([LAYER], "'layers' = .*: should be layers by name"),
        (None, "'layers' = None: should be layers by name"),
        ({}, r"'layers' = \[\]: should have at least one layer"),
    ],
)
def test_what_is_no_layer_is_refused(layers, message):
    for build in (feed_forward, lambda given: Program(given, FeedForward())):
        with pytest.raises(SettingError, match=message):
            build(layers)


def test_what_is_no_wiring_or_layer_is_refused():
    with pytest.raises(SettingError, match=r"'layers\.readout' = 'x': should be a Layer"):
        single_layer("x")
    for wiring in (None, "feed-forward", FeedForward):
        with pytest.raises(SettingError, match=r"'wiring' = .*: should be a Wiring"):
            Program({"a": LAYER}, wiring)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("input", None, "'input' = None: should be a Quantizer"),
        ("output", 4, "'output' = 4: should be a Quantizer"),
        ("own_width", "x", "'own_width' = 'x': should be True or False"),
        ("own_width", 1, "'own_width' = 1: should be True or False"),
        ("activation", ["relu"], r"'activation' = \['relu'\]: valid: identity"),
        ("bias", [[1.0], [1.0, 2.0]], "'bias' = .* numbers that float64 can hold"),
        ("weight_codes", [[1], [1, 2]], "'weight_codes' = .* numbers that int8 can hold"),
        ("weight_codes", [[True]], "'weight_codes' = .* numbers that int8 can hold"),
        ("sigma", np.ones(5) * 1j, "'sigma' = .* numbers that float64 can hold"),
        ("weight_scale", 10**400, "'weight_scale' = 1000.*: should be finite and above 0"),
        ("weight_bits", 3.0, r"'weight_bits' = 3\.0: should be an integer"),
    ],
)
def test_fields_that_no_layer_has_are_refused(field, value, message):
    with pytest.raises(SettingError, match=message):
        changed(single_program(), READOUT, **{field: value})


@pytest.mark.parametrize("unsigned", ["no", "", 0, 1, None, np.int64(1)])
def test_a_quantizer_is_unsigned_or_not(unsigned):
    with pytest.raises(SettingError, match=r"'unsigned' = .*: should be True or False"):
        Quantizer(4, 1.0, unsigned)


def test_flags_of_numpy_become_those_of_python(tmp_path):
    reads = Quantizer(3, LAYER.input.scale, np.True_)
    assert reads.unsigned is True
    layer = dataclasses.replace(LAYER, input=reads, own_width=np.False_)
    assert layer.own_width is False
    single_layer(layer).save(tmp_path)
    assert load_program(tmp_path).readout.input == reads


def test_a_positive_number_is_one_in_float64():
    check_positive("scale", np.float32(1e-40))
    for value in (10**400, np.longdouble("1e-4900"), np.longdouble("1e4900")):
        with pytest.raises(SettingError, match=r"'scale' = .*: should be finite and above 0"):
            check_positive("scale", value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("784", (4, 4, 4)), "'sizes' = '784': should be a tuple"),
        (((5, "x"), (4, 4, 4)), "'sizes' = .*: should be .* as in 784-100-10"),
        (((5, 2.5), (4, 4, 4)), "'sizes' = .*: should be .* as in 784-100-10"),
        (((5, 2), (4, 4)), r"'widths' = \(4, 4\): should be bits of weights, inputs and outputs"),
        (((5, 2), (4, "x", 4)), "'bits' = 'x': should be an integer from 1 to 8"),
        (((5, 2), 4), "'widths' = 4: should be a tuple"),
        (((5, 2), (4, 4, 4), "x"), "'sigma' = .*: should be finite and at least 0"),
        (((5, 2), (4, 4, 4), 1.0, "x"), "'key' = 'x': should be an integer from 0"),
        (((5, 2), (4, 4, 4), 1.0, 0, 2.0), r"'stimuli' = 2\.0: should be an integer from 0"),
    ],
)
def test_sizes_that_no_random_program_has_are_refused(given, message):
    with pytest.raises(SettingError, match=message):
        random_program(*given[:2], *(given[2:] or (1.0,)))


def test_a_random_program_takes_numpys_integers():
    widths = tuple(np.arange(2, 5))
    drawn, _ = random_program(tuple(np.array([6, 4])), widths, 1.0)
    layer = drawn.readout
    assert isinstance(layer, Layer)
    assert (layer.weight_bits, layer.input.bits, layer.output.bits) == (2, 3, 4)


@pytest.mark.parametrize("rho", [-1.0, np.nan, "x", True])
def test_a_float_program_s_rho_is_a_number_of_at_least_0(rho):
    with pytest.raises(SettingError, match="'rho' = "):
        float_single(np.ones((2, 3)), np.zeros(2), np.ones(2), rho)


@pytest.mark.parametrize("name", ["", "a\x1b[31m", "\ud800", "a" * 501])
def test_names_of_layers_are_printable(name):
    layer = random_program((4, 3), (4, 4, 4), 0.1)[0].first
    with pytest.raises(SettingError, match="printable text of 1 to 500 characters"):
        feed_forward({name: layer})

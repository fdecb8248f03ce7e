"""What chips of several layers refuse: the message names the part, its shape or value, and the
rule.
"""

import dataclasses

import numpy as np
import pytest
from arraytest import array_of
from circuittest import (
    INPUTS,
    NEURONS,
    changed,
    deep_program,
    hardware_of,
    hidden_of,
    recurrent_program,
    single_program,
    small_float_circuit,
    some_stimuli,
)

from stochsim.chip import Chip, FloatChip
from stochsim.hardware import Adc, Cells, Memory, Noise, RandomSource
from stochsim.program import LOG_SIGMA, READOUT, Quantizer, with_log_sigma
from stochsim.settings import SettingError, StochsimError, check_stable

X = some_stimuli()


@pytest.mark.parametrize("radius", [1.0, 1.37, float("nan"), float("inf")])
def test_unstable_recurrent_weights_are_refused_before_sampling(radius):
    program = recurrent_program(radius=radius)
    with pytest.raises(
        StochsimError,
        match=rf"unstable: the spectral radius of a step is {radius:.6g}, it must be below 1",
    ):
        Chip(program, hardware_of(program))
    with pytest.raises(StochsimError, match="spectral radius"):
        check_stable(radius)
    check_stable(0.999999)


def test_unstable_float_weights_are_refused_before_sampling():
    """Eigenvalues of (1 - alpha) I + alpha L: 1 - alpha (1 -+ l) for lateral weights l."""
    assert small_float_circuit().radius == pytest.approx(0.75 + 0.25 * 0.5)
    unstable = small_float_circuit(lateral=np.array([[0.0, 1.2], [1.2, 0.0]]))
    assert unstable.radius == pytest.approx(1.05)
    with pytest.raises(StochsimError, match=r"spectral radius of a step is 1\.05"):
        FloatChip(unstable)
    rotating = small_float_circuit(lateral=np.array([[1.0, 3.0], [-3.0, 1.0]]))  # complex
    with pytest.raises(StochsimError, match=r"spectral radius of a step is 1\.25"):
        FloatChip(rotating)


@pytest.mark.parametrize("name", ["weight_bits", "input_bits", "output_bits"])
@pytest.mark.parametrize("build", [deep_program, recurrent_program])
def test_other_bits_than_the_program_was_trained_for_are_refused(build, name):
    program = build()
    with pytest.raises(
        SettingError, match=rf"'precision\.{name}' = 4: should be 3, which the program was"
    ):
        Chip(program, hardware_of(program).with_precision(**{name: 4}))


def test_the_codes_of_hidden_layers_have_the_bits_of_outputs():
    deep = deep_program()
    other = Quantizer(4, 0.3)
    first, second = hidden_of(deep)
    hidden = (first, dataclasses.replace(second, output=other))
    ends = [dataclasses.replace(deep.layers[name], input=other) for name in (LOG_SIGMA, READOUT)]
    with pytest.raises(
        SettingError, match=r"'precision\.output_bits' = 3: should be 4, which the program was"
    ):
        Chip(with_log_sigma(hidden, *ends, deep.wiring.base), hardware_of(deep))
    with pytest.raises(
        SettingError, match=r"'precision\.output_bits' = 3: should be 4, which the program was"
    ):
        Chip(changed(deep, LOG_SIGMA, output=other), hardware_of(deep))
    recurrent = recurrent_program()
    with pytest.raises(
        SettingError, match=r"'precision\.weight_bits' = 3: should be 4, which the program was"
    ):
        Chip(changed(recurrent, "lateral", weight_bits=4), hardware_of(recurrent))


def test_a_recurrent_circuit_has_no_drives_to_show():
    program = recurrent_program()
    for ask in ("drive", "sigmas", "thresholds", "probabilities"):
        with pytest.raises(
            SettingError,
            match="digital-45nm runs a recurrent program: its drives differ from read to read",
        ):
            getattr(Chip(program, hardware_of(program)), ask)(X)


@pytest.mark.parametrize(
    ("build", "rows"),
    [
        (deep_program, False),
        (recurrent_program, False),
        (deep_program, True),
        (recurrent_program, True),
    ],
)
def test_rows_are_numbered_in_16_bits(build, rows):
    """Where every read is a row of its own, stimuli and reads end at 65,536; elsewhere they do
    not.
    """
    program = build()
    chip = Chip(program, hardware_of(program, noise=Noise(weight_sigma=0.1) if rows else Noise()))
    for name in ("first_stimulus", "first_read"):
        chip.sample(X, 3, 1, **{name: 65_533})
        if rows:
            with pytest.raises(
                SettingError, match=f"'{name}' = 65534: should be .* 65536 .*, 3, where"
            ):
                chip.sample(X, 3, 1, **{name: 65_534})
        else:
            chip.sample(X, 3, 1, **{name: 65_534})


def test_what_is_billed_can_be_drawn(monkeypatch):
    """The last row that has a number is billed, as it is drawn; the one after it is in neither."""
    monkeypatch.setattr("stochsim.chip.rng_address._ROWS", 8)
    program = deep_program()
    chip = Chip(program, hardware_of(program, noise=Noise(weight_sigma=0.1)))
    many = np.repeat(X[:1], 9, axis=0)
    for ask in (chip.operations, chip.bill, lambda x, reads: chip.sample(x, reads, 0)):
        ask(X[:1], 8)
        ask(many[1:], 1)
        with pytest.raises(SettingError, match=r"'first_read' = 0: .* number of reads, 9,"):
            ask(X[:1], 9)
        with pytest.raises(SettingError, match=r"'first_stimulus' = 0: .* number of stimuli, 9,"):
            ask(many, 1)


ARRAY = array_of(Adc(bits=6, sigma_lsb=0.5))


@pytest.mark.parametrize(
    "parts", [{"array": ARRAY}, {"array": ARRAY, "noise": Noise(input_dither="stochastic")}]
)
def test_stimuli_of_a_single_layer_are_rows_only_where_its_inputs_differ(parts):
    program = single_program()
    dithered = "noise" in parts
    chip = Chip(program, hardware_of(program, **parts))
    if dithered:
        with pytest.raises(SettingError, match="'first_read' = 70000"):
            chip.sample(X, 3, 1, first_read=70_000)
    else:
        chip.sample(X, 3, 1, first_read=70_000)


@pytest.mark.parametrize("build", [deep_program, recurrent_program])
def test_what_a_layer_cannot_bear_is_refused_by_name(build):
    program = build()
    for parts, complaint in (
        ({"array": array_of(cell_bits=4)}, "cell_bits"),
        (
            {"array": array_of(Adc(range="calibrated"))},
            "'array.adc.range' = 'calibrated': the chip needs calibration",
        ),
        ({"array": ARRAY, "memory": Memory(weight_read_errors=0.1)}, "'memory.weight_read_errors'"),
        (
            {"array": ARRAY, "noise": Noise(weight_noise="explicit", weight_sigma=0.1)},
            "'noise.weight_noise' = 'explicit'",
        ),
        (
            {"noise": Noise(measured_csv="drive,p0,p1\n-1,1,0\n1,0,1\n")},
            "'noise.measured_csv': has codes of 1 bit: should be 3",
        ),
        (
            {"array": array_of(Adc(bits=4), Cells(wire_ohm=1e6))},
            "'wire_ohm' = 1000000.0: the largest relative drop",
        ),
    ):
        with pytest.raises(SettingError, match=complaint):
            Chip(program, hardware_of(program, **parts))


@pytest.mark.parametrize("build", [deep_program, recurrent_program])
def test_stimuli_are_checked(build):
    program = build()
    chip = Chip(program, hardware_of(program, random=RandomSource()))
    with pytest.raises(SettingError, match=rf"\(stimulus, {INPUTS}\)"):
        chip.sample(np.zeros((2, NEURONS)), 1, 0)
    with pytest.raises(SettingError, match="row 0, column 2 is nan"):
        chip.sample(np.where(np.arange(INPUTS) == 2, np.nan, 0.0)[None], 1, 0)
    with pytest.raises(SettingError, match="'reads'"):
        chip.sample(np.zeros((1, INPUTS)), 0, 0)

"""Samples carry their bill; a chip says what is no program, hardware or number of reads."""

import dataclasses

import numpy as np
import pytest
from circuittest import PROGRAMS, hardware_of, single_program, some_stimuli

from stochsim.chip import Chip, FloatChip
from stochsim.hardware import RandomSource, preset
from stochsim.program import float_single
from stochsim.settings import SettingError, StochsimError

X = some_stimuli()


@pytest.mark.parametrize("kind", PROGRAMS)
@pytest.mark.parametrize("array", [None, "sram-array-28nm"])
def test_samples_have_the_bill_of_their_reads(kind, array):
    """On an array too, where operations depend on the data and on the draws of this key."""
    program = dataclasses.replace(PROGRAMS[kind](3), rho=2.0)
    parts = {} if array is None else {"array": preset(array).array}
    chip = Chip(program, hardware_of(program, **parts))
    samples = chip.sample(X, 6, 0)
    assert samples.bill.total_operations == samples.operations
    assert (samples.bill.reads, samples.bill.stimuli) == (6, len(X))
    assert samples.bill == chip.bill(X, 6)
    whole_j = samples.bill.all_reads_j
    assert whole_j > 0
    assert whole_j == pytest.approx(6 * len(X) * samples.bill.per_read_j, rel=1e-12)


def test_reads_of_one_chain_are_billed_as_such():
    program = dataclasses.replace(PROGRAMS["recurrent"](3), rho=2.0)
    chip = Chip(program, hardware_of(program))
    assert chip.sample(X, 6, 0, steps_between_reads=2).bill == chip.bill(
        X, 6, steps_between_reads=2
    )
    assert (
        chip.sample(X, 6, 0, steps_between_reads=2).bill.per_read_j
        < chip.sample(X, 6, 0).bill.per_read_j
    )


def test_samples_know_what_is_known_of_their_reads():
    """Of a chain and of a shift register reads depend on each other; a register starts again."""
    program = PROGRAMS["recurrent"](3)
    plain = Chip(program, hardware_of(program))
    apart = plain.sample(X, 6, 0)
    assert (apart.independent, apart.period) == (True, None)
    chain = plain.sample(X, 6, 0, steps_between_reads=2)
    assert (chain.independent, chain.period) == (False, None)
    source = RandomSource(threshold_bits=3, lfsr_bits=8)
    register = Chip(program, hardware_of(program, random=source))
    repeated = register.sample(X, 6, 0, steps_between_reads=5)
    assert (repeated.independent, repeated.period) == (False, 17)
    np.testing.assert_array_equal(apart.stimuli, X)


def test_what_was_not_counted_has_no_bill():
    program = single_program()
    samples = Chip(program, hardware_of(program)).sample(X, 2, 0, count=False)
    assert samples.counted is None
    float_chip = FloatChip(float_single(np.ones((2, 3)), np.zeros(2), np.ones(2)))
    for given in (samples, float_chip.sample(np.ones((1, 3)), 2, 0)):
        with pytest.raises(StochsimError, match="have no bill: nothing was counted"):
            given.bill  # noqa: B018


def test_the_old_name_of_joules_says_the_new_ones():
    program = single_program()
    bill = Chip(program, hardware_of(program)).bill(X)
    with pytest.raises(AttributeError, match="is now 'per_read_j', and of all reads 'all_reads_j'"):
        bill.total_j  # noqa: B018


@pytest.mark.parametrize("rho", ["a", -1.0, np.nan, True])
def test_a_rho_that_is_none_is_refused_at_once(rho):
    program = single_program()
    bill = Chip(program, hardware_of(program)).bill(X)
    with pytest.raises(SettingError, match="'rho' = "):
        Chip(program, hardware_of(program)).bill(X, rho=rho)
    with pytest.raises(SettingError, match="'rho' = "):
        dataclasses.replace(bill, rho=rho)


@pytest.mark.parametrize("reads", [0, "a", 1.5, True])
def test_reads_that_are_no_number_are_refused(reads):
    program = single_program()
    chip = Chip(program, hardware_of(program))
    for ask in (chip.bill, chip.operations, lambda x, reads: chip.sample(x, reads, 0)):
        with pytest.raises(SettingError, match=r"'reads' = .*: should be an integer from 1"):
            ask(X, reads)


def test_arguments_of_other_types_are_named():
    program = single_program()
    hardware = hardware_of(program)
    with pytest.raises(SettingError, match=r"'program' = .*: should be a Program"):
        Chip("program", hardware)
    with pytest.raises(SettingError, match=r"'program' = .*: should be a Program"):
        Chip(hardware, program)
    with pytest.raises(SettingError, match=r"stand in the order Chip\(program, hardware\)$"):
        Chip(hardware, program)
    with pytest.raises(SettingError, match=r"'hardware' = array of shape .* gives one$"):
        Chip(program, X)
    with pytest.raises(SettingError, match=r"'program' = .*: should be a FloatProgram"):
        FloatChip(program)
    with pytest.raises(SettingError, match="'hardware' = 'digital-45nm': should be a Hardware"):
        Chip(program, "digital-45nm")
    for scale in ("x", None, True, np.nan, -1):
        said = r"'sigma_scale' = .*: should be finite and at least 0"
        with pytest.raises(SettingError, match=said):
            Chip(program, hardware, sigma_scale=scale)

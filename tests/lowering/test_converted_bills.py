"""The bill of a converted network, counted by hand."""

import numpy as np
import pytest
import torch
from conversiontest import QUIET, chip_of, seeded, stimuli
from torch import nn

from stochsim.energy import Operation, Operations
from stochsim.hardware import Adc, Array, Memory, Noise, Timing
from stochsim.lowering import convert

X = stimuli(5, 2, 4, 4)
READS = 3


def network():
    """Convolution on 16 positions of 18 inputs and 3 channels, pooled to 12 values; 4 outputs."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)
    )


class Twice(nn.Module):
    """One layer that is used two times."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(self.layer(x))


def counts_of(**parts):
    return convert(seeded(network), chip_of(4, 5, 5, **parts), X).operations_by_layer(X, READS)


def test_a_digital_network_by_hand():
    draws = 5 * READS
    weights = 4 * (3 * 18 + 4 * 12)
    stored = 5 * (32 + 48 + 4)
    macs = draws * 16 * 54
    assert counts_of() == {
        "0": Operations(
            {
                Operation("multiply", (4, 5)): macs,
                Operation("add", (4 + 5 + 5,)): macs,
                Operation("dac", (5,)): draws * 16 * 18,
                Operation("adc", (5,)): draws * 48,
                Operation("weight_memory", (weights,)): 5 * 4 * 54,
                Operation("code_memory", (stored,)): draws * 5 * (32 + 48),
            }
        ),
        "4": Operations(
            {
                Operation("multiply", (4, 5)): draws * 48,
                Operation("add", (4 + 5 + 4,)): draws * 48,
                Operation("dac", (5,)): draws * 12,
                Operation("adc", (5,)): draws * 4,
                Operation("weight_memory", (weights,)): 5 * 4 * 48,
                Operation("code_memory", (stored,)): draws * 5 * (12 + 4),
            }
        ),
    }


def test_weights_may_be_read_at_every_read():
    once, every = (counts_of(memory=Memory(weights_read=when)) for when in ("stimulus", "read"))
    assert [every[name].count("weight_memory") for name in every] == [
        READS * once[name].count("weight_memory") for name in once
    ]


def test_random_bits_of_dither():
    draws = 5 * READS
    per_code = QUIET.random_bits_per_code
    assert (
        counts_of(noise=Noise(read_sigma_lsb=0.3))["0"].count("random") == 0
    )  # the neuron's own noise, which costs nothing
    assert counts_of(noise=Noise(input_dither="stochastic"))["0"].count("random") == 16 * draws * 32
    assert counts_of(noise=Noise(input_dither="stochastic"))["4"].count("random") == 0
    dithered = counts_of(noise=Noise(dither="stochastic"))
    assert [dithered[name].count("random") for name in "04"] == [
        draws * 48 * per_code,
        draws * 4 * per_code,
    ]


def test_an_array_is_counted_by_what_it_reads():
    """Every window of the padded picture is converted: 2 tiles of 16 rows for 18 inputs, 4 slices,
    5 cycles.
    """
    array = Array(rows=16, columns=16, cell_bits=1, cycle_bits=1, adc=Adc(bits=6))
    counts = counts_of(array=array)
    draws = 5 * READS
    assert counts["0"][Operation("adc", (6,))] == draws * 16 * 2 * 4 * 5 * 3
    assert counts["4"][Operation("adc", (6,))] == draws * 1 * 4 * 5 * 4
    dark = convert(seeded(network), chip_of(4, 5, 5, array=array), X).operations_by_layer(
        torch.full((1, 2, 4, 4), -1.0), 1
    )
    assert dark["0"].count("cell") < counts["0"].count("cell") / draws


def test_groups_are_billed_without_the_products_between_them():
    grouped = convert(seeded(lambda: nn.Conv2d(2, 4, 3, groups=2)), QUIET, X).operations_by_layer(X)
    assert next(iter(grouped.values())).count("multiply") == 5 * 4 * 4 * 9


def test_shared_weights_are_stored_once_and_read_by_every_layer():
    counts = convert(seeded(Twice), QUIET, stimuli(5, 4)).operations_by_layer(stimuli(5, 4))
    assert [
        counts[name][Operation("weight_memory", (64,))] for name in ("layer", "layer_again")
    ] == [5 * 64, 5 * 64]


def test_each_layer_leaks_for_its_own_cycles():
    """Joules of leakage are watts times seconds; the second layer's cycles are not the first's."""
    timing = Timing(clock_hz=2e8, multipliers=4, leakage_w=3e-3)
    bill = convert(seeded(network), chip_of(4, 5, 5, timing=timing), X).bill(X, READS)
    cycles = {"0": 16 * 14, "4": 12}  # 54 and 48 products, 4 at a time; 16 positions
    assert bill.cycles == cycles
    for name, count in cycles.items():
        assert bill.operations[name].count("leakage") == pytest.approx(count / 2e8, rel=1e-12)
        assert bill.energy_by_layer[name].leakage_j == pytest.approx(3e-3 * count / 2e8, rel=1e-12)


def test_cells_are_programmed_once_for_so_many_reads():
    """4-bit weights in 1-bit cells: 4 cells for each of 54 and 48 weights."""
    counts = counts_of(**programmed_every(1000))
    draws = 5 * READS
    assert counts["0"].count("program") == pytest.approx(draws * 4 * 54 / 1000, rel=1e-12)
    assert counts["4"].count("program") == pytest.approx(draws * 4 * 48 / 1000, rel=1e-12)


def programmed_every(reads):
    array = Array(rows=16, cell_bits=1, cycle_bits=1, adc=Adc(bits=6))
    array = array.model_copy(update={"reads_per_programming": reads})
    return {
        "array": array,
        "prices": QUIET.prices.with_price("program", "program-energy", joules=1e-12),
    }


def test_shared_weights_are_programmed_once():
    hardware = chip_of(4, 5, 5, **programmed_every(100))
    x = stimuli(5, 4)
    counts = convert(seeded(Twice), hardware, x).operations_by_layer(x)
    assert counts["layer"].count("program") == pytest.approx(5 * 4 * 16 / 100, rel=1e-12)
    assert counts["layer_again"].count("program") == 0


def test_parts_left_in_float_are_billed_in_float32_or_listed():
    made = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.GELU(), nn.Conv2d(3, 2, 2), nn.ConvTranspose2d(2, 2, 2)
        )
    )
    converted = convert(made, QUIET, X, keep_float=["0", "3"])
    counts = converted.operations_by_layer(X, READS)
    values = 5 * READS * 3 * 4
    memory = 4 * (12 + 2) + 32 * (12 + 12 + 8)
    assert counts["0"] == Operations(
        {
            Operation("float_multiply", (32,)): 18 * values,
            Operation("float_add", (32,)): 18 * values,
            Operation("code_memory", (memory,)): 64 * values,
        }
    )
    assert list(counts) == ["0", "1", "2", "3"]
    assert counts["3"].count("float_multiply") == 5 * READS * 8 * 2
    assert [(one.name, one.cost) for one in converted.left_in_float] == [
        ("0", "float32"),
        ("1", "float32"),
        ("3", "float32"),
    ]


def test_the_bill_is_per_read_by_layer_and_adds_up():
    converted = convert(seeded(network), chip_of(4, 5, 5), X)
    bill = converted.bill(X, READS)
    assert bill.total_operations == sum(counts_of().values(), Operations())
    assert sum(energy.per_read_j for energy in bill.energy_by_layer.values()) == pytest.approx(
        bill.per_read_j, rel=1e-12
    )
    assert bill.per_read_j > 0
    cycles = -(-54 // QUIET.timing.multipliers) * 16
    assert bill.cycles == {"0": cycles, "4": -(-48 // QUIET.timing.multipliers)}


def test_more_bits_cost_more_and_reads_share_the_weights():
    few, many = (convert(seeded(network), chip_of(bits, bits, bits), X).bill(X) for bits in (2, 8))
    assert few.per_read_j < many.per_read_j
    converted = convert(seeded(network), chip_of(), X)
    assert converted.bill(X, 10).per_read_j < converted.bill(X, 1).per_read_j
    assert np.isclose(
        converted.bill(X, 10).energy.multiply_j, converted.bill(X, 1).energy.multiply_j, atol=0
    )

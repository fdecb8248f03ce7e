"""Parts in float on the bill: operations by hand, multiply-adds against an independent counter, and
what has no price.
"""

import json
import warnings

import pytest
import torch
from conversiontest import QUIET, Calls, seeded, stimuli
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from stochsim.energy import Operation, Operations
from stochsim.lowering import convert
from stochsim.program import PESSIMISTIC_MACS

READS = 3


def floats(multiplies, adds, values, memory_bits):
    """Operations of a part in float32."""
    return Operations(
        {
            Operation("float_multiply", (32,)): multiplies,
            Operation("float_add", (32,)): adds,
            Operation("code_memory", (memory_bits,)): 64 * values,
        }
    )


PARTS = {
    "softmax": (lambda h: torch.softmax(h, 1), 14, 13),
    "gelu": (nn.functional.gelu, 12, 12),
    "layer_norm": (lambda h: nn.functional.layer_norm(h, (8,)), 3, 4),
    "add": (lambda h: h + 1, 0, 1),
    "mul": (lambda h: h * 3, 1, 0),
    "div": (lambda h: h / (h.detach() * 0 + 2), 4, 4),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_each_value_by_hand(name):
    """8 values for each of 5 stimuli and 3 reads; the memory holds codes of 6 inputs and 8 outputs
    of 4 bits, and the values of every part in float.
    """
    part, multiplies, adds = PARTS[name]
    network = seeded(lambda: Calls(lambda self, x: part(self.a(x)), a=nn.Linear(6, 8)))
    converted = convert(network, QUIET, stimuli(9, 6))
    counts = converted.operations_by_layer(stimuli(5, 6), READS)
    parts = [one for one in counts if one != "a"]
    values = 8 * 5 * READS
    bits = 4 * (6 + 8) + 32 * 8 * len(parts)
    assert counts[name] == floats(multiplies * values, adds * values, values, bits)


def test_a_mean_adds_what_it_reads():
    network = Calls(lambda self, x: self.a(x).mean(1), a=nn.Linear(6, 8))
    converted = convert(seeded(lambda: network), QUIET, stimuli(9, 5, 6))
    counts = converted.operations_by_layer(stimuli(2, 5, 6), READS)
    bits = 4 * 5 * (6 + 8) + 32 * 8
    assert counts["mean"] == floats(0, 5 * 8 * 2 * READS, 8 * 2 * READS, bits)


def test_a_product_of_values_is_multiply_adds():
    network = Calls(lambda self, x: self.a(x) @ self.a(x).transpose(1, 2), a=nn.Linear(6, 8))
    converted = convert(seeded(lambda: network), QUIET, stimuli(9, 5, 6))
    bill = converted.bill(stimuli(2, 5, 6), READS)
    assert bill.counts["matmul"].count("float_multiply") == 5 * 5 * 8 * 2 * READS
    assert bill.multiply_adds.in_float == 5 * 5 * 8
    assert bill.multiply_adds.on_chip == 2 * 5 * 6 * 8


def encoder():
    return nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)


NETWORKS = {
    "encoder": (encoder, (5, 16)),
    "LSTM": (lambda: nn.LSTM(6, 8, 2, batch_first=True), (5, 6)),
    "GRU": (lambda: nn.GRU(6, 8, batch_first=True, bidirectional=True), (5, 6)),
    "transposed": (
        lambda: nn.Sequential(nn.Conv2d(2, 6, 3), nn.ConvTranspose2d(6, 4, 3, 2, groups=2)),
        (2, 8, 8),
    ),
}


class First(nn.Module):
    """The first of several outputs, before a layer."""

    def __init__(self, part):
        super().__init__()
        self.part = part
        self.last = nn.Linear(1, 1)

    def forward(self, x):
        found = self.part(x)
        found = found[0] if isinstance(found, tuple) else found
        return self.last(found.flatten(1)[:, :1])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_multiply_add_is_on_the_bill(name):
    """Against torch's own counter, on the module itself: none is missed, none counted twice."""
    make, shape = NETWORKS[name]
    module = seeded(lambda: First(make()))
    x = stimuli(3, *shape)
    bill = convert(module, QUIET, x).bill(x, READS)
    counter = FlopCounterMode(display=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TF32, which no processor has
        with counter, sdpa_kernel(SDPBackend.MATH), torch.backends.mkldnn.flags(enabled=False):
            module(x[:1])
    assert sum(bill.multiply_adds) == counter.get_total_flops() / 2
    assert bill.coverage.unpriced == {}
    assert sum(bill.multiply_adds) > 100


def test_what_has_no_price_is_named_and_bounded():
    network = Calls(lambda self, x: torch.special.i0(self.a(x)), a=nn.Linear(6, 8))
    converted = convert(seeded(lambda: network), QUIET, stimuli(9, 6))
    assert [one.cost for one in converted.left_in_float] == ["not priced"]
    bill = converted.bill(stimuli(2, 6), READS)
    coverage = bill.coverage
    assert coverage.unpriced == {"special_i0": 16 * PESSIMISTIC_MACS}
    each = Operations({Operation(kind, (32,)): 1 for kind in ("float_multiply", "float_add")})
    wanted = 16 * PESSIMISTIC_MACS * QUIET.energy(each).all_operations_j
    assert coverage.at_most_j == pytest.approx(wanted, rel=1e-12)
    text = str(bill)
    assert "special_i0 (in float)" in text
    assert "1 part in float without a price: at most" in text
    json.dumps(bill.to_json())


def test_a_product_that_is_not_known_is_bounded_as_one():
    """Distances of 5 × 8 to 5 × 8 values: 5 · 5 · 8 multiply-adds, beside those of values."""
    network = Calls(
        lambda self, x: torch.cdist(self.a(x), self.b(x)), a=nn.Linear(6, 8), b=nn.Linear(6, 8)
    )
    bill = convert(seeded(lambda: network), QUIET, stimuli(9, 5, 6)).bill(stimuli(2, 5, 6))
    (found,) = bill.coverage.unpriced.values()
    assert found == pytest.approx(PESSIMISTIC_MACS * (40 + 40 + 25) + 5 * 5 * 8)
    assert "cdist (in float)" in str(bill)


def test_a_bill_without_parts_in_float_says_nothing_of_them():
    bill = convert(nn.Linear(6, 8), QUIET, stimuli(9, 6)).bill(stimuli(2, 6))
    assert bill.multiply_adds == (48, 0)
    assert "multiply-adds" not in str(bill)
    assert bill.coverage.at_most_j == 0

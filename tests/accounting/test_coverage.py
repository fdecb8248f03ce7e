"""What a bill says that it covers: parts with joules, operations at 0 J, and what it leaves out."""

import numpy as np
import torch
from torch import nn

from stochsim.accounting import Bill
from stochsim.accounting.coverage import NEVER_COUNTED
from stochsim.energy import Operation, Operations
from stochsim.hardware import load_hardware
from stochsim.lowering import convert


def bill_on(name: str, counts: dict[Operation, float], **changes: object) -> Bill:
    chip = load_hardware(name).with_(changes) if changes else load_hardware(name)
    return Bill(chip, {"one": Operations(counts)}, {"one": 1.0})


def test_parts_with_joules_and_operations_without_are_told_apart() -> None:
    found = bill_on("digital-45nm", {Operation("add", (8,)): 2, Operation("dac", (4,)): 3}).coverage
    assert found.priced == ("add",)
    assert found.at_zero == {"dac": "dac-none"}
    assert bill_on("digital-45nm", {}).coverage.priced == ()


def test_what_the_chip_does_not_describe_is_left_out() -> None:
    digital = bill_on("digital-45nm", {}).coverage.left_out
    assert digital == ("leakage (timing.leakage_w is 0)", *NEVER_COUNTED)
    array = bill_on("rram-array", {}).coverage.left_out
    assert "programming of cells (array.reads_per_programming is not set)" in array
    chip = load_hardware("rram-array")
    assert chip.array is not None
    described = chip.replace(
        array=chip.array.model_copy(update={"reads_per_programming": 1000}),
        prices=chip.prices.with_price("program", "program-energy", joules=1e-12),
        timing=chip.timing.model_copy(update={"leakage_w": 1e-3}),
    )
    assert Bill(described, {}, {}).coverage.left_out == NEVER_COUNTED


def test_parts_in_float_without_a_price_are_named() -> None:
    class Softly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(6, 4)
            self.flat = nn.Flatten()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(self.flat(self.first(x)))

    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    bill = convert(Softly(), load_hardware("digital-45nm", bits=4), x).bill(x[:2])
    in_float = [name for name in bill.coverage.left_out if name.endswith("(in float)")]
    assert in_float == ["special_i0 (in float)"]
    assert "does not cover: leakage (timing.leakage_w is 0), special_i0 (in float), " in str(bill)
    other = bill.with_hardware(load_hardware("digital-28nm", bits=4))
    assert other.coverage.left_out == bill.coverage.left_out

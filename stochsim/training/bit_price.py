"""The price of bits: joules per read of a network at real-valued widths, between whole ones by
interpolation, with gradients.
"""

import itertools
from typing import Any

import torch

from stochsim.accounting import Meter, add_reads
from stochsim.hardware import Hardware
from stochsim.networks import MOST_BITS, Network, bits_of, learned_width


def joules_per_read(network: Network, hardware: Hardware, widths: tuple[int, int, int]) -> float:
    """Joules of one read at these (weight, input, output) bits on a digital chip: products,
    conversions, codes and random bits.

    What a chip counts, but for the price of reliability, which has its own term, for leakage, which
    widths do not change, and for the reading of weights, which all reads of a stimulus share.
    """
    chip = hardware.with_precision(*widths)
    meter = Meter()
    add_reads(meter, chip, network.workload(widths, hardware.noise))
    return chip.energy(meter.total).all_operations_j  # of one read


class BitPrice:
    """lambda times joules per read, as a term of the objective: trilinear between whole widths of
    weights, inputs and outputs.
    """

    def __init__(self, hardware: Hardware, nats_per_joule: float) -> None:
        self.hardware = hardware
        self.nats_per_joule = nats_per_joule
        self._table: torch.Tensor | None = None

    def __call__(self, network: Network) -> torch.Tensor:
        """Nats per read at the network's present widths."""
        if self._table is None:
            widths = range(1, MOST_BITS + 1)
            rows = [
                joules_per_read(network, self.hardware, each)
                for each in itertools.product(widths, widths, widths)
            ]
            self._table = (
                torch.tensor(rows, dtype=torch.float64).reshape(MOST_BITS, MOST_BITS, MOST_BITS)
                * self.nats_per_joule
            )
        return interpolated(self._table, present_bits(network))


def present_bits(network: Network) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Learned widths of weights (averaged over layers), inputs and outputs, with their gradients;
    Brevitas rounds them to whole bits.
    """
    weights = torch.stack([learned_width(layer) for layer in network.linears().values()]).mean()
    return weights, bits_of(network.input_quantizer), bits_of(network.output_quantizer)


def learned_widths(network: Network) -> tuple[int, int, int]:
    """The same as whole numbers."""
    first, second, third = (round(float(bits.detach())) for bits in present_bits(network))
    return first, second, third


def interpolated(table: torch.Tensor, place: Any) -> torch.Tensor:
    """Multilinear interpolation in a table (8, 8, 8) whose entry 0 stands for one bit; at whole
    widths the slope of the next step.
    """
    value: Any = table
    for bits in place:
        position = (bits.double() - 1).clamp(0, len(value) - 1)
        low = min(int(position.detach()), len(value) - 2)
        value = value[low] + (position - low) * (value[low + 1] - value[low])
    return value.float()

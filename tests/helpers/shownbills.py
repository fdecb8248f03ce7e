"""Bills whose text is kept in tests/accounting/shown: counts by hand on chips of a preset."""

from stochsim.accounting import Bill
from stochsim.energy import Operation, Operations
from stochsim.hardware import Reliability, Timing, preset

DIGITAL = preset("digital-45nm").replace(
    timing=Timing(clock_hz=5e8, leakage_w=2e-3), reliability=Reliability(s=0.5)
)
ARRAY = preset("sram-array-28nm")


def two_layers() -> Bill:
    """Six reads. Per read: 2,000 products of 101.7 fJ and sums of 50 fJ, 500 bits of weights of
    644 fJ, 80 ns at 2 mW; two noise levels of 324 fJ each, 800 bits of codes clamped to 156 fJ.
    """
    first = {
        Operation("multiply", (4, 8)): 12000,
        Operation("add", (16,)): 12000,
        Operation("weight_memory", (2**20,)): 3000,
        Operation("random"): 96,
        Operation("leakage"): 6 * 40 / 5e8,
    }
    last = {
        Operation("reliability", (0.25,)): 6,
        Operation("reliability", (0.5,)): 12,
        Operation("code_memory", (800,)): 4800,
        Operation("multiply", (4, 8)): 7,
    }
    counts = {"first": Operations(first), "last": Operations(last)}
    return Bill(DIGITAL, counts, {"first": 40, "last": 1.5}, stimuli=2, reads=3, rho=1.0)


def on_an_array() -> Bill:
    """One read: 500 conversions of 489 fJ, 64 sums of 62.5 fJ, 900 lengths of line of 142 aJ; 1-bit
    inputs and currents cost nothing.
    """
    counts = {
        Operation("adc", (6,)): 500,
        Operation("dac", (1,)): 40,
        Operation("cell"): 3e4,
        Operation("line"): 900,
        Operation("add", (20,)): 64,
    }
    return Bill(ARRAY, {"weight": Operations(counts)}, {"weight": 9})


def noiseless() -> Bill:
    """A neuron without noise costs infinitely much; the products beside it do not."""
    counts = {Operation("reliability", (0,)): 2, Operation("multiply", (4, 8)): 12000}
    return Bill(DIGITAL, {"x": Operations(counts)}, {"x": 1}, reads=2, rho=1.0)


def of_nothing() -> Bill:
    return Bill(DIGITAL, {"x": Operations()}, {"x": 0})


BILLS = {
    "two_layers": two_layers,
    "on_an_array": on_an_array,
    "noiseless": noiseless,
    "of_nothing": of_nothing,
}

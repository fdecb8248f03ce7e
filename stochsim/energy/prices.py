"""The named prices. Each formula and figure keeps the source it was taken from and how that was verified."""

import math

from stochsim.energy.pricing import Price
from stochsim.settings import SettingError, nearest

THERMAL_J = 4.142e-21
"""kT at 300 K, in joules."""

LANDAUER_J = THERMAL_J * math.log(2)
"""kT ln 2 at 300 K, in joules: the floor of one erased or one random bit."""


def _free(*_: float) -> float:
    return 0.0


def _qkeras_multiply_j(weight_bits: float, input_bits: float) -> float:
    """QKeras QTools, 45 nm: the polynomial in b at the equivalent square width b = √(b_w b_x), exact where both widths are equal."""
    product = weight_bits * input_bits
    return (0.0029948 * product + 0.0010417 * math.sqrt(product)) * 1e-12


def _gate_multiply_j(weight_bits: float, input_bits: float) -> float:
    return 0.284e-15 * weight_bits * input_bits


def _qkeras_add_j(accumulator_bits: float) -> float:
    return 0.003125e-12 * accumulator_bits


def _zigzag_adc_j(bits: float, voltage_v: float) -> float:
    """ZigZag's analogue-to-digital converter, 28 nm: a linear regime (100 V² fJ per bit) and a thermal one (×4 per bit)."""
    return (100.0 * bits + 0.001 * 4.0**bits) * voltage_v**2 * 1e-15


def _zigzag_dac_j(bits: float, voltage_v: float) -> float:
    return 0.0 if bits <= 1 else 50.0 * bits * voltage_v**2 * 1e-15


def _thermal_adc_j(bits: float) -> float:
    return 12.0 * THERMAL_J * 4.0**bits


def _qkeras_sram_j(total_memory_bits: float) -> float:
    x = math.log2(total_memory_bits)
    return (9.0243e-4 * x**3 - 2.68848e-2 * x**2 + 0.2089008 * x) * 1e-12


def _lfsr_j() -> float:
    return 2.55e-15


def _line_j(voltage_v: float) -> float:
    """Half of C V² for the 0.35 fF of input line beside one cell: charged at one toggle, discharged at the next."""
    return 0.5 * 0.35e-15 * voltage_v**2


def _isaac_cell_j() -> float:
    return 4.1e-15


def _pcm_cell_j() -> float:
    """V² G t at 0.2 V, 25 µS and 250 ns."""
    return 0.2**2 * 25e-6 * 250e-9


def _landauer_j(*_: float) -> float:
    return LANDAUER_J


_QKERAS = "QKeras QTools, qenergy.py (agrees with Horowitz, ISSCC 2014), 45 nm, 0.9 V"
_ZIGZAG = "ZigZag converter model, 28 nm"
_GATES = "gate capacitances of ZigZag, 28 nm, 0.9 V"
_NO_BOUND = "no lower bound is counted for it"
_BIT_LINE = "reading the sum is the converter's price"

_ALL = (
    Price(
        name="multiply-qkeras-45nm",
        kind="multiply",
        formula="0.0029948 b_w b_x + 0.0010417 √(b_w b_x) pJ",
        unit="J per multiply",
        source=_QKERAS,
        tag="src",
        joules=_qkeras_multiply_j,
        note="mixed widths: b_w b_x in place of b², so √(b_w b_x) in the linear term",
    ),
    Price(
        name="multiply-gates-28nm",
        kind="multiply",
        formula="0.284 b_w b_x fJ",
        unit="J per multiply",
        source=_GATES,
        tag="calc",
        joules=_gate_multiply_j,
        note="one NAND2 per pair of bits, inside the array",
    ),
    Price("multiply-floor", "multiply", "0", "J per multiply", _NO_BOUND, "floor", _free),
    Price(
        "multiply-in-cell",
        "multiply",
        "0",
        "J per multiply",
        "the cell's current multiplies: its price is 'cell'",
        "engineering default",
        _free,
    ),
    Price("add-qkeras-45nm", "add", "0.003125 b pJ", "J per add", _QKERAS, "src", _qkeras_add_j),
    Price("add-bit-line", "add", "0", "J per add", "analogue summation on the bit line", "engineering default", _free, _BIT_LINE),
    Price("add-floor", "add", "0", "J per add", _NO_BOUND, "floor", _free),
    Price("adc-zigzag-28nm", "adc", "(100 b + 0.001·4^b) V² fJ", "J per conversion", _ZIGZAG, "src", _zigzag_adc_j, has_voltage=True),
    Price("adc-none", "adc", "0", "J per conversion", "a digital chip has no converter", "engineering default", _free),
    Price(
        name="adc-thermal",
        kind="adc",
        formula="12 kT·4^b",
        unit="J per conversion",
        source="kT/C noise set equal to quantisation noise, 300 K",
        tag="floor",
        joules=_thermal_adc_j,
        note="a floor, not a predictor",
    ),
    Price("dac-zigzag-28nm", "dac", "50 b V² fJ, 0 at 1 bit", "J per conversion", _ZIGZAG, "src", _zigzag_dac_j, has_voltage=True),
    Price("dac-none", "dac", "0", "J per conversion", "a digital chip has no converter", "engineering default", _free),
    Price("dac-floor", "dac", "0", "J per conversion", _NO_BOUND, "floor", _free),
    Price("cell-none", "cell", "0", "J per cell read", "no current is counted", "engineering default", _free),
    Price(
        name="cell-isaac-32nm",
        kind="cell",
        formula="4.1 fJ",
        unit="J per cell read at full conductance",
        source="resistive cell of ISAAC: 0.3 V, 2 kΩ behind a 20 kΩ access device, 1 ns",
        tag="calc",
        joules=_isaac_cell_j,
    ),
    Price(
        name="cell-pcm-25us",
        kind="cell",
        formula="V² G t, 0.2 V, 25 µS, 250 ns",
        unit="J per cell read at full conductance",
        source="phase-change cell at the largest conductance of Nandakumar 2019",
        tag="calc",
        joules=_pcm_cell_j,
        note="the read voltage is assumed",
    ),
    Price("cell-floor", "cell", "0", "J per cell read", _NO_BOUND, "floor", _free),
    Price("line-none", "line", "0", "J per cell and toggle", "no input line is counted", "engineering default", _free),
    Price("line-gates-28nm", "line", "½·0.35 fF V²", "J per cell and toggle", _GATES, "calc", _line_j, has_voltage=True),
    Price("line-floor", "line", "0", "J per cell and toggle", _NO_BOUND, "floor", _free),
    Price(
        name="memory-sram-45nm",
        kind="memory",
        formula="9.0243e-4 x³ − 2.68848e-2 x² + 0.2089008 x pJ, x = log2(total bits)",
        unit="J per bit",
        source=_QKERAS,
        tag="src",
        joules=_qkeras_sram_j,
        note="valid from 64 kbit to 8 Mbit; held outside, because the cubic rises as memories shrink",
        valid=(2.0**16, 2.0**23),
    ),
    Price("memory-in-array", "memory", "0", "J per bit", "weights stay in the cells that multiply", "engineering default", _free),
    Price("memory-landauer", "memory", "kT ln 2", "J per bit", "Landauer's bound, 300 K", "floor", _landauer_j),
    Price("random-lfsr-28nm", "random", "2.55 fJ", "J per bit", f"register bit of a shift register, {_GATES}", "calc", _lfsr_j),
    Price("random-none", "random", "0", "J per bit", "the noise is physical", "engineering default", _free),
    Price("random-landauer", "random", "kT ln 2", "J per bit", "Landauer's bound, 300 K", "floor", _landauer_j),
)

PRICES: dict[str, Price] = {entry.name: entry for entry in _ALL}
"""Every named price. The price of reliability depends on ρ and on the user's settings: see `reliability`."""


def price(name: str) -> Price:
    """The price of this name; raises SettingError that names the nearest one."""
    if name not in PRICES:
        raise SettingError(f"price '{name}' is unknown: {nearest(name, PRICES)}")
    return PRICES[name]


def part_kind(operation_kind: str) -> str:
    """The kind of price that an operation kind needs: both memories are priced per bit of "memory"."""
    return "memory" if operation_kind in ("weight_memory", "code_memory") else operation_kind

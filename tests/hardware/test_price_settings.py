"""Which prices a chip pays: parameters, node, voltage of the weights' memory, leakage, programming;
each moves its own part and says so.
"""

import copy
from pathlib import Path
from typing import Any

import pytest

from stochsim.energy import PARTS, PRICES, Operation, Operations, Scaling, energy_ratio, price
from stochsim.hardware import OPERATION_PRICES, Hardware, Memory, Prices, Timing, preset, presets
from stochsim.settings import SettingError

DIGITAL, ARRAY = preset("digital-45nm"), preset("sram-array-28nm")
COUNTS = Operations(
    {
        Operation("multiply", (4, 4)): 100,
        Operation("add", (12,)): 100,
        Operation("adc", (8,)): 10,
        Operation("dac", (2,)): 10,
        Operation("cell"): 10,
        Operation("line"): 10,
        Operation("weight_memory", (2**17,)): 400,
        Operation("code_memory", (2**17,)): 100,
        Operation("random"): 64,
        Operation("leakage"): 1e-8,
        Operation("program"): 3,
        Operation("float_multiply", (32,)): 7,
        Operation("float_add", (32,)): 7,
    }
)


def moved(before: Hardware, after: Hardware) -> dict[str, float]:
    """Joules after less joules before of every part that moved."""
    old, new = before.energy(COUNTS).parts, after.energy(COUNTS).parts
    return {part: new[part] - old[part] for part in PARTS if old[part] != new[part]}


def with_prices(hardware: Hardware, **changes: Any) -> Hardware:
    return hardware.replace(prices=Prices(**{**hardware.prices.to_table(), **changes}))


def test_every_kind_of_operation_has_a_price() -> None:
    """In the order in which kinds of operation stand."""
    assert tuple(operation.kind for operation in COUNTS) == OPERATION_PRICES
    assert tuple(DIGITAL.price_table()) == OPERATION_PRICES


@pytest.mark.parametrize(
    ("least", "refused"),
    [
        ({"clock_hz": 0.5}, {"clock_hz": 0}),
        ({"multipliers": 1}, {"multipliers": 0}),
        ({"leakage_w": 0}, {"leakage_w": -1e-9}),
    ],
)
def test_the_least_of_each_timing(least: dict[str, float], refused: dict[str, float]) -> None:
    assert Timing(**least).to_table().items() >= least.items()
    with pytest.raises(SettingError, match=next(iter(refused))):
        Timing(**refused)


def test_a_voltage_is_above_0() -> None:
    assert with_prices(ARRAY, voltage_v=0.5).prices.voltage_v == 0.5
    with pytest.raises(SettingError, match="voltage_v"):
        with_prices(ARRAY, voltage_v=0)


def test_with_price_swaps_one_and_its_parameters() -> None:
    swapped = ARRAY.with_price("adc", "adc-accelergy", frequency_hz=1e9)
    expected = price("adc-accelergy").with_parameters(frequency_hz=1e9).energy_j((8,)) - price(
        "adc-zigzag-28nm"
    ).energy_j((8,))
    assert moved(ARRAY, swapped) == {"converter": pytest.approx(10 * expected)}
    assert "frequency_hz = 1e+09" in next(
        each.formula for each in swapped.energy(COUNTS).prices if each.kind == "adc"
    )
    assert swapped.with_price("adc", "adc-zigzag-28nm").prices == ARRAY.prices
    assert swapped.with_price("adc", "adc-accelergy", node_nm=7).prices.parameters == {
        "adc": {"node_nm": 7}
    }


def test_parameters_survive_toml_hashing_and_copying(tmp_path: Path) -> None:
    chip = with_prices(
        ARRAY, adc="adc-accelergy", parameters={"adc": {"frequency_hz": 1e8}}, scaling=None
    )
    chip.write(tmp_path / "chip.toml")
    for again in (Hardware.read(tmp_path / "chip.toml"), copy.deepcopy(chip)):
        assert again == chip
        assert hash(again) == hash(chip)
    assert hash(chip) != hash(chip.with_price("adc", "adc-accelergy", frequency_hz=2e8))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"parameters": {"adcs": {}}},
            "unknown key 'parameters.adcs': did you mean 'adc'",
        ),
        (
            {"parameters": {"adc": {"frequency_hz": 1e6}}},
            "unknown key 'parameters.adc.frequency_hz': price 'adc-zigzag-28nm' has no parameters",
        ),
        (
            {"adc": "adc-accelergy", "parameters": {"adc": {"frequency": 1e6}}},
            "did you mean 'frequency_hz'",
        ),
        (
            {"adc": "adc-accelergy", "parameters": {"adc": {"frequency_hz": -1.0}}},
            "'parameters.adc.frequency_hz' = -1.0: should be finite and not negative",
        ),
        (
            {"adc": "adc-accelergy", "parameters": {"adc": {"frequency_hz": 0.0}}},
            "gives nan J at bits = 8, frequency_hz = 0",
        ),
        (
            {"adc": "adc-accelergy", "parameters": {"adc": {"frequency_hz": "fast"}}},
            "'parameters.adc.frequency_hz' = 'fast'",
        ),
        (
            {"leakage": "leakage-power"},
            "price 'leakage-power' has no default",
        ),
        ({"float_add": "add-qkeras-45nm"}, "'float_add' = 'add-qkeras-45nm': is a price of 'add'"),
        (
            {"scaling": {"node_nm": 5, "voltage_v": 0.9}},
            "'scaling.node_nm' = 5.0: the polynomials are of 7 to 130 nm; nearest valid: 7",
        ),
        (
            {"scaling": {"node_nm": 7, "voltage_v": 0.7}},
            "'line' = 'line-gates-28nm' and 'scaling': is of 28 nm, by a formula with V, which no",
        ),
    ],
)
def test_bad_prices_are_errors(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingError) as caught:
        with_prices(ARRAY, **changes)
    assert complaint in str(caught.value)
    with pytest.raises(
        SettingError,
        match="'kind' = 'adcs': no kind of operation that has a price; did you mean 'adc'",
    ):
        ARRAY.with_price("adcs", "adc-zigzag-28nm")


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"leakage": "leakage-power"}, "'parameters.leakage.watts' is missing: "),
        (
            {
                "adc": "adc-accelergy",
                "parameters": {"adc": {"frequency_hz": 0.0}},
                "scaling": {"node_nm": 7, "voltage_v": 0.7},
            },
            "'parameters.adc': ",
        ),
        (
            {"multiply": "multiply-jouppi-7nm", "scaling": {"node_nm": 7, "voltage_v": 0.7}},
            "'multiply' = 'multiply-jouppi-7nm' and 'scaling': ",
        ),
    ],
)
def test_an_error_names_the_keys_to_look_at(changes: dict[str, Any], keys: str) -> None:
    """Parameters where the kind has any or needs some; the price and the scaling else."""
    with pytest.raises(SettingError) as caught:
        Prices(**{**DIGITAL.prices.to_table(), **changes})
    assert str(caught.value).startswith(keys)


def test_a_parameter_outside_its_range_is_clamped_and_flagged() -> None:
    chip, bound = (ARRAY.with_price("adc", "adc-walden", fom_fj=fom) for fom in (50, 10))
    assert moved(bound, chip) == {}
    assert any(
        "fom_fj at 50 is outside the model's range (up to 10), using the value at 10" in flag
        for flag in chip.energy(COUNTS).flags
    )


def test_scaling_moves_logic_and_sram_by_the_polynomials_and_nothing_else() -> None:
    plain = with_prices(
        DIGITAL, random="random-cmos-rng", adc="adc-zigzag-28nm", dac="dac-zigzag-28nm"
    )
    chip = with_prices(plain, scaling={"node_nm": 7, "voltage_v": 0.7})
    ratio = energy_ratio(Scaling(node_nm=7, voltage_v=0.7), 45, 0.9)
    before = plain.energy(COUNTS)
    after = chip.energy(COUNTS)
    for part in ("multiply", "add", "memory", "float"):
        assert after.parts[part] == pytest.approx(ratio * before.parts[part], rel=1e-12)
    assert (after.converter_j, after.random_j) == (before.converter_j, before.random_j)
    notes = {each.name: each.note for each in after.prices}
    assert "not scaled to 7 nm, 0.7 V" in notes["adc-zigzag-28nm"]
    assert "polynomials of Stillmaker and Baas 2017" in notes["multiply-qkeras-45nm"]


def test_scaled_figures_and_the_7_nm_table_are_not_mixed() -> None:
    with pytest.raises(
        SettingError, match="'add' = 'add-jouppi-7nm' and 'scaling': is of a table that disagrees"
    ):
        with_prices(
            DIGITAL,
            random="random-cmos-rng",
            add="add-jouppi-7nm",
            scaling={"node_nm": 7, "voltage_v": 0.7},
        )


@pytest.mark.parametrize("voltage_over_vmin", [0.7, 0.84, 1.0, 1.2])
def test_weights_of_an_over_scaled_memory_cost_the_square_of_its_voltage(
    voltage_over_vmin: float,
) -> None:
    chip = DIGITAL.replace(memory=Memory(voltage_over_vmin=voltage_over_vmin))
    plain_j, chip_j = (
        each.price_table()["weight_memory"].energy_j((2**17,)) for each in (DIGITAL, chip)
    )
    assert chip_j == pytest.approx(voltage_over_vmin**2 * plain_j, rel=1e-14)
    assert (
        chip.price_table()["code_memory"].citation()
        == DIGITAL.price_table()["code_memory"].citation()
    )
    citation = chip.price_table()["weight_memory"].citation()
    own = DIGITAL.price_table()["weight_memory"]
    factor = f"({own.formula}) × (V/Vmin)², V/Vmin = {voltage_over_vmin:g}"
    assert citation.formula == f"{factor}, {own.definitions}"
    assert citation.note == f"{own.note}; E ~ (V/Vmin)²: engineering default, not published"
    assert citation.tag == "engineering default"


def test_leakage_is_paid_per_second_by_timing_or_by_its_price() -> None:
    by_timing = DIGITAL.replace(timing=Timing(leakage_w=2e-3))
    by_price = DIGITAL.with_price("leakage", "leakage-power", watts=2e-3)
    assert (
        moved(DIGITAL, by_timing)
        == moved(DIGITAL, by_price)
        == {"leakage": pytest.approx(2e-3 * 1e-8)}
    )
    with pytest.raises(
        SettingError, match=r"'timing.leakage_w' = 0.002 and 'prices.leakage' = 'leakage-power'"
    ):
        by_price.replace(timing=Timing(leakage_w=2e-3))


def test_programming_is_paid_per_cell() -> None:
    assert ARRAY.array is not None
    table = {**ARRAY.to_table(), "array": {**ARRAY.array.to_table(), "reads_per_programming": 100}}
    prices = {
        **ARRAY.prices.to_table(),
        "program": "program-energy",
        "parameters": {"program": {"joules": 1e-11}},
    }
    assert moved(ARRAY, Hardware(**{**table, "prices": prices})) == {
        "programming": pytest.approx(3e-11)
    }


def test_floats_are_paid_by_width() -> None:
    assert DIGITAL.energy(COUNTS).float_j == pytest.approx(7 * (3.7e-12 + 0.9e-12))
    assert moved(DIGITAL, DIGITAL.with_price("float_multiply", "float-multiply-jouppi-7nm")) == {
        "float": pytest.approx(7 * (1.31 - 3.7) * 1e-12)
    }


@pytest.mark.parametrize("name", presets())
def test_an_unverified_price_is_never_a_default(name: str) -> None:
    """Of all presets only those that say "unverified" themselves name one, and no field of Prices
    does by default.
    """
    named = {chosen.name for chosen in preset(name).price_table().values() if chosen.tag == "unv"}
    assert bool(named) == ("unverified" in preset(name).description)
    defaults = [
        field.default
        for kind, field in Prices.model_fields.items()
        if kind in OPERATION_PRICES and not field.is_required()
    ]
    assert all(PRICES[default].tag != "unv" for default in defaults)
    flags = [flag for flag in preset(name).energy(COUNTS).flags if flag.startswith("unsourced")]
    assert len(flags) == len(named)

"""Prices at other nodes, by the polynomials of Stillmaker and Baas 2017."""

import itertools
import math

import pytest

from stochsim.energy import (
    NODES,
    PRICES,
    Entry,
    Operation,
    Operations,
    Scaling,
    energy_ratio,
    price,
    scaled,
)
from stochsim.energy.node_scaling import Polynomial, energy_at
from stochsim.hardware import preset
from stochsim.settings import SettingError

TO_7 = Scaling(node_nm=7, voltage_v=0.7)


def test_the_polynomials_are_those_of_the_source() -> None:
    by_node = {node: (each.a, each.b, each.c) for node, each in NODES.items()}
    assert by_node == {
        130: (7.171, -6.709, 2.904),
        90: (4.762, -4.781, 2.092),
        65: (3.755, -4.398, 1.975),
        45: (1.103, -0.362, 0.2767),
        32: (0.9559, -0.7823, 0.471),
        20: (0.373, -0.1582, 0.04104),
        16: (0.2958, -0.1241, 0.03024),
        14: (0.2363, -0.09675, 0.02239),
        10: (0.2068, -0.09311, 0.02375),
        7: (0.1776, -0.09097, 0.02447),
    }


def test_check_values() -> None:
    """At 45 nm from 0.9 to 0.6 V energy falls by 1.85, where V² would say 2.25; from 45 to 7 nm by
    10 to 21.
    """
    assert 1 / energy_ratio(Scaling(node_nm=45, voltage_v=0.6), 45, 0.9) == pytest.approx(
        1.85, abs=0.005
    )
    for voltage_v in (0.6, 0.7, 0.8):
        assert 10 <= 1 / energy_ratio(Scaling(node_nm=7, voltage_v=voltage_v), 45, 0.9) <= 25
    assert 10 <= 1 / energy_ratio(TO_7, 45, 0.9) <= 21
    assert energy_ratio(Scaling(node_nm=45, voltage_v=0.9), 45, 0.9) == 1


@pytest.mark.parametrize(
    "name",
    [
        "multiply-qkeras-45nm",
        "add-qkeras-45nm",
        "memory-sram-45nm",
        "memory-sram-horowitz-45nm",
        "float-multiply-horowitz-45nm",
    ],
)
def test_digital_logic_and_sram_scale_by_the_ratio_and_say_so(name: str) -> None:
    own = price(name)
    moved = scaled(price(name), TO_7)
    args = {"multiply": (4.0, 8.0), "memory": (2.0**18,)}.get(own.kind, (16.0,))
    assert moved.energy_j(args) == pytest.approx(
        energy_ratio(TO_7, 45, 0.9) * own.energy_j(args), rel=1e-14
    )
    citation = moved.citation()
    assert "E(7 nm, 0.7 V)/E(45 nm, 0.9 V) = 0.05663" in citation.formula
    assert "Stillmaker and Baas 2017" in citation.note
    assert citation.tag == ("calc" if own.tag == "src" else own.tag)


def test_a_clamped_price_stays_clamped_and_flagged_when_it_is_scaled() -> None:
    own = price("memory-sram-45nm")
    moved = scaled(price("memory-sram-45nm"), TO_7)
    assert moved.flags((100,)) == own.flags((100,)) != ()
    assert moved.energy_j((100,)) == moved.energy_j((65536,))


def test_adcs_are_left_as_they_are_and_noted() -> None:
    own = price("adc-zigzag-28nm")
    moved = scaled(price("adc-zigzag-28nm"), TO_7)
    assert moved.energy_j((8,)) == own.energy_j((8,))
    assert "not scaled to 7 nm, 0.7 V" in moved.citation().note


def test_notes_say_what_scaling_did_beside_what_they_said() -> None:
    """Word by word; a price that is of no node has nothing to say."""
    by = "scaled by the polynomials of Stillmaker and Baas 2017 [src]"
    own = price("multiply-qkeras-45nm")
    assert scaled(own, TO_7).note == f"{own.note}; {by}"
    own = price("adc-zigzag-28nm")
    assert scaled(own, TO_7).note == f"{own.note}; not scaled to 7 nm, 0.7 V"
    own = price("adc-walden")
    assert own.node_nm is None
    assert scaled(own, TO_7).note == own.note


def test_a_scaled_formula_says_its_factor() -> None:
    own = price("multiply-qkeras-45nm")
    assert scaled(own, TO_7).formula == (
        f"({own.formula}) × E(7 nm, 0.7 V)/E(45 nm, 0.9 V) = 0.05663"
    )


@pytest.mark.parametrize(
    "name", [name for name, each in PRICES.items() if "jouppi" in name or name == "memory-gddr6"]
)
def test_the_7_nm_table_is_never_mixed_with_the_polynomials(name: str) -> None:
    with pytest.raises(
        SettingError, match=f"'{name}': is of a table that disagrees with scaled figures"
    ):
        scaled(price(name), TO_7)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("line-gates-28nm", "is of 28 nm, by a formula with V, which no polynomial scales"),
        ("multiply-aladdin-40nm", "is of 40 nm, without a supply voltage that a polynomial could"),
    ],
)
def test_what_no_polynomial_holds_for_cannot_be_scaled_from(name: str, why: str) -> None:
    with pytest.raises(SettingError, match=f"'{name}': {why}"):
        scaled(price(name), TO_7)


@pytest.mark.parametrize(("node", "near"), [(6.99, 7), (1, 7), (130.1, 130), (350, 130)])
def test_a_node_outside_of_the_table_is_refused(node: float, near: int) -> None:
    rule = rf"'node_nm' = {node}.*: the polynomials are of 7 to 130 nm; nearest valid: {near}$"
    with pytest.raises(SettingError, match=rule):
        Scaling(node_nm=node, voltage_v=0.9)
    entry = Entry(
        kind="multiply",
        formula="1",
        unit="fJ per multiply",
        node_nm=node,
        voltage_v=0.9,
        scaling="polynomials",
        source="test",
        tag="user",
    )
    with pytest.raises(SettingError, match=rule):
        scaled(entry.price("mine", ""), TO_7)


@pytest.mark.parametrize("voltage_v", [0.6, 0.9])
def test_between_two_nodes_the_logarithm_is_interpolated(voltage_v: float) -> None:
    """At the ends the table's own values, between them a line in log E against log node."""
    nodes = sorted(NODES)
    for low, high in itertools.pairwise(nodes):
        middle = math.sqrt(low * high)
        ends = [NODES[node].energy(voltage_v) for node in (low, high)]
        assert energy_at(middle, voltage_v) == pytest.approx(math.sqrt(ends[0] * ends[1]))
        near = [energy_at(node, voltage_v) for node in (low * 1.0001, high * 0.9999)]
        assert near == pytest.approx(ends, rel=1e-3)


def test_a_node_of_the_table_left_out_is_met_within_18_percent() -> None:
    """What docs/prices.md says of an interpolated node."""
    nodes = sorted(NODES)
    errors = []
    for low, left_out, high in zip(nodes, nodes[1:], nodes[2:], strict=False):
        share = math.log(left_out / low) / math.log(high / low)
        ends = [math.log(NODES[node].energy(0.9)) for node in (low, high)]
        found = math.exp((1 - share) * ends[0] + share * ends[1])
        errors.append(found / NODES[left_out].energy(0.9) - 1)
    assert 0.15 < max(map(abs, errors)) < 0.18


def test_an_interpolated_node_is_flagged_at_both_ends() -> None:
    to_22 = Scaling(node_nm=22, voltage_v=0.8)
    assert scaled(price("multiply-qkeras-45nm"), to_22).flags((4, 4)) == (
        "multiply-qkeras-45nm: 22 nm is interpolated between 32 and 20 nm",
    )
    gates = scaled(price("multiply-gates-28nm"), to_22)
    assert gates.flags((4, 4)) == (
        "multiply-gates-28nm: 28 nm is interpolated between 32 and 20 nm",
        "multiply-gates-28nm: 22 nm is interpolated between 32 and 20 nm",
    )
    assert (gates.technology_nm, gates.voltage_v) == (22, 0.8)
    assert scaled(price("multiply-qkeras-45nm"), TO_7).flags((4, 4)) == ()


def test_a_whole_chip_goes_to_22_nm() -> None:
    """It was refused, by node 22 and, at 20 nm, by random bits of 28 nm; its bill says so."""
    chip = preset("digital-45nm").with_({"prices.scaling": {"node_nm": 22.0, "voltage_v": 0.8}})
    assert chip.nodes == {"22 nm": ("add", "code_memory", "multiply", "random", "weight_memory")}
    flags = chip.energy(Operations({Operation("add", (16,)): 1})).flags
    assert flags == ("add-qkeras-45nm: 22 nm is interpolated between 32 and 20 nm",)
    assert set(flags) < set(chip.flags)


def test_a_voltage_between_two_nodes_is_above_both_vertices() -> None:
    with pytest.raises(SettingError, match=r"above 0\.409 V, where the polynomial of 32 nm turns"):
        Scaling(node_nm=22, voltage_v=0.4)


def test_voltages_where_the_polynomial_has_turned_are_refused() -> None:
    with pytest.raises(SettingError, match=r"'voltage_v' = 0.25: should be above 0.256 V"):
        Scaling(node_nm=7, voltage_v=0.25)
    for node, polynomial in NODES.items():
        with pytest.raises(SettingError, match="turns"):
            Scaling(node_nm=node, voltage_v=polynomial.least_voltage_v)
        low = Scaling(node_nm=node, voltage_v=1.01 * polynomial.least_voltage_v).voltage_v
        assert (
            0 < polynomial.energy(low) < polynomial.energy(1.1 * low) < polynomial.energy(2 * low)
        )


def test_a_polynomial_without_a_square_is_refused() -> None:
    with pytest.raises(SettingError, match="'a' = 0"):
        Polynomial(a=0, b=-0.1, c=0.1)
    assert Polynomial(a=0.1, b=-0.1, c=0.1).least_voltage_v == pytest.approx(0.5)

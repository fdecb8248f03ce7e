"""What arrays, their cells and ADCs refuse: the message names the field, its value, the rule,
the nearest choice.
"""

from typing import Any

import pytest

from stochsim.hardware import Adc, Array, Cells, devices
from stochsim.settings import SettingError

DEVICE = "g_us,programming_sigma_us\n0,0.5\n20,1\n"
CHANNEL = "drive,p0,p1\n-1,1,0\n1,0.25,0.75\n"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"rows": 0}, "'rows' = 0: should be greater than or equal to 1"),
        ({"columns": 0}, "'columns' = 0"),
        ({"rows": 65537}, "'rows' = 65537: should be less than or equal to 65536"),
        ({"rows": 12.0}, "'rows' = 12.0: should be a valid integer"),
        ({"cell_bits": 0}, "'cell_bits' = 0"),
        ({"cell_bits": 9}, "'cell_bits' = 9: should be less than or equal to 8"),
        ({"cycle_bits": 9}, "'cycle_bits' = 9: should be less than or equal to 8"),
        ({"signs": "ofset"}, "'signs' = 'ofset': should be 'offset' or 'differential'"),
        ({"row": 3}, "unknown key 'row': did you mean 'rows'?"),
        (
            {"signs": "differential", "adc": {"bits": 1}},
            "'adc.bits' = 1: differential columns need a sign, so at least 2 bits",
        ),
        (
            {"cycle_bits": 2, "cells": {"read_noise": "explicit", "shot_sigma": 0.1}},
            "'cells.read_noise' = 'explicit': draws shot-like noise for digits of 0 and 1 only; "
            "valid: cycle_bits = 1",
        ),
        (
            {"adc": {"sigma_lsbs": 1.0}},
            "unknown key 'adc.sigma_lsbs': did you mean 'sigma_lsb'?",
        ),
        ({"cells": {"devise": "ideal"}}, "unknown key 'cells.devise': did you mean 'device'?"),
        ({"adc": 3}, "'adc' = 3: should be a table"),
    ],
)
def test_arrays(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Array(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"bits": 0}, "'bits' = 0"),
        ({"bits": 13}, "'bits' = 13: should be less than or equal to 12"),
        ({"range": "ful"}, "'range' = 'ful': should be 'auto', 'calibrated', 'full' or 'fixed'"),
        (
            {"range": "fixed"},
            "'range_max' = None: belongs to range = 'fixed', and only there; 'range' is 'fixed'",
        ),
        (
            {"range_max": 3.0},
            "'range_max' = 3.0: belongs to range = 'fixed', and only there; 'range' is 'auto'",
        ),
        (
            {"range": "calibrated", "range_max": 3.0},
            "'range_max' = 3.0: belongs to range = 'fixed', and only there; 'range' is "
            "'calibrated'",
        ),
        (
            {"range": "fixed", "range_max": 0.0},
            "'range_max' = 0.0: should be greater than or equal to 1e-15",
        ),
        (
            {"clip_share": 0.01},
            "'clip_share' = 0.01: belongs to range = 'calibrated', and only there; 'range' is "
            "'auto'",
        ),
        ({"range": "calibrated", "clip_share": 0.5}, "'clip_share' = 0.5: should be less than 0.5"),
        ({"sigma_lsb": -1.0}, "'sigma_lsb' = -1.0"),
        ({"sigma_lsb": float("nan")}, "'sigma_lsb' = nan: should be a finite number"),
        ({"offset_sigma_lsb": float("inf")}, "'offset_sigma_lsb' = inf"),
        ({"gain_sigma": 0.3}, "'gain_sigma' = 0.3: should be less than or equal to 0.2"),
        ({"reference_columns": 0}, "'reference_columns' = 0"),
        (
            {"bits": 2, "inl_lsb": (0.0, 0.1)},
            "'inl_lsb' = [0.0, 0.1]: 2 values: an ADC of 2 bits needs 3",
        ),
        (
            {"bits": 2, "dnl_lsb": (0.0, 0.1, 0.2)},
            "'dnl_lsb' = [0.0, 0.1, 0.2]: 3 values: an ADC of 2 bits needs 2",
        ),
        (
            {"bits": 2, "inl_lsb": (0.0, 0.1, 0.2), "dnl_lsb": (0.1, 0.1)},
            "'inl_lsb' and 'dnl_lsb': describe the same edges: give one of them",
        ),
        (
            {"bits": 2, "inl_lsb": (0.5, -0.5, 0.0)},
            "edges must stay in ascending order, so no code may lose its whole width",
        ),
        ({"bits": 2, "dnl_lsb": (-1.0, 0.0)}, "edges must stay in ascending order"),
        ({"bits": 2, "inl_lsb": (0.0, "a", 0.0)}, "'inl_lsb.1' = 'a'"),
    ],
)
def test_adcs(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Adc(**table)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"device": "rram-wann"}, "'device' = 'rram-wann': did you mean 'rram-wan'?"),
        ({"device": "mesured"}, "'device' = 'mesured': did you mean 'measured'?"),
        (
            {"device": "measured"},
            "'device_csv': belongs to device = 'measured', and only there; 'device' is 'measured'",
        ),
        (
            {"device": "rram-wan", "device_csv": DEVICE},
            "'device_csv': belongs to device = 'measured', and only there; 'device' is 'rram-wan'",
        ),
        (
            {"device": "measured", "device_csv": "g_us,sigma\n0,1\n1,1\n"},
            "device_csv: 'column' = 'sigma': no such column",
        ),
        (
            {"device": "measured", "device_csv": "g_us,programming_sigma_us\n0,1\n1,-1\n"},
            "device_csv:3: 'programming_sigma_us' = -1",
        ),
        (
            {"device": "measured", "device_csv": DEVICE, "age_s": 10.0},
            "'age_s' = 10.0: device_csv has no published law of time",
        ),
        ({"age_s": 10.0}, "'age_s' = 10.0: ideal has no published law of time; leave it out"),
        (
            {"device": "rram-wan", "age_s": 1e6},
            "'age_s' = 1000000.0: rram-wan is published for 1 to 86400 s",
        ),
        ({"device": "pcm-nandakumar", "age_s": 0.0}, "'age_s' = 0.0: should be greater than 0"),
        ({"drift_compensation": True}, "'drift_compensation' = True: 'ideal' does not drift"),
        (
            {"device": "rram-milo", "drift_compensation": True},
            "'drift_compensation' = True: 'rram-milo' does not drift",
        ),
        ({"read_sigma": -0.1}, "'read_sigma' = -0.1"),
        ({"shot_sigma": -0.1}, "'shot_sigma' = -0.1"),
        ({"wire_ohm": -1.0}, "'wire_ohm' = -1.0"),
        ({"read_noise": "lump"}, "'read_noise' = 'lump': should be 'lumped' or 'explicit'"),
        ({"stuck_at_0_rate": 1.5}, "'stuck_at_0_rate' = 1.5: should be less than or equal to 1"),
        (
            {"stuck_at_0_rate": 0.6, "stuck_at_1_rate": 0.6},
            "'stuck_at_0_rate' = 0.6 and 'stuck_at_1_rate' = 0.6: the sum should be at most 1",
        ),
    ],
)
def test_cells(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Cells(**table)
    assert message in str(caught.value)


def test_geometry_follows_from_the_widths() -> None:
    array = Array(rows=100, cell_bits=3, cycle_bits=2, signs="differential")
    assert (array.magnitude_bits(8), array.slices(8), array.cycles(5), array.tiles(101)) == (
        7,
        3,
        3,
        2,
    )
    assert (array.magnitude_bits(1), array.magnitude_bits(2)) == (1, 1)
    assert Array(cell_bits=3).slices(8) == 3
    assert Adc(bits=2, dnl_lsb=(0.25, -0.5)).edge_shift_lsb == (0.0, 0.25, -0.25)
    assert Adc(bits=2, inl_lsb=(0.25, -0.5, 0.0)).edge_shift_lsb == (0.25, -0.5, 0.0)
    assert [
        Adc(**{name: 0.1}).spreads
        for name in ("offset_sigma_lsb", "gain_sigma", "reference_sigma_lsb", "sigma_lsb")
    ] == [
        True,
        True,
        True,
        False,
    ]
    assert {name for name in devices() if Cells(device=name).memory_device is None} == {"ideal"}
    assert Cells(wire_ohm=1.0).memory_device is not None

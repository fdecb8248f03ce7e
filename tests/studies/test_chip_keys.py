"""The axis of manufactured parts: tasks of its own, a row for each part, and the yield."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from madeanswers import Made
from scipy import stats
from tinystudy import kinds, plan_of, study_of

from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, Cells, Memory, parts_differ, preset
from stochsim.hardware.memory_device import Device, Drift
from stochsim.hardware.parts_that_differ import _device_spreads
from stochsim.posterior import share_estimate
from stochsim.program import random_program
from stochsim.settings import SettingError
from stochsim.studies import Results

Maker = Callable[..., Results]
ON_ARRAY: dict[str, Any] = {"hardware__preset": "rram-array", "grid__bits": [4]}
TWENTY = list(range(3, 23))


def chip_samples(**changes: Any) -> list[dict[str, Any]]:
    tasks = plan_of(**changes).tasks.values()
    return [json.loads(task.settings) for task in tasks if task.kind == "chip_samples"]


def test_parts_add_samples_and_leave_every_other_task() -> None:
    """Without the axis no task knows a chip key, so that stored runs are found again."""
    without = plan_of(**ON_ARRAY)
    found = plan_of(**ON_ARRAY, grid__chip_keys=[7, 5, 6])
    assert kinds(found) == kinds(without) | {"chip_samples": 6}
    others = {task for task, one in without.tasks.items() if one.kind != "chip_samples"}
    assert others <= set(found.tasks)
    assert [one["chip_key"] for one in chip_samples(**ON_ARRAY, grid__chip_keys=[7, 5, 6])] == [
        *(5, 6, 7),
        *(5, 6, 7),
    ]
    assert all("chip_key" not in one for one in chip_samples(**ON_ARRAY))


def lost(chip_key: int) -> float:
    """S is 1, 0.96, …: at least 0.9 on the parts 3, 4 and 5 and on every even part."""
    return 0.0 if chip_key % 2 == 0 else 0.04 * (chip_key - 3)


def test_the_yield_is_the_share_of_parts_with_s_of_nine_tenths(made: Maker) -> None:
    """Even parts 4 to 22 are 10; of the odd ones 3 and 5 keep 1 and 0.92: 12 of 20. The interval is
    SciPy's.
    """
    results = made(Made(lost_by=lost), **ON_ARRAY, grid__chip_keys=TWENTY, grid__noise=[1])
    assert [row.chip_key for row in results.rows] == TWENTY
    expected = stats.binomtest(12, 20).proportion_ci(method="wilson")
    for row in results.rows:
        found = results.chip_yield(row)
        assert found is not None
        assert (found.value, found.low, found.high) == pytest.approx(
            (0.6, expected.low, expected.high), rel=1e-12
        )
    (shown,) = results.summary
    assert shown.chip_key == 3
    assert results.find(widths=4, chip_key=9).survival.estimate.value == pytest.approx(  # type: ignore[union-attr]
        1 - 0.24
    )
    assert results.find(widths=4).chip_key == 3
    assert [row["cliff"] for row in results.cliffs()] == [4]


def test_fewer_parts_have_no_yield(made: Maker) -> None:
    results = made(Made(), **ON_ARRAY, grid__chip_keys=TWENTY[:19], grid__noise=[1])
    found = results.chip_yield(results.summary[0])
    assert found is not None
    assert found.reason == "19 chips are finished under all keys; a yield takes 20"


def test_without_parts_there_is_no_yield(made: Maker) -> None:
    results = made(Made(), **ON_ARRAY, grid__noise=[1])
    assert results.chip_yield(results.summary[0]) is None


def test_unfinished_parts_have_no_yield(made: Maker) -> None:
    results = made(
        Made(),
        lambda task: json.loads(task.settings).get("chip_key") == 22,
        **ON_ARRAY,
        grid__chip_keys=TWENTY,
        grid__noise=[1],
    )
    found = results.chip_yield(results.summary[0])
    assert found is not None
    assert not found.available


def test_several_keys_have_a_yield_each_and_one_over_all(made: Maker) -> None:
    """With key 1 every part loses 0.06 more: of the odd ones 3 alone keeps 0.94, so 11 of 20."""
    answers = Made(s_of=lambda widths, noise, rho, key: 1 - 0.06 * key, lost_by=lost)
    results = made(answers, **ON_ARRAY, grid__chip_keys=TWENTY, grid__keys=[0, 1], grid__noise=[1])
    found = {row.key: results.chip_yield(row) for row in results.rows}
    assert {key: one.value for key, one in found.items() if one} == {
        "0": 0.6,
        "1": 0.55,
        "all": 0.55,
    }
    assert len(results.rows) == 3 * 20
    assert [row.key for row in results.summary] == ["all"]


@pytest.mark.parametrize(("hits", "of"), [(0, 20), (20, 20), (1, 1), (17, 30), (999, 1000)])
def test_wilson_s_interval_is_scipy_s(hits: int, of: int) -> None:
    found = share_estimate(hits, of)
    expected = stats.binomtest(hits, of).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    exact = stats.binomtest(hits, of).proportion_ci(method="exact")
    assert not np.allclose((found.low, found.high), (exact.low, exact.high), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("hits", "of"), [(1, 0), (3, 2), (-1, 4)])
def test_a_share_of_nothing_is_refused(hits: int, of: int) -> None:
    with pytest.raises(SettingError, match=r"'(hits|of)'"):
        share_estimate(hits, of)


def measured(*sigma_us: float) -> Array:
    """Cells of 1 bit whose programming errors are these at targets of 1, 3 and 5 µS."""
    rows = [f"{target},{one}" for target, one in zip((1, 3, 5), sigma_us, strict=True)]
    text = "\n".join(["g_us,programming_sigma_us", *rows]) + "\n"
    return Array(cells=Cells(device="measured", device_csv=text))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, r"'grid.chip_keys' = \[1, 2\]: all parts of digital-45nm are alike"),
        (
            {"grid__bits": None, "grid__float": True},
            r"'grid.chip_keys' = .*belongs to quantised networks on the chip",
        ),
    ],
)
def test_parts_without_effect_are_refused(changes: dict[str, Any], message: str) -> None:
    study = study_of(grid__chip_keys=[1, 2], **changes)
    with pytest.raises(SettingError, match=message):
        study.check(preset("digital-45nm"))


def test_a_part_named_twice_and_a_negative_one_are_refused() -> None:
    for keys in ([1, 1], [-1], []):
        with pytest.raises(SettingError, match="chip_keys"):
            study_of(grid__chip_keys=keys)


@pytest.mark.parametrize(
    ("parts", "differ"),
    [
        ({"array": Array()}, False),
        ({"array": Array(cells=Cells(read_sigma=0.1), adc=Adc(sigma_lsb=1.0))}, False),
        ({"array": Array(cells=Cells(wire_ohm=1.0))}, False),
        ({"array": Array(cells=Cells(stuck_at_0_rate=0.1))}, True),
        ({"array": Array(cells=Cells(stuck_at_1_rate=0.1))}, True),
        ({"array": Array(cells=Cells(device="rram-wan"))}, True),
        ({"array": Array(cells=Cells(stuck_at_1_rate=1.0))}, False),
        ({"array": Array(cells=Cells(stuck_at_0_rate=0.5, stuck_at_1_rate=0.5))}, True),
        ({"array": measured(0, 0, 0)}, False),
        ({"array": measured(0, 0, 0.1)}, True),
        ({"array": measured(0.1, 0, 0)}, True),
        ({"array": measured(0, 0.1, 0)}, False),
        ({"array": measured(0, 0.1, 0).replace(cell_bits=2)}, True),
        ({"array": Array(adc=Adc(gain_sigma=0.01))}, True),
        ({"array": Array(adc=Adc(offset_sigma_lsb=0.1))}, True),
        ({"memory": Memory(weight_errors=0.01)}, True),
        ({"memory": Memory(weight_read_errors=0.01)}, False),
        ({"memory": Memory(voltage_over_vmin=0.9, transient_share=1.0)}, False),
        ({"memory": Memory(voltage_over_vmin=0.9, transient_share=0.5)}, True),
    ],
)
def test_what_makes_parts_differ(parts: dict[str, Any], differ: bool) -> None:
    """In an array, the same as whether the programmed cells of six chips differ."""
    hardware = preset("digital-45nm").replace(**parts)
    assert parts_differ(hardware) == differ
    if hardware.array is not None and hardware.array.adc == Adc():
        program, _ = random_program((8, 4), (4, 4, 4), sigma=1.0)
        chips = [Chip(program, hardware, chip_key=key) for key in range(6)]
        cells = [chip.product.cells.cells for chip in chips]
        assert any(not np.array_equal(cells[0], one) for one in cells) == differ


def test_keys_of_a_device_without_spread_are_refused() -> None:
    study = study_of(grid__chip_keys=[1, 2])
    alike = preset("digital-45nm").replace(array=measured(0, 0, 0))
    with pytest.raises(SettingError, match=r"'grid.chip_keys' = \[1, 2\]: all parts of .*alike"):
        study.check(alike)
    study.check(preset("digital-45nm").replace(array=measured(0, 0, 0.1)))


@pytest.mark.parametrize(
    ("age_s", "spread", "differ"), [(20, 1, False), (40, 1, True), (40, 0, False)]
)
def test_drift_makes_parts_differ_where_its_exponent_spreads(
    age_s: float, spread: float, differ: bool
) -> None:
    """g (t/t0)^-ν is g at t = t0 whatever ν, and one number everywhere where ν has no spread."""
    drift = Drift(20.0, lambda r: (0.05 + 0 * r, spread * 0.01 + 0 * r))
    own = Device("own", 25.0, "", "", "calc", default_age_s=20.0, ages_s=(0, 1e9), drift=drift)
    assert _device_spreads(own, age_s, 1) == differ
    drawn = [
        own.drifted_us(np.array([25.0]), age_s, np.random.default_rng(key)) for key in range(4)
    ]
    assert (np.ptp(drawn) > 0) == differ

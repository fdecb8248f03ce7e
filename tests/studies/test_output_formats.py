"""The axis of number formats of outputs: tasks of its own, what a chip then computes, refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tinystudy import kinds, plan_of, store_answers, study_of, work

from stochsim.chip import Chip, fitted_quantizer, with_output_format
from stochsim.formats import FITTED, FORMATS, code_book, format_bits, output_formats
from stochsim.hardware import Memory, Noise, preset
from stochsim.program import Quantizer, random_program
from stochsim.report import console_table
from stochsim.report.variants import quantised, variants
from stochsim.settings import SettingError
from stochsim.studies import open_run

GRID: dict[str, Any] = {
    "grid__bits": [3, 4],
    "grid__noise": [1],
    "grid__output_format": ["int4", "fp4-e2m1", "lloyd-4-per-neuron", "lloyd-3"],
}
LAPLACE = np.random.default_rng(0).laplace(size=3000)


def test_formats_add_samples_of_their_width_and_leave_every_other_task() -> None:
    without = plan_of(grid__bits=[3, 4], grid__noise=[1])
    found = plan_of(**GRID)
    assert kinds(found) == kinds(without) | {"chip_samples": 4}
    others = {task for task, one in without.tasks.items() if one.kind != "chip_samples"}
    assert others <= set(found.tasks)
    samples = [json.loads(one.settings) for one in found.tasks.values()]
    names = [one["output_format"] for one in samples if "output_format" in one]
    assert names == ["lloyd-3", "int4", "fp4-e2m1", "lloyd-4-per-neuron"]
    assert {cell["output_bits"]: cell["output_format"] for cell in found.cells}[3] == "lloyd-3"


@pytest.mark.parametrize("architecture", ["single", "recurrent"])
def test_a_study_measures_each_format_on_the_trained_network(
    tmp_path: Path, architecture: str
) -> None:
    """int4 is the network as it was trained; each other one what `with_output_format` makes."""
    measured: dict[str, Any] = {"measure__stimuli": 8, "measure__reads": 100}
    measured["grid__architecture"] = [architecture]
    study = study_of(**GRID, **measured, hardware__preset="in-memory-28nm")
    plain = study_of(**{**GRID, "grid__output_format": None}, **measured)
    with open_run(store_answers(tmp_path / "run", study, work)) as results:
        rows = {row["output_format"]: row for row in results.rows}
        joules = {name: row.per_read_j for name, row in rows.items()}
        cliffs = [row["settings"] for row in results.cliffs()]
        table = console_table(results)
        drawn = [row for variant in variants(results) for row in quantised(results, variant)]
        found = [
            results.find(architecture, widths=3),
            results.find(architecture, widths=4, output_format="lloyd-4-per-neuron"),
        ]
    with open_run(store_answers(tmp_path / "plain", plain, work)) as results:
        own = next(row for row in results.rows if row.output_bits == 4)
    assert list(rows) == ["lloyd-3", "int4", "fp4-e2m1", "lloyd-4-per-neuron"]
    assert rows["int4"].estimates["d"].value == own.estimates["d"].value
    assert len({row.estimates["d"].value for row in rows.values()}) == 4
    assert sorted(cliffs) == [(("output_format", name),) for name in sorted(rows)]
    assert "output format" in table
    assert sorted(map(id, drawn)) == sorted(map(id, rows.values()))
    assert [one["output_format"] for one in found] == ["lloyd-3", "lloyd-4-per-neuron"]
    assert all(name in table for name in rows)
    assert joules["int4"] < joules["fp4-e2m1"]  # whose converter resolves half steps


@pytest.mark.parametrize("name", ["fp4-e2m1", "nf4", "lloyd-3", "int4", "log2-4"])
def test_scales_and_values_have_the_least_error(name: str) -> None:
    found = fitted_quantizer(name, LAPLACE)

    def error(quantizer: Quantizer) -> float:
        return float(np.mean((quantizer.exact_values(quantizer.codes(LAPLACE)) - LAPLACE) ** 2))

    assert found.bits == format_bits(name)
    for factor in (0.7, 0.9, 0.98, 1.02, 1.1, 1.4):
        assert found.book is not None
        other = Quantizer.of_format(found.book, factor * found.scale)
        assert error(found) < error(other)


def test_outputs_are_fitted_to_the_noise_of_the_programs_own_steps() -> None:
    """Noise of 1 step of 4-bit outputs stays so many units of the drive; of much coarser steps the
    fitted range is wider: the negative control.
    """
    program, _ = random_program((12, 5), (4, 4, 4), sigma=0.01)
    x = np.random.default_rng(1).normal(0, 0.05, (50, 12))
    scales = []
    for sigma in (0.0, 1.0, 4.0):
        chip = preset("digital-45nm").with_precision(4, 4, 4)
        chip = chip.replace(noise=Noise(read_sigma_lsb=sigma))
        same = chip.replace(noise=Noise(read_sigma=sigma * program.output.step))
        found, other = (with_output_format(program, one, "fp4-e2m1", x, 3) for one in (chip, same))
        assert found.output == other.output
        scales.append(found.output.scale)
    assert scales[0] < scales[2]


def test_the_programs_own_format_is_the_program() -> None:
    program, x = random_program((12, 5), (4, 4, 4), sigma=0.5)
    chip = preset("digital-45nm").with_precision(4, 4, 4)
    x = np.ones((3, 12))
    assert with_output_format(program, chip, "int4", x, 0) is program
    three = with_output_format(program, chip, "int3", x, 0)
    assert three.output.format_name == "int3"
    assert Chip(three, chip.with_precision(4, 4, 3)).sample(x, 4, 0).values.shape == (3, 4, 5)


def test_every_format_has_its_bits() -> None:
    assert all(format_bits(name) == code_book(name).bits for name in FORMATS)
    assert [format_bits(name) for name in FITTED] == list(range(1, 7))
    names = output_formats()
    assert {"fp3-e1m1", "fp8-e5m2", "nf4-per-neuron", "lloyd-2"} < set(names)
    assert len(set(names)) == len(names)
    assert {format_bits(name) for name in names} == set(range(1, 9))
    with pytest.raises(SettingError, match="did you mean 'lloyd-4'"):
        format_bits("loyd-4")
    assert format_bits("mxfp4") == 4
    with pytest.raises(SettingError, match="fitted to numbers"):
        code_book("lloyd-4")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"grid__output_format": ["fp4-e2m1"]}, "should name a format of 3 bits too"),
        ({"grid__output_format": ["lloyd-3", "lloyd-4", "int8"]}, "'int8'.* has 8 bits"),
        ({"grid__output_format": ["lloyd-3", "loyd-4"]}, "did you mean 'lloyd-4'"),
        ({"grid__output_format": ["lloyd-3", "int4", "int4"]}, "names a value twice"),
        ({"grid__bits": None, "grid__float": True}, "quantised networks on the chip"),
    ],
)
def test_formats_that_no_output_has(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        study_of(**(GRID | changes)).check(preset("digital-45nm"))


def test_numbers_that_fill_their_range_are_fitted_too() -> None:
    """The best scale of E2M1 for uniform numbers leaves its largest values to none of them."""
    numbers = np.random.default_rng(0).uniform(-1, 1, 4000)
    found = fitted_quantizer("fp4-e2m1", numbers).scale
    assert 0.2 < found < 0.26
    for wrong in (np.zeros(0), np.array([1.0, np.inf]), "abc"):
        with pytest.raises(SettingError, match="numbers"):
            fitted_quantizer("fp4-e2m1", wrong)


def test_errors_of_the_memory_are_left_out_of_the_fit() -> None:
    program, _ = random_program((12, 5), (4, 4, 4), sigma=0.3)
    chip = preset("digital-45nm").with_precision(4, 4, 4)
    x = np.random.default_rng(1).normal(size=(50, 12))
    faulty = chip.replace(memory=Memory(code_errors=0.01))
    found, other = (with_output_format(program, one, "lloyd-4", x, 3) for one in (chip, faulty))
    assert found.output == other.output


@pytest.mark.parametrize(
    "grid",
    [{"bits": [1]}, {"bits": None, "float": True}],
)
def test_scales_of_neurons_and_damping_that_no_weights_have(grid: dict[str, Any]) -> None:
    changes = {f"grid__{name}": value for name, value in grid.items()}
    for own in ({"weight_scales": "per-channel"}, {"weight_damping": 0.03}):
        study = study_of(**{f"train__{name}": value for name, value in own.items()}, **changes)
        with pytest.raises(SettingError, match=rf"train\.{next(iter(own))}"):
            study.check(preset("digital-45nm"))


@pytest.mark.parametrize("rounding", ["compensated", "stochastic"])
def test_rounding_is_for_networks_with_quantised_weights(rounding: str) -> None:
    floats = study_of(train__weight_rounding=rounding, grid__bits=None, grid__float=True)
    with pytest.raises(SettingError, match=r"train\.weight_rounding.*quantised weights"):
        floats.check(preset("digital-45nm"))
    study_of(train__weight_rounding=rounding, grid__bits=[1]).check(preset("digital-45nm"))
    with pytest.raises(SettingError, match="weight_rounding"):
        study_of(train__weight_rounding=rounding[:-1])


def test_damping_is_for_networks_that_are_trained_on() -> None:
    damped = study_of(train__weight_damping=0.03, grid__method=["post-training"])
    with pytest.raises(SettingError, match=r"train\.weight_damping.*trained with few bits"):
        damped.check(preset("digital-45nm"))
    both = ["post-training", "quantisation-aware"]
    study_of(train__weight_damping=0.03, grid__method=both).check(preset("digital-45nm"))


def test_formats_in_training_are_for_networks_that_may_have_them() -> None:
    def checked(hardware: Any = None, **grid: Any) -> None:
        changes = {f"grid__{name}": value for name, value in ({"bits": [4]} | grid).items()}
        study_of(train__output_format="learned-4", **changes).check(
            hardware or preset("digital-45nm")
        )

    checked()
    checked(architecture=["deep"], bits=[4, 8])
    for grid, rule in (
        ({"bits": [3, 4]}, r"train\.output_format.*has 4 bits"),
        ({"architecture": ["single", "recurrent"]}, r"train\.output_format.*their state"),
        ({"bits": None, "float": True}, r"train\.output_format.*networks with few bits"),
        ({"output_format": ["int4"]}, r"grid\.output_format.*leave one out"),
    ):
        with pytest.raises(SettingError, match=rule):
            checked(**grid)
    dithered = preset("digital-45nm").replace(noise=Noise(dither="triangular"))
    with pytest.raises(SettingError, match="dither"):
        checked(dithered)
    with pytest.raises(SettingError, match="did you mean 'learned-4'"):
        study_of(train__output_format="learnd-4")


def test_a_deep_network_has_hidden_codes_of_the_grid_and_outputs_of_the_format(
    tmp_path: Path,
) -> None:
    measured: dict[str, Any] = {"measure__stimuli": 8, "measure__reads": 100}
    study = study_of(
        train__output_format="learned-3",
        grid__bits=[5],
        grid__architecture=["deep"],
        **measured,
    )
    study.check(preset("digital-45nm"))
    with open_run(store_answers(tmp_path / "run", study, work)) as results:
        rows = results.rows
    assert {row.output_bits for row in rows} == {5}
    assert all(0 < row.estimates["d"].value < 10 for row in rows)


def test_dithered_outputs_have_even_steps() -> None:
    chip = preset("digital-45nm").replace(noise=Noise(dither="stochastic"))
    with pytest.raises(SettingError, match=r"left out with 'hardware\.noise\.dither'"):
        study_of(**GRID).check(chip)

"""The file of a search: what it means, and one clear sentence for each way in which it can be
wrong.
"""

from pathlib import Path
from typing import Any

import pytest
from tinyoptimize import changed, request_of, write_file

from stochsim.energy import ADC_MODELS
from stochsim.search.evaluate import setting_plan
from stochsim.search.request import Request
from stochsim.search.search_settings import OptimizeFile, Rule
from stochsim.settings import SettingError, read_toml
from stochsim.studies.plan import plan_study

ROOT = Path(__file__).resolve().parents[2]


def test_the_space_is_every_combination_of_the_axes() -> None:
    space = request_of(search__noise=[2, 0.5]).space
    assert space.axes["noise"] == (0.5, 2)
    assert space.size == 2 * 2 * 2 * 2
    assert space.free == ("weight_bits", "noise", "adc_bits", "rows")


def test_a_setting_is_a_study_of_one_cell_on_its_own_chip() -> None:
    request = request_of(search__voltage_over_vmin=[0.8, 1.0], objective__keys=[0, 3])
    setting = next(
        setting for setting in request.space if request.space.named(setting)["rows"] == 8
    )
    chip = request.chip(setting)
    study = request.study(setting)
    assert chip.array is not None
    assert (chip.array.rows, chip.array.adc.bits, chip.precision.weight_bits) == (8, 3, 2)
    assert chip.memory.voltage_over_vmin == 0.8
    assert study.grid.widths() == [(2, 4, 4)]
    assert study.grid.keys == (0, 3)


def test_the_tasks_are_those_of_a_sweep() -> None:
    """So what a sweep of the same chip has stored counts here, and networks of equal widths are one
    task for all chips.
    """
    request = request_of()
    first, *_, last = [s for s in request.space if request.space.named(s)["weight_bits"] == 2]
    chip = request.chip(first).replace(precision=request.hardware.precision)
    assert setting_plan(request, first).tasks == plan_study(request.study(first), chip).tasks
    different = set(setting_plan(request, first).tasks) ^ set(setting_plan(request, last).tasks)
    assert len(different) == 2  # the two points


def test_averaged_reads_change_the_point_alone() -> None:
    request = request_of(search__reads=[1, 4])
    single, four = (
        s
        for s in list(request.space)[:8]
        if request.space.named(s) | {"reads": 0} == request.space.named((2, 4, 4, 1.0, 0, 3, 8))
    )
    plans = [setting_plan(request, setting) for setting in (single, four)]
    assert len(set(plans[0].tasks) ^ set(plans[1].tasks)) == 2
    assert '"average": 4' in plans[1].tasks[plans[1].cells[0].samples].settings


def test_layers_have_axes_of_their_own() -> None:
    request = request_of(search__architecture="deep", search__layer_bits={"hidden": [2, 3]})
    setting = next(iter(request.space))
    assert request.space.axes["layer_bits.hidden"] == (2, 3)
    assert request.study(setting).network.layer_bits == {"hidden": 2}


def test_outputs_have_the_width_of_their_format() -> None:
    names = ["lloyd-3", "int4", "fp4-e2m1"]
    request = request_of(search__output_bits=None, search__output_format=names)
    assert request.space.axes["output_format"] == tuple(names)
    widths = {}
    for setting in request.space:
        grid, chip = request.study(setting).grid, request.chip(setting)
        (name,) = grid.output_format
        assert request.space.named(setting)["output_format"] == name
        assert grid.output_bits == (chip.precision.output_bits,)
        widths[name] = chip.precision.output_bits
    assert widths == {"lloyd-3": 3, "int4": 4, "fp4-e2m1": 4}


def test_a_search_without_formats_has_the_table_that_it_had() -> None:
    """Its trials are found by a hash of it."""
    assert not any("format" in name for name in request_of().file.to_table()["search"])


def test_a_digital_chip_has_no_choice_of_adc_model() -> None:
    request = request_of(hardware__preset="digital-45nm", search__adc_bits=None, search__rows=None)
    assert request.models == ("own",)
    assert request_of().models == tuple(ADC_MODELS)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("S >= 0.9", ("S", 0.9)),
        ("s>=0.5", ("S", 0.5)),
        ("D <= 3e-1", ("D", 0.3)),
        (" D <= 1 ", ("D", 1.0)),
    ],
)
def test_rules(text: str, rule: tuple[str, float]) -> None:
    assert Rule.parse(text) == rule


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"version": 2}, ["'version' = 2", "should be 1"]),
        ({"serach": {}}, ["unknown key 'serach'", "did you mean 'search'"]),
        (
            {"search__wieght_bits": [2]},
            ["unknown key 'search.wieght_bits'", "did you mean 'weight_bits'"],
        ),
        ({"search__weight_bits": [9]}, ["'search.weight_bits.0' = 9", "less than or equal to 8"]),
        ({"search__weight_bits": []}, ["'search.weight_bits' = []", "at least 1"]),
        (
            {"search__weight_bits": None},
            ["give 'bits', or all three", "'search.weight_bits' is missing"],
        ),
        (
            {"search__bits": [2]},
            [
                "'bits' ties weight_bits, input_bits and output_bits",
                "'search.bits' = [2] and 'search.weight_bits' = [2, 4]",
            ],
        ),
        (
            {"search__output_format": ["int4"]},
            [
                "'search.output_format' = ['int4'] and 'search.output_bits' = [4]",
                "formats have widths of their own: leave 'output_bits' out",
            ],
        ),
        (
            {
                **dict.fromkeys(("search__weight_bits", "search__input_bits")),
                "search__output_bits": None,
                "search__bits": [4],
                "search__output_format": ["int4"],
            },
            ["'search.output_format' = ['int4'] and 'search.bits' = [4]", "leave 'bits' out"],
        ),
        (
            {"search__output_bits": None, "search__output_format": ["int4", "fp5-e2m3"]},
            ["'search.output_format' = 'fp5-e2m3'", "did you mean 'fp6-e2m3'"],
        ),
        ({"search__noise": [0.0]}, ["'search.noise.0' = 0.0", "greater than 0"]),
        ({"search__noise": [1, 1.0]}, ["'search.noise' = [1.0, 1.0]", "names a value twice"]),
        ({"search__reads": [0]}, ["'search.reads.0' = 0"]),
        ({"search__adc_bits": [13]}, ["'search.adc_bits.0' = 13"]),
        (
            {"search__architecture": "depe"},
            ["'search.architecture' = 'depe'", "did you mean 'deep'"],
        ),
        ({"search__method": "post"}, ["'search.method' = 'post'"]),
        ({"search__layer_bits": {"hidden": [2]}}, ["'search.layer_bits.hidden'", "one layer"]),
        (
            {"search__architecture": "deep", "search__layer_bits": {"hiden": [2]}},
            ["'search.layer_bits.hiden'", "did you mean 'hidden'"],
        ),
        (
            {"hardware__preset": "digital-45nm"},
            ["'search.adc_bits' = [3, 6]", "digital-45nm", "array"],
        ),
        (
            {"hardware__preset": "sram-aray-28nm"},
            ["'hardware.preset' = 'sram-aray-28nm'", "did you mean 'sram-array-28nm'"],
        ),
        ({"search__method": "noise-aware"}, ["array"]),
        (
            {"objective__keep": "S > 0.9"},
            ["'objective.keep' = 'S > 0.9'", 'should be "S >= NUMBER"'],
        ),
        (
            {"objective__keep": "S <= 0.9"},
            ["'objective.keep' = 'S <= 0.9'", "more S and less D is better"],
        ),
        ({"objective__keep": "survival"}, ["'objective.keep' = 'survival'"]),
        (
            {"objective__keep": None},
            [
                "'objective.keep' and 'objective.front' are missing: give either 'keep'",
                "'front' = true",
            ],
        ),
        ({"objective__front": True}, ["'objective.front' = True: give either 'keep'"]),
        (
            {"objective__against": "survival"},
            ["'objective.against' = 'survival'", "belongs to 'front'"],
        ),
        ({"objective__minimise": "watts"}, ["'objective.minimise' = 'watts'", "joules_per_read"]),
        ({"objective__trials": 0}, ["'objective.trials' = 0"]),
        (
            {"objective__adc_models": ["waldn"]},
            ["'objective.adc_models' = 'waldn': no model", "did you mean 'walden'"],
        ),
        ({"objective__adc_models": []}, ["'objective.adc_models' = []"]),
        ({"objective__keys": [0, 0]}, ["'objective.keys' = [0, 0]", "twice"]),
        ({"train__decoder": "own"}, ["'train.decoder' = 'own'", "valid: shared"]),
        ({"measure__reads": 52}, ["'measure.reads' = 52", "greater than or equal to 100"]),
        ({"measure__stimuli": 10**6}, ["'measure.stimuli' = 1000000", "at most"]),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, dict) else "",
)
def test_a_bad_file_is_refused_in_one_sentence(
    changes: dict[str, Any], parts: list[str], tmp_path: Path
) -> None:
    path = write_file(tmp_path, **changes)
    with pytest.raises(SettingError) as caught:
        Request.read(path)
    said = str(caught.value)
    file, line, _ = said.removeprefix(str(path)).split(":", 2)
    assert file == ""
    assert 1 <= int(line) <= len(path.read_text().splitlines())
    assert said.count(str(path)) == len({fault.line for fault in caught.value.faults})
    assert "\n" not in said
    for part in parts:
        assert part in said


def test_joules_per_effective_sample_are_ranked_only_where_the_posterior_survives(
    tmp_path: Path,
) -> None:
    changes = {"objective__minimise": "joules_per_effective_sample"}
    Request.read(write_file(tmp_path, **changes))
    for bad in (
        {"objective__keep": "S >= 0.5"},
        {"objective__keep": None, "objective__front": True},
    ):
        with pytest.raises(
            SettingError, match=r"'objective\.minimise' = 'joules_per_effective_sample'"
        ):
            Request.read(write_file(tmp_path, **changes, **bad))


def test_a_chip_that_cannot_be_is_named_with_its_setting(tmp_path: Path) -> None:
    path = write_file(
        tmp_path, hardware__array={"cell_bits": 2}, search__weight_bits=[1, 4], search__rows=None
    )
    with pytest.raises(
        SettingError,
        match=r"'array.cell_bits' = 2: more than 1-bit weights .* "
        r"\(at weight_bits = 1, adc_bits = 3\)$",
    ):
        Request.read(path)


@pytest.mark.parametrize(("name", "settings"), [("cheapest_chip", 864), ("adc_models", 100)])
def test_the_shipped_examples_are_valid(name: str, settings: int) -> None:
    request = Request.read(ROOT / "examples" / f"{name}.toml")
    assert request.space.size == settings
    assert (
        request.file.to_table()
        == OptimizeFile.from_table(read_toml(ROOT / "examples" / f"{name}.toml")).to_table()
    )


def test_the_file_goes_there_and_back() -> None:
    file = OptimizeFile.from_table(
        changed(search__layer_bits={}, storage="postgresql://host/trials")
    )
    assert OptimizeFile.from_table(file.to_table()) == file

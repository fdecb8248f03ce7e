"""The field of a SettingError: it stands before the message at every depth of sections, lists and
unions, and is carried on every way outward.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
import pytest

from stochsim.accounting import Bill
from stochsim.controls import check_control
from stochsim.energy import Operation
from stochsim.hardware import Hardware, preset
from stochsim.program import feed_forward
from stochsim.settings import Fault, SettingError, Settings, check_whole, read_toml
from stochsim.studies import GridSettings, HardwareSettings, NetworkOptions


class Leaf(Settings):
    """A section with a rule of one field and a rule that ties two."""

    kind: Literal["leaf"] = "leaf"
    tag: str = "a"
    low: float = 0.0
    high: float = 1.0

    @pydantic.field_validator("tag")
    @classmethod
    def _known(cls, tag: str) -> str:
        if tag not in ("a", "bee"):
            raise SettingError.of("", tag, choices=("a", "bee"))
        return tag

    @pydantic.model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low > self.high:
            raise SettingError.of(("low", "high"), (self.low, self.high), "should ascend")
        return self


class Stone(Settings):
    """Another member of the union."""

    kind: Literal["stone"] = "stone"
    weight_kg: float


Thing = Annotated[Leaf | Stone, pydantic.Field(discriminator="kind")]


class Tree(Settings):
    """Sections in a section, in a list and in a table by name; a union."""

    leaf: Leaf = Leaf()
    leaves: tuple[Leaf, ...] = ()
    named: dict[str, Leaf] = pydantic.Field(default_factory=dict)
    thing: Thing = Leaf()
    things: tuple[Thing, ...] = ()
    sizes: tuple[int, ...] = ()
    by_hand: int = 0

    @pydantic.field_validator("by_hand")
    @classmethod
    def _by_hand(cls, value: int) -> int:
        if value:
            raise ValueError("should be 0")
        return value


class Wood(Settings):
    """One more section around."""

    tree: Tree = Tree()


@pytest.mark.parametrize(
    ("tree", "fields", "text"),
    [
        (
            {"leaf": {"tga": 1}},
            ["tree.leaf.tga"],
            "unknown key 'tree.leaf.tga': did you mean 'tag'?",
        ),
        ({"leaf": {"tag": "be"}}, ["tree.leaf.tag"], "'tree.leaf.tag' = 'be': did you mean 'bee'?"),
        (
            {"leaf": {"low": "x"}},
            ["tree.leaf.low"],
            "'tree.leaf.low' = 'x': should be a valid number",
        ),
        (
            {"leaf": {"low": 3}},
            ["tree.leaf.low", "tree.leaf.high"],
            "'tree.leaf.low' = 3.0 and 'tree.leaf.high' = 1.0: should ascend",
        ),
        ({"leaves": [{}, {"tag": "be"}]}, ["tree.leaves.1.tag"], "'tree.leaves.1.tag' = 'be': did"),
        ({"named": {"x": {"tag": "be"}}}, ["tree.named.x.tag"], "'tree.named.x.tag' = 'be': did"),
        ({"sizes": [1, "x"]}, ["tree.sizes.1"], "'tree.sizes.1' = 'x': should be a valid integer"),
        (
            {"thing": {"kind": "stone"}},
            ["tree.thing.weight_kg"],
            "'tree.thing.weight_kg' is missing",
        ),
        (
            {"thing": {"kind": "ston"}},
            ["tree.thing.kind"],
            "'tree.thing.kind' = 'ston': did you mean",
        ),
        ({"thing": {}}, ["tree.thing.kind"], "'tree.thing.kind' is missing"),
        (
            {"things": [{"kind": "leaf", "low": 3}]},
            ["tree.things.0.low", "tree.things.0.high"],
            "'tree.things.0.low' = 3.0 and 'tree.things.0.high' = 1.0: should ascend",
        ),
        ({"by_hand": 1}, ["tree.by_hand"], "'tree.by_hand' = 1: should be 0"),
        ({"leaf": 3}, ["tree.leaf"], "'tree.leaf' = 3: should be a table"),
        (
            {"sizes": ["x"], "leaf": {"tag": "be"}},
            ["tree.leaf.tag", "tree.sizes.0"],
            "'tree.leaf.tag' = 'be': did you mean 'bee'?; 'tree.sizes.0' = 'x': should be",
        ),
    ],
)
def test_sections_lists_and_unions_stand_before_the_field(
    tree: dict[str, Any], fields: list[str], text: str
) -> None:
    with pytest.raises(SettingError) as caught:
        Wood.from_table({"tree": tree}, "wood.toml")
    places = [place for fault in caught.value.faults for place in fault.places]
    assert places == [tuple(field.split(".")) for field in fields]
    assert caught.value.field == places[0]
    assert str(caught.value).startswith(f"wood.toml: {text}")


def test_a_name_with_a_dot_is_one_key() -> None:
    with pytest.raises(SettingError) as caught:
        Wood(tree={"named": {"x.y": {"tag": "be"}}})
    assert caught.value.field == ("tree", "named", "x.y", "tag")
    inside = SettingError.of("tag", 3, "no", section=("named", "x.y")).inside("tree")
    assert inside.field == ("tree", "named", "x.y", "tag")
    assert SettingError.unknown("x.y", ()).field == ("x.y",)


def test_further_fields_are_carried_and_not_shown() -> None:
    error = SettingError.of("range_max", 3.0, "belongs to range", also=("range",)).inside("adc")
    assert error.faults[0].places == (("adc", "range_max"), ("adc", "range"))
    assert str(error) == "'adc.range_max' = 3.0: belongs to range"


def test_an_error_written_by_hand_is_named_by_its_section() -> None:
    error = SettingError("give one").inside("hardware").at("study.toml")
    assert str(error) == "study.toml: hardware: give one"


def test_the_innermost_file_stays_and_is_said_once() -> None:
    error = SettingError.of("g_us", -1.0, "too low").at("cells.csv", 3).at("chip.toml", 9)
    assert str(error) == "cells.csv:3: 'g_us' = -1.0: too low"
    twice = SettingError(faults=[Fault(rule="a"), Fault(rule="b")]).at("chip.toml")
    assert str(twice) == "chip.toml: a; b"


def test_faults_with_lines_of_their_own_say_each_line() -> None:
    faults = [Fault(rule="a", file="x", line=1), Fault(rule="b", file="x", line=2, note="y -> x")]
    assert str(SettingError(faults=faults)) == "x:1: a; x:2: b (y -> x)"


def test_an_error_survives_copying() -> None:
    error = SettingError.of("bits", 13, "too many").inside("adc").at("chip.toml", 3)
    again = copy.copy(error)
    assert (str(again), again.faults, again.field) == (str(error), error.faults, error.field)


# ---- as the packages make them ----


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("[array.cells]\ndevise = 'ideal'", 4, "array.cells.devise"),
        ("array.cells.device = 'idael'", 3, "array.cells.device"),
        ("[noise]\nread_sigma = 0.1\nread_sigma_lsb = 0.1", 4, "noise.read_sigma"),
        ("[array.adc]\ninl_lsb = [\n 0.5,\n 'x']", 4, "array.adc.inl_lsb.1"),
        ("[prices.parameters.adc]\nfom = 1.0", 4, "prices.parameters.adc.fom"),
        ("[noise]\nmeasured_csv = 'none.csv'", 4, "noise.measured_csv"),
    ],
)
def test_a_chip_file_gives_file_line_and_field(
    text: str, line: int, field: str, tmp_path: Path
) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(f"name = 'chip'\ninherits = 'rram-array'\n{text}\n")
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    fault = caught.value.faults[0]
    assert (fault.file, fault.line) == (str(path), line)
    assert caught.value.field == tuple(field.split("."))


def test_bad_toml_carries_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("a = 1\n\nb = = 2\n")
    with pytest.raises(SettingError) as caught:
        read_toml(path)
    assert (caught.value.faults[0].file, caught.value.faults[0].line) == (str(path), 3)


def test_calls_carry_the_field_too() -> None:
    with pytest.raises(SettingError) as caught:
        check_whole("reads", 0, 1, 10)
    assert caught.value.field == ("reads",)
    with pytest.raises(SettingError) as caught:
        Operation("multply", (4, 4))
    assert caught.value.field == ("kind",)
    with pytest.raises(SettingError) as caught:
        preset("digital-45nm").replace(accumulator_overflow="wrap")
    assert caught.value.field == ("accumulator_overflow",)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: preset("digital-45nm").with_({"memory.voltage": 1.0}), "memory.voltage"),
        (lambda: preset("digital-45nm").with_({"array.rows": 0}), "array.rows"),
        (lambda: GridSettings(bits=(2, 2)), "bits"),
        (lambda: GridSettings(weight_bits=(2,)), "input_bits"),
        (lambda: HardwareSettings(), "preset"),
        (lambda: NetworkOptions(layer_bits={"hiden": 2}), "layer_bits.hiden"),
        (lambda: feed_forward({}), "layers"),
        (lambda: Bill(preset("digital-45nm"), {}, {}, reads=0), "reads"),
        (lambda: check_control("vea"), "control"),
    ],
)
def test_programs_bills_and_studies_carry_the_field_too(
    call: Callable[[], object], field: str
) -> None:
    with pytest.raises(SettingError) as caught:
        call()
    assert caught.value.field == tuple(field.split("."))

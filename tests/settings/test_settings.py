"""Settings: what an error says, and what TOML gives back."""

import copy
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
import pytest

from stochsim.settings import (
    SettingError,
    Settings,
    StochsimError,
    line_of,
    nearest,
    read_toml,
    write_toml,
)


class Cat(Settings):
    """A section told apart by `kind`."""

    kind: Literal["cat"] = "cat"
    lives: int = pydantic.Field(default=9, ge=1, le=9)


class Dog(Settings):
    """Another."""

    kind: Literal["dog"] = "dog"
    weight_kg: float


class Shelf(Settings):
    """A section with a rule that ties fields together."""

    low: float = 0.0
    high: float = 1.0

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise SettingError.of(("low", "high"), (self.low, self.high), "should ascend")
        return self


class House(Settings):
    """A table with sections, a union, a list and an option."""

    animal: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]
    shelf: Shelf = Shelf()
    rooms: Annotated[
        tuple[Annotated[int, pydantic.Field(ge=1)], ...], pydantic.Field(min_length=1)
    ] = (1,)
    colour: Literal["red", "blue"] | None = None


GOOD: dict[str, Any] = {
    "animal": {"kind": "dog", "weight_kg": 3},
    "shelf": {"low": 0.5},
    "rooms": [1, 2],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"romms": [1]}, "unknown key 'romms': did you mean 'rooms'?"),
        ({"zzz": 1}, "unknown key 'zzz': valid: animal, shelf, rooms, colour"),
        ({"shelf": {"lo": 1}}, "unknown key 'shelf.lo': did you mean 'low'?"),
        ({"animal": {"kind": "dog"}}, "'animal.weight_kg' is missing"),
        ({"animal": {"kind": "dgo", "weight_kg": 3}}, "'animal.kind' = 'dgo': did you mean 'dog'?"),
        ({"animal": {"kind": "fish"}}, "'animal.kind' = 'fish': valid: cat, dog"),
        ({"animal": {"weight_kg": 3}}, "'animal.kind' is missing"),
        (
            {"animal": {"kind": "cat", "lives": 10}},
            "'animal.lives' = 10: should be less than or equal to 9",
        ),
        (
            {"animal": {"kind": "cat", "lives": 3.0}},
            "'animal.lives' = 3.0: should be a valid integer",
        ),
        (
            {"animal": {"kind": "cat", "lives": True}},
            "'animal.lives' = True: should be a valid integer",
        ),
        (
            {"animal": {"kind": "dog", "weight_kg": "3"}},
            "'animal.weight_kg' = '3': should be a valid number",
        ),
        (
            {"animal": {"kind": "dog", "weight_kg": float("nan")}},
            "'animal.weight_kg' = nan: should be a finite number",
        ),
        (
            {"animal": {"kind": "dog", "weight_kg": float("inf")}},
            "'animal.weight_kg' = inf: should be a finite number",
        ),
        ({"animal": 3}, "'animal' = 3: should be a table"),
        ({"shelf": [1]}, "'shelf' = (1,): should be a table"),
        ({"shelf": {"low": 2}}, "'shelf.low' = 2.0 and 'shelf.high' = 1.0: should ascend"),
        ({"rooms": 3}, "'rooms' = 3: should be a list"),
        ({"rooms": []}, "'rooms' = []: should name at least 1"),
        ({"rooms": [0]}, "'rooms.0' = 0: should be greater than or equal to 1"),
        ({"rooms": [1, 0, 2]}, "'rooms.1' = 0: should be greater than or equal to 1"),
        ({"colour": "green"}, "'colour' = 'green': should be 'red' or 'blue'"),
        (
            {"rooms": [0], "colour": 1},
            "'rooms.0' = 0: should be greater than or equal to 1; 'colour' = 1: should be 'red' or "
            "'blue'",
        ),
    ],
)
def test_an_error_says_this_and_no_more(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        House.from_table(GOOD | changes)
    assert str(caught.value) == message


def test_a_missing_section_is_named() -> None:
    with pytest.raises(SettingError, match=r"^'animal' is missing$"):
        House()


def test_where_opens_the_message() -> None:
    with pytest.raises(SettingError, match=r"^house.toml: 'rooms' = 3"):
        House.from_table(GOOD | {"rooms": 3}, "house.toml")


def test_a_setting_error_is_both_a_stochsim_error_and_a_value_error() -> None:
    assert issubclass(SettingError, StochsimError)
    assert issubclass(SettingError, ValueError)


def test_settings_are_frozen_and_hashable() -> None:
    house = House.from_table(GOOD)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        house.rooms = (3,)  # type: ignore[misc]
    assert hash(house) == hash(House.from_table(GOOD))


def test_integers_are_taken_for_floats_as_toml_writers_mean_them() -> None:
    assert House.from_table(GOOD) == House.from_table(
        GOOD | {"animal": {"kind": "dog", "weight_kg": 3.0}}
    )


def test_toml_round_trip(tmp_path: Path) -> None:
    house = House.from_table(GOOD)
    write_toml(tmp_path / "house.toml", house.to_table())
    assert House.from_table(read_toml(tmp_path / "house.toml")) == house
    assert "colour" not in house.to_table()
    assert House.from_table(house.to_table() | {"colour": "red"}) != house


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"rooms = [1,\n2\nx = 3\n", r"3: not valid TOML .*line 3"),
        (b"\xff\xfe", " not UTF-8 text [(]UTF-16[)]: save it as UTF-8"),
        (b"a = 1\na = 2\n", "2: not valid TOML"),
    ],
)
def test_bad_toml_names_the_file_and_the_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=f"house.toml:{message}"):
        read_toml(path)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none.toml: cannot be read \(No such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(SettingError, match=r"cannot be read \(a folder, where a file is expected"):
        read_toml(tmp_path)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("bts", "did you mean 'bits'?"),
        ("BITS", "did you mean 'bits'?"),
        (7, "valid: bits, noise"),
        ("", "valid: bits, noise"),
    ],
)
def test_nearest(value: object, sentence: str) -> None:
    assert nearest(value, ["bits", "noise"]) == sentence


TEXT = """\
# a comment
name = "x"
tuple = [
  1,
  2]

[a.b]
text = \'\'\'
[a.c]
key = 1
\'\'\'
  "quoted key" = 1
c.d = 2
in = { line = { key = 3 } }

['a'.e] # another
f = 1

[[list]]
x = 1

[[list]]
x = 2
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("name", 2),
        ("tuple", 3),
        ("tuple.1", 3),
        ("a", 7),
        ("a.b", 7),
        ("a.b.text", 8),
        ("a.c", None),
        ("a.b.quoted key", 12),
        ("a.b.c", 13),
        ("a.b.c.d", 13),
        ("a.b.in", 14),
        ("a.b.in.line.key", 14),
        ("a.e", 16),
        ("a.e.f", 17),
        ("list", 19),
        ("list.0.x", 20),
        ("list.1", 22),
        ("list.1.x", 23),
        ("list.2", None),
        ("nothing", None),
        ("name.x", None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_a_key(place: str, line: int | None, end: str) -> None:
    assert line_of(TEXT.replace("\n", end), tuple(place.split("."))) == line


def test_the_line_of_a_key_before_bad_toml() -> None:
    assert line_of("a = 1\nb = 2\nc = = 3\nd = 4\n", ("b",)) == 2
    assert line_of("a = 1\nb = 2\nc = = 3\nd = 4\n", ("d",)) is None


@pytest.mark.parametrize(
    ("changes", "places", "texts"),
    [
        ({"romms": [1]}, [("romms",)], ["unknown key 'romms': did you mean 'rooms'?"]),
        ({"shelf": {"lo": 1}}, [("shelf", "lo")], ["unknown key 'shelf.lo': did you mean 'low'?"]),
        (
            {"shelf": {"low": 2}},
            [("shelf", "low")],
            ["'shelf.low' = 2.0 and 'shelf.high' = 1.0: should ascend"],
        ),
        (
            {"animal": {"kind": "dog"}},
            [("animal", "weight_kg")],
            ["'animal.weight_kg' is missing"],
        ),
        (
            {"rooms": [1, 0], "colour": 1},
            [("rooms", "1"), ("colour",)],
            [
                "'rooms.1' = 0: should be greater than or equal to 1",
                "'colour' = 1: should be 'red' or 'blue'",
            ],
        ),
    ],
)
def test_an_error_knows_the_place_of_each_fault(
    changes: dict[str, Any], places: list[tuple[str, ...]], texts: list[str]
) -> None:
    with pytest.raises(SettingError) as caught:
        House.from_table(GOOD | changes, "house.toml")
    assert [fault.places[0] for fault in caught.value.faults] == places
    assert [fault.text for fault in caught.value.faults] == texts
    assert caught.value.field == places[0]


def test_an_error_survives_copying() -> None:
    with pytest.raises(SettingError) as caught:
        House.from_table(GOOD | {"rooms": 3})
    again = copy.copy(caught.value)
    assert (str(again), again.faults) == (str(caught.value), caught.value.faults)
    assert SettingError("no field").field == ()


def test_settings_without_names_are_refused_with_those_that_are_needed():
    with pytest.raises(SettingError, match=r"given by name: Dog\(weight_kg=…\)$"):
        Dog(30.0)
    with pytest.raises(SettingError, match=r"given by name: Shelf\(low=…, high=…\)$"):
        Shelf(0.0, 1.0)

"""Editing a chip: what an edit does not name stays as it was, or the error says so; through every
door, for every preset and every setting.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from settingtable import CHANGES, setting_paths

from stochsim.energy import Entry
from stochsim.hardware import Adc, Array, Hardware, Noise, describe, preset, presets
from stochsim.settings import SettingError, Settings, has_section, value_at, write_toml

ENTRY = Entry(
    kind="adc", formula="2*bits", unit="fJ per conversion", source="test chip", tag="user"
)


def leaves(part: Any, address: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a chip with its address; entries of tables are values of their own."""
    if isinstance(part, Settings):
        for name in type(part).model_fields:
            yield from leaves(getattr(part, name), f"{address}.{name}".lstrip("."))
    elif isinstance(part, dict) and part:
        for key, value in part.items():
            yield from leaves(value, f"{address}.{key}")
    else:
        yield address, part


def others_moved(before: Hardware, after: Hardware, address: str) -> list[str]:
    """Addresses of settings that differ, but for the one that was set, provenance, and what belongs
    to a price that was replaced.
    """
    old = dict(leaves(before))
    new = dict(leaves(after))
    provenance = ("sources", "description")
    allowed = (address, *provenance, f"prices.parameters.{address.removeprefix('prices.')}")
    return [
        each
        for each in {*old, *new}
        if old.get(each) != new.get(each)
        and not any(each == one or each.startswith(f"{one}.") for one in allowed)
        and not (each == "prices.parameters" and address.startswith("prices."))
    ]


def values_for(chip: Hardware, address: str) -> list[Any]:
    """Values that the setting does not have: those of the table of settings, and None."""
    given = (tuple(one) if isinstance(one, list) else one for one in CHANGES[address].values)
    present = value_at(chip, address)
    return [value for value in (*given, None) if value != present]


@pytest.mark.parametrize("name", presets())
def test_an_edit_of_any_setting_keeps_all_others(name: str) -> None:
    """By with_, and by replace of its section; what is taken has the value that was given."""
    chip = preset(name)
    taken = set()
    for address in filter(lambda one: has_section(chip, one), setting_paths()):
        for value in values_for(chip, address):
            try:
                found = chip.with_({address: value})
            except SettingError:
                continue
            assert value_at(found, address) == value or isinstance(value, dict)
            assert others_moved(chip, found, address) == []
            assert found.description == marked(chip, address)
            assert found == by_replace(chip, address, value)
            taken.add(address)
    assert len(taken) >= 25


def marked(chip: Hardware, address: str) -> str:
    """The description of a chip of which one edit changed this setting; parameters of prices are
    one setting, and those of a price that is replaced go with it.
    """
    loses_parameters = address.removeprefix("prices.") in chip.prices.parameters
    names = f"{address}, prices.parameters" if loses_parameters else address
    return f"edited: {names}; before: {chip.description}"


def by_replace(chip: Hardware, address: str, value: Any) -> Hardware:
    """The same edit, section by section."""
    head, _, rest = address.partition(".")
    if not rest:
        return chip.replace(**{head: value})
    return chip.replace(**{head: getattr(chip, head).with_({rest: value})})


def test_an_address_builds_an_absent_section_as_a_table_does() -> None:
    """For every setting: both give the same chip, or refuse."""
    chip = preset("digital-45nm")
    built = 0
    for address in setting_paths():
        if has_section(chip, address):
            continue
        head, _, rest = address.partition(".")
        value = values_for(chip, address)[0]
        try:
            expected = chip.replace(**{head: nested(rest, value)})
        except SettingError as refused:
            with pytest.raises(SettingError, match=re.escape(str(refused))):
                chip.with_({address: value})
            continue
        assert chip.with_({address: value}) == expected
        assert expected.array is not None
        built += 1
    assert built >= 10


def test_an_edit_that_resets_others_would_be_seen() -> None:
    chip = preset("rram-array")
    reset = Hardware(**dict(chip) | {"array": Array(rows=64)})
    assert "array.cells.device" in others_moved(chip, reset, "array.rows")


@pytest.mark.parametrize("name", presets())
def test_a_table_for_a_section_keeps_what_it_does_not_name(name: str) -> None:
    """By replace, with_ and model_copy, at every depth: replace(array={"rows": 64}) made ideal
    cells of rram-wan, offset columns of differential ones, and ADCs without noise.
    """
    chip = preset(name)
    tried = 0
    for address in setting_paths():
        section, _, rest = address.partition(".")
        if not rest or value_at(chip, address.rpartition(".")[0]) is None:
            continue
        for value in values_for(chip, address)[:1]:
            table = nested(rest, value)
            try:
                expected = chip.with_({address: value})
            except SettingError:
                with pytest.raises(SettingError):
                    chip.replace(**{section: table})
                continue
            assert chip.replace(**{section: table}) == expected
            assert chip.with_({section: table}) == expected
            assert chip.model_copy(update={section: table}) == expected
            tried += 1
    assert tried >= 20


def nested(address: str, value: Any) -> dict[str, Any]:
    """The table that says what an address and its value say: {"adc": {"bits": 6}}."""
    name, _, rest = address.partition(".")
    return {name: nested(rest, value) if rest else value}


def test_an_object_takes_the_place_of_a_section_whole() -> None:
    """Its fields are all given, by whoever made it."""
    chip = preset("rram-array")
    for found in (chip.replace(array=Array(rows=64)), chip.with_({"array": Array(rows=64)})):
        assert found.array == Array(rows=64)


def test_a_section_that_is_not_there_may_be_a_table() -> None:
    chip = preset("digital-45nm").with_(
        {"prices.scaling": {"node_nm": 20.0, "voltage_v": 0.8}, "prices.random": "random-none"}
    )
    assert chip.prices.scaling is not None


@pytest.mark.parametrize(
    ("addresses", "table"),
    [
        ({"array.rows": 64}, {"array": {"rows": 64}}),
        ({"array.rows": 64, "array.adc.bits": 6}, {"array": {"rows": 64, "adc": {"bits": 6}}}),
        ({"array.adc.bits": 6}, {"array": {"adc.bits": 6}}),
        ({"array.adc.bits": 6}, {"array": Array(adc=Adc(bits=6))}),
    ],
)
def test_addresses_build_the_section_that_a_table_builds(addresses: Any, table: Any) -> None:
    """As an heir's file does; what they do not name is at its default."""
    chip = preset("digital-45nm")
    assert chip.with_(addresses) == chip.with_(table) == chip.replace(**table)
    found = chip.with_(addresses).array
    assert found is not None
    assert (found.columns, found.adc.bits) == (128, addresses.get("array.adc.bits", 8))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"prices.scaling.node_nm": 20.0}, "'prices.scaling.voltage_v' is missing"),
        ({"prices.scaling": {"node_nm": 20.0}}, "'prices.scaling.voltage_v' is missing"),
        ({"array.rwos": 8}, "unknown key 'array.rwos': did you mean 'rows'?"),
        ({"array.adc.bits": 13}, "'array.adc.bits' = 13: should be less than or equal to 12"),
        ({"array": {}}, "'array' = {}: names nothing"),
        ({"array": {"adc": {}, "adc.bits": 3}}, "'array.adc' = {}: is given whole and in part"),
        ({"array": {3: 4}}, "= 3: should be an address"),
        ({"noise.read_sigma_fs.much": 0.1}, "'read_sigma_fs' is a value, no section"),
        ({"memory.voltage_over_vmin.v": 0.1}, "'voltage_over_vmin' is a value, no section"),
    ],
)
def test_a_section_that_cannot_be_built_says_why(edit: Any, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        preset("digital-45nm").with_(edit)
    assert message in str(caught.value)


def test_the_description_says_what_edits_changed_since_it_was_written(tmp_path: Path) -> None:
    """All of them, each once; "128 rows" stood for chips of 64."""
    chip = preset("rram-array")
    found = chip.with_({"array.rows": 64}).with_({"array.cells.age_s": 86400.0})
    assert chip.with_({"array.rows": 64}).replace(array={"rows": 32}).description == (
        f"edited: array.rows; before: {chip.description}"
    )
    marked = f"edited: array.rows, array.cells.age_s; before: {chip.description}"
    assert found.description == marked
    assert "about        edited: array.rows, array.cells.age_s; before: RRAM" in str(found)
    assert "(weight/input/output). edited: array.rows, array.cells.age_s; before:" in describe(
        found
    )
    found.write(tmp_path / "edited.toml")
    again = Hardware.read(tmp_path / "edited.toml").with_({"array.columns": 64})
    assert again.description.startswith("edited: array.rows, array.cells.age_s, array.columns; ")
    other = preset("digital-45nm")
    digital = chip.replace(array=None, prices=other.prices, random=other.random)
    assert digital.description.startswith("edited: array, prices.")


def test_a_description_stays_where_no_setting_changed_and_where_it_is_given() -> None:
    chip = preset("rram-array")
    for edit in ({"name": "mine"}, {"array.rows": 128}, {"sources": ()}):
        assert chip.with_(edit).description == chip.description
    assert chip.with_({"array.rows": 64, "description": "64 rows"}).description == "64 rows"
    assert chip.with_({"description": ""}).with_({"array.rows": 64}).description == ""
    spoken = chip.with_({"description": "Edited: by hand; before: a sketch"})
    assert spoken.with_({"array.rows": 64}).description == (
        "edited: array.rows; before: Edited: by hand; before: a sketch"
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            {"array.adc": {}},
            "'array.adc' = {}: names nothing, and what it does not name stays; valid: Adc() for",
        ),
        (
            {"prices.parameters": {}},
            "stays; valid: with_({'prices.parameters.cell': None})",
        ),
        ({"array": {"adc": {"bit": 6}}}, "unknown key 'array.adc.bit': did you mean 'bits'?"),
        (
            {"array": Array(), "array.rows": 64},
            "is given whole and in part, by 'array.rows'; valid: one of the two",
        ),
        ({"prices.parameters.adc": None}, "unknown key 'prices.parameters.adc': there is none"),
        ({"prices.parameters.cell.read_w": 0.3}, "did you mean 'read_v'?"),
        ({"array.rows.much": 3}, "'rows' is a value, no section"),
        ({3: 4}, "'settings' = 3: should be an address"),
        ([("array.rows", 64)], "should be a table of addresses and values"),
    ],
)
def test_an_edit_that_would_lose_something_says_so(edit: Any, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        preset("pcm-hermes-array").with_(edit)
    assert message in str(caught.value)


def test_an_address_leads_into_tables() -> None:
    chip = preset("pcm-hermes-array")
    found = chip.with_({"prices.parameters.cell.read_v": 0.3})
    for table in ({"read_v": 0.3}, {"cell": {"read_v": 0.3}}):
        address = "prices.parameters.cell" if "read_v" in table else "prices.parameters"
        assert chip.with_({address: table}) == found
    more = {"prices.adc": "adc-accelergy", "prices.parameters": {"adc": {"node_nm": 7.0}}}
    assert set(chip.with_(more).prices.parameters) == {"adc", "cell"}
    fewer = chip.with_(more).with_({"prices.parameters.adc": None})
    assert set(fewer.prices.parameters) == {"cell"}
    assert found.prices.parameters == {
        "cell": {"read_v": 0.3, "conductance_us": 20.7, "time_ns": 512.0}
    }
    assert others_moved(chip, found, "prices.parameters.cell.read_v") == []
    own = chip.with_({"prices.own.mine": ENTRY, "prices.adc": "mine"})
    louder = own.with_({"prices.own.mine": {"formula": "3*bits", "source": "a second chip"}})
    assert louder.price_table()["adc"].energy_j((8,)) == pytest.approx(24e-15)
    assert louder.prices.own["mine"].tag == "user"
    assert own.with_({"prices.own.mine.note": "noisy"}).prices.own["mine"].source == "test chip"
    with pytest.raises(SettingError, match=r"'prices.own.mine.source' is missing"):
        own.with_({"prices.own.mine.formula": "3*bits"})


def test_a_price_that_is_replaced_takes_its_parameters_along() -> None:
    """Those of both prices are called alike: they would pass for the new price's."""
    chip = preset("pcm-hermes-array")
    for found in (
        chip.with_({"prices.cell": "cell-pcm-25us"}),
        chip.with_price("cell", "cell-pcm-25us"),
        chip.replace(prices=chip.prices.replace(cell="cell-pcm-25us")),
    ):
        assert found.prices.parameters == {}
        assert found.price_table()["cell"].energy_j(()) == pytest.approx(0.25e-12)
    other = chip.with_({"prices.cell": "cell-pcm-25us", "prices.parameters.cell.read_v": 0.4})
    assert other.prices.parameters == {"cell": {"read_v": 0.4}}


def test_a_copy_with_an_update_is_checked() -> None:
    """pydantic's own is not: it took any name and any value."""
    chip = preset("rram-array")
    assert chip.model_copy() == chip
    assert chip.model_copy(update={"noise": Noise(read_sigma=0.1)}).noise.read_sigma == 0.1
    for update in ({"nosie": Noise()}, {"noise": 3}):
        with pytest.raises(SettingError, match="nois"):
            chip.model_copy(update=update)


def addressed(chip: Hardware) -> str:
    return " | ".join(chip.sources)


def test_the_source_of_a_price_goes_with_it() -> None:
    chip = preset("rram-array")
    assert "prices.adc: ZigZag" in addressed(chip)
    for found in (
        chip.with_({"prices.adc": "adc-accelergy"}),
        chip.with_price("adc", "adc-accelergy"),
        chip.replace(prices=chip.prices.with_price("adc", "adc-accelergy")),
        chip.with_({"prices.adc": "mine", "prices.own.mine": ENTRY}),
    ):
        assert "prices.adc" not in addressed(found)
        assert "prices.dac: ZigZag" in addressed(found)
        assert set(found.sources) < set(chip.sources)
    assert chip.with_({"prices.adc": "adc-zigzag-28nm"}).sources == chip.sources


def test_an_address_goes_from_a_source_that_holds_for_others() -> None:
    chip = preset("rram-array").with_({"array.rows": 64})
    assert "array.adc.bits: engineering default" in chip.sources
    assert "array.rows" not in addressed(chip)
    other = preset("digital-45nm")
    digital = preset("sram-array-28nm").replace(
        array=None, prices=other.prices, random=other.random
    )
    assert digital.sources == (
        "prices.add, prices.code_memory: digital shift and add and code buffers of QKeras QTools, "
        "45 nm [src]",
    )


def test_parameters_and_own_entries_are_part_of_a_price_with_a_source() -> None:
    chip = preset("pcm-hermes-array")
    assert "prices.cell: V² G t" in addressed(chip)
    assert "prices.cell" not in addressed(chip.with_({"prices.parameters.cell.read_v": 0.3}))
    own = chip.with_(
        {"prices.adc": "mine", "prices.own.mine": ENTRY, "sources": ("prices.adc: X",)}
    )
    assert own.sources == ("prices.adc: X",)
    other = {"prices.own.mine": {"formula": "3*bits", "source": "a second chip"}}
    assert own.with_(other).sources == ()


def test_sources_without_an_address_stay_and_given_ones_are_taken() -> None:
    chip = preset("rram-array").replace(sources=("a design of my own: 65 nm", "array.rows: given"))
    assert chip.with_({"array.rows": 64}).sources == ("a design of my own: 65 nm",)
    assert chip.with_({"array.rows": 64, "sources": ("array.rows: new",)}).sources == (
        "array.rows: new",
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("prices.adcs: mine", "'sources' = 'prices.adcs': a source is about settings that there"),
        ("prices.adcs: mine", "; did you mean 'prices.adc'?"),
        ("array.adc.bit: mine", "; did you mean 'array.adc.bits'?"),
    ],
)
def test_an_address_of_a_source_that_leads_nowhere_is_refused(source: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        preset("rram-array").replace(sources=(source,))
    assert message in str(caught.value)


HEIR = """\
name = "heir"
inherits = "rram-array"
{sources}
[prices]
adc = "mine"

[prices.own.mine]
kind = "adc"
formula = "2*bits"
unit = "fJ per conversion"
source = "test chip"
tag = "user"
"""


def test_an_own_price_takes_the_place_of_its_inherited_source(tmp_path: Path) -> None:
    path = tmp_path / "heir.toml"
    path.write_text(HEIR.format(sources=""), encoding="utf-8")
    assert "prices.adc" not in addressed(Hardware.read(path))
    path.write_text(HEIR.format(sources='sources = ["prices.adc: test chip, 2024"]'))
    found = Hardware.read(path).sources
    assert [line for line in found if "prices.adc" in line] == ["prices.adc: test chip, 2024"]
    assert "prices.dac: ZigZag, 28 nm [src]" in found


def test_an_own_price_with_another_figure_needs_a_source_of_its_own(tmp_path: Path) -> None:
    """The base's would be named for a figure that it never gave."""
    (tmp_path / "base.toml").write_text(HEIR.format(sources=""), encoding="utf-8")
    heir = tmp_path / "second.toml"
    text = 'name = "second"\ninherits = "base.toml"\n[prices.own.mine]\nformula = "3*bits"\n'
    heir.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=r"second.toml:4: 'prices.own.mine.source' is missing"):
        Hardware.read(heir)
    heir.write_text(f'{text}source = "a second chip"\n', encoding="utf-8")
    entry = Hardware.read(heir).prices.own["mine"]
    assert (entry.formula, entry.source, entry.unit) == ("3*bits", "a second chip", ENTRY.unit)


def test_an_heir_that_names_another_price_leaves_the_own_one_out(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(HEIR.format(sources=""), encoding="utf-8")
    heir = tmp_path / "second.toml"
    heir.write_text('name = "b"\ninherits = "base.toml"\n[prices]\nadc = "adc-rekhi"\n')
    assert Hardware.read(heir).prices.own == {}


@pytest.mark.parametrize("name", presets())
def test_an_heir_of_one_setting_is_its_base_edited(name: str, tmp_path: Path) -> None:
    """For every setting: the file says what with_ says, and both refuse the same."""
    chip = preset(name)
    read = 0
    for address in setting_paths():
        value = values_for(chip, address)[0]
        if value is None or value_at(chip, address.rpartition(".")[0]) is None:
            continue
        table = {"name": chip.name, "description": chip.description, "inherits": name}
        write_toml(tmp_path / "heir.toml", table | nested(address, plain_value(value)))
        try:
            expected = chip.with_({address: value})
        except SettingError:
            with pytest.raises(SettingError):
                Hardware.read(tmp_path / "heir.toml")
            continue
        described = expected.replace(description=chip.description)
        assert Hardware.read(tmp_path / "heir.toml") == described
        read += 1
    assert read >= 20


def plain_value(value: Any) -> Any:
    """A value as TOML has it."""
    return list(value) if isinstance(value, tuple) else value


def test_a_source_of_the_heirs_own_takes_the_place_of_the_bases(tmp_path: Path) -> None:
    """Though the setting is as it was."""
    path = tmp_path / "heir.toml"
    path.write_text('name = "heir"\ninherits = "rram-array"\nsources = ["array.rows: measured"]\n')
    found = Hardware.read(path).sources
    assert found[-1] == "array.rows: measured"
    assert "array.adc.bits: engineering default" in found


def test_dropped_sections_take_their_sources_along(tmp_path: Path) -> None:
    path = tmp_path / "heir.toml"
    path.write_text('name = "heir"\ninherits = "rram-array"\nwithout = ["array.cells"]\n')
    assert "array.cells" not in addressed(Hardware.read(path))


@pytest.mark.parametrize("name", presets())
def test_each_source_of_a_preset_names_its_settings(name: str) -> None:
    """So that none can outlive what it is about."""
    for line in preset(name).sources:
        opening = line.partition(": ")[0].split(", ")
        assert all(value_at(preset(name), address) is not None for address in opening)


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "a" * 201])
def test_names_of_chips_are_shown_on_one_line(name: str) -> None:
    with pytest.raises(SettingError, match="'name' = "):
        preset("digital-45nm").replace(name=name)


def test_sources_of_cells_go_with_their_device() -> None:
    chip = preset("rram-array")
    assert any(one.startswith("array.cells.age_s: ") for one in chip.sources)
    other = chip.with_({"array.cells.device": "pcm-nandakumar", "array.cells.age_s": 3600.0})
    same_age = chip.with_({"array.cells.device": "pcm-nandakumar"})
    for edited in (other, same_age):
        assert not any("Wan" in one for one in edited.sources if one.startswith("array.cells"))

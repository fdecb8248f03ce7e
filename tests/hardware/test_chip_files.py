"""Chip files that inherit: what is merged, what is dropped, which bases are refused."""

from pathlib import Path
from typing import Any

import pytest

from stochsim.hardware import Cells, Hardware, chip_files, preset, presets
from stochsim.settings import SettingError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "chips"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """A function (name, text) -> path of a file beside the others."""

    def writer(name: str, text: str) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return writer


def refusal(path: Path) -> str:
    with pytest.raises(SettingError) as caught:
        Hardware.read(path)
    return str(caught.value)


def test_an_heir_is_its_base_with_its_own_keys_first(write: Any) -> None:
    heir = Hardware.read(
        write(
            "heir.toml",
            "name = 'heir'\ninherits = 'rram-array'\narray.rows = 64\n[array.adc]\nbits = 6\n",
        )
    )
    base = preset("rram-array")
    table = base.to_table()
    table["array"]["rows"] = 64
    table["array"]["adc"]["bits"] = 6
    table["sources"].remove("array.rows, array.adc.bits: engineering default")
    assert heir == Hardware(**{**table, "name": "heir", "description": "Based on rram-array."})
    assert (heir.array.columns, heir.array.adc.sigma_lsb) == (
        base.array.columns,
        base.array.adc.sigma_lsb,
    )


def test_an_heir_that_changes_nothing_is_its_base(write: Any) -> None:
    for name in presets():
        heir = Hardware.read(write("heir.toml", f"name = 'heir'\ninherits = '{name}'\n"))
        assert heir == preset(name).replace(name="heir", description=f"Based on {name}.")


def test_lists_are_replaced_but_sources_appended(write: Any) -> None:
    write(
        "base.toml",
        "name = 'base'\ninherits = 'rram-array'\nsources = ['a', 'b']\n[array.adc]\nbits = "
        "2\ndnl_lsb = [0.1, 0.2]\n",
    )
    heir = Hardware.read(
        write(
            "heir.toml",
            "name = 'h'\ninherits = 'base.toml'\nsources = ['c', 'b']\narray.adc.dnl_lsb = "
            "[0.3, 0.0]\n",
        )
    )
    above = list(preset("rram-array").sources)
    above[above.index("array.rows, array.adc.bits: engineering default")] = (
        "array.rows: engineering default"  # of ADCs with 8 bits
    )
    assert heir.sources == (*above, "a", "b", "c")
    assert heir.array.adc.dnl_lsb == (0.3, 0.0)


def test_a_chain_of_three_across_folders(write: Any) -> None:
    write(
        "far/base.toml",
        "name = 'base'\ninherits = 'digital-45nm'\naccumulator_bits = 20\n[noise]\nread_sigma = "
        "0.5\nfamily = 'logistic'\n",
    )
    write(
        "middle.toml", "name = 'middle'\ninherits = 'far/base.toml'\n[noise]\nread_sigma = 0.25\n"
    )
    path = write(
        "heir.toml",
        "name = 'heir'\ndescription = 'own'\ninherits = 'middle.toml'\n[random]\nthreshold_bits = "
        "8\n",
    )
    heir = Hardware.read(path)
    assert (heir.name, heir.description, heir.accumulator_bits) == ("heir", "own", 20)
    assert (heir.noise.read_sigma, heir.noise.family, heir.random.threshold_bits) == (
        0.25,
        "logistic",
        8,
    )
    assert chip_files(path).chain == ("heir.toml", "middle.toml", "base.toml", "digital-45nm")


def test_an_heir_drops_sections_and_keys_of_its_base(write: Any) -> None:
    text = (
        "name = 'heir'\ninherits = 'rram-array-1-day'\nwithout = ['array.cells', 'sources', "
        "'prices.cell']\n"
    )
    heir = Hardware.read(write("heir.toml", text))
    assert heir.array.cells == Cells()
    assert (heir.sources, heir.prices.cell, heir.array.adc) == (
        (),
        "cell-none",
        preset("rram-array").array.adc,
    )
    again = Hardware.read(write("again.toml", text + "[array.cells]\ndevice = 'rram-milo'\n"))
    assert (again.array.cells.device, again.array.cells.age_s) == ("rram-milo", None)
    digital = Hardware.read(
        write(
            "digital.toml",
            "name = 'd'\ninherits = 'sram-array-28nm'\nwithout = ['array', 'prices.line']\n",
        )
    )
    assert digital.array is None
    child = Hardware.read(
        write("child.toml", "name = 'c'\ninherits = 'digital.toml'\n[array]\nrows = 3\n")
    )
    assert (child.array.rows, child.array.adc.sigma_lsb) == (3, 0.0)


def test_another_price_does_not_inherit_the_parameters_of_the_old(write: Any) -> None:
    base = preset("pcm-hermes-array").prices
    assert base.parameters == {"cell": {"read_v": 0.2, "conductance_us": 20.7, "time_ns": 512}}
    start = "name = 'heir'\ninherits = 'pcm-hermes-array'\n[prices]\n"
    assert Hardware.read(
        write("heir.toml", start + "cell = 'cell-pcm-25us'\n")
    ).prices == base.with_price("cell", "cell-pcm-25us")
    finer = Hardware.read(
        write("heir.toml", start + "cell = 'cell-ohmic'\nparameters.cell.read_v = 0.3\n")
    ).prices
    assert finer.parameters["cell"] == base.parameters["cell"] | {"read_v": 0.3}


def test_what_was_read_is_written_whole(write: Any, tmp_path: Path) -> None:
    heir = Hardware.read(
        write(
            "heir.toml",
            "name = 'heir'\ninherits = 'pcm-array-1-month'\nwithout = "
            "['array.cells.drift_compensation']\n",
        )
    )
    heir.write(tmp_path / "whole.toml")
    assert "inherits" not in (tmp_path / "whole.toml").read_text()
    assert Hardware.read(tmp_path / "whole.toml") == heir
    assert chip_files(tmp_path / "whole.toml").chain == ("whole.toml",)


def test_csv_files_are_relative_to_the_file_that_names_them(write: Any) -> None:
    device = "g_us,programming_sigma_us\n0,0.5\n20,1\n"
    write("far/cells.csv", device)
    text = (
        "name = 'base'\ninherits = 'rram-array'\nwithout = "
        "['array.cells']\n[array.cells]\ndevice = 'measured'\ndevice_csv = 'cells.csv'\n"
    )
    write("far/base.toml", text)
    assert (
        Hardware.read(
            write("heir.toml", "name = 'h'\ninherits = 'far/base.toml'\n")
        ).array.cells.device_csv
        == device
    )


@pytest.mark.parametrize(
    ("files", "where", "message"),
    [
        (
            {"a": "inherits = 'a.toml'"},
            "a.toml:2",
            "'inherits' = 'a.toml': closes a loop: a.toml -> a.toml",
        ),
        (
            {"a": "inherits = 'b.toml'", "b": "\ninherits = 'a.toml'"},
            "b.toml:3",
            "closes a loop: a.toml -> b.toml -> a.toml",
        ),
        (
            {"a": "inherits = 'b.toml'", "b": "inherits = 'c.toml'", "c": "inherits = './b.toml'"},
            "c.toml:2",
            "'inherits' = './b.toml': closes a loop: a.toml -> b.toml -> c.toml -> ./b.toml",
        ),
        (
            {"a": "inherits = 'bb.toml'", "b": ""},
            "a.toml:2",
            "'inherits' = 'bb.toml': no such file (a.toml -> bb.toml); did you mean 'b.toml'?",
        ),
        (
            {"a": "inherits = 'b.toml'"},
            "a.toml:2",
            "'inherits' = 'b.toml': no such file, and none lies beside it (a.toml -> b.toml)",
        ),
        (
            {"a": "inherits = 'rram-aray'"},
            "a.toml:2",
            "'inherits' = 'rram-aray': no such preset (a.toml -> rram-aray); did you mean "
            "'rram-array'?",
        ),
        (
            {"a": "inherits = 'b.toml'", "b": "# one\n# two\ninherits = 'nothing like it'"},
            "b.toml:4",
            f"no such preset (a.toml -> b.toml -> nothing like it); valid: {', '.join(presets())}",
        ),
        (
            {"a": "inherits = 3"},
            "a.toml:2",
            "'inherits' = 3: should be a preset's name or a file \"NAME.toml\"",
        ),
        (
            {"a": "inherit = 'rram-array'"},
            "a.toml:2",
            "unknown key 'inherit': did you mean 'inherits'?",
        ),
        (
            {"a": "inherits = 'rram-array'\nwithou = ['array']"},
            "a.toml:3",
            "unknown key 'withou': did you mean 'without'?",
        ),
        (
            {"a": "inherits = 'rram-array'\nwithout = 'array'"},
            "a.toml:3",
            "'without' = 'array': should be a list of names of sections or keys",
        ),
        (
            {"a": "without = ['array']"},
            "a.toml:2",
            "'without' = ['array']: belongs to 'inherits', which is not given",
        ),
        (
            {"a": "inherits = 'rram-array'\nwithout = ['aray']"},
            "a.toml:3",
            "'without' = 'aray': its base does not have this; did you mean 'array'?",
        ),
        (
            {"a": "inherits = 'rram-array'\nwithout = ['array.rows.x']"},
            "a.toml:3",
            "'without' = 'array.rows.x': its base does not have this; did you mean 'array.rows'?",
        ),
        (
            {"a": "inherits = 'rram-array'\nwithout = ['name']"},
            "a.toml:3",
            "'without' = ['name']: names 'name', which is not inherited",
        ),
        (
            {"a": "inherits = 'rram-array'\nwithout = ['prices.add']"},
            "a.toml:3",
            "'prices.add' is missing",
        ),
    ],
)
def test_bases_that_are_refused(
    files: dict[str, str], where: str, message: str, write: Any, tmp_path: Path
) -> None:
    paths = [write(f"{name}.toml", f"name = '{name}'\n{text}\n") for name, text in files.items()]
    said = refusal(paths[0])
    assert said.startswith(f"{tmp_path / where}: ")
    assert message in said


def test_every_file_gives_its_own_name(write: Any, tmp_path: Path) -> None:
    assert (
        refusal(write("a.toml", "inherits = 'rram-array'\n"))
        == f"{tmp_path}/a.toml:1: 'name' is missing: every chip file gives its own"
    )
    write("base.toml", "inherits = 'rram-array'\n")
    assert refusal(write("b.toml", "name = 'b'\ninherits = 'base.toml'\n")).startswith(
        f"{tmp_path}/base.toml:1: 'name' is missing"
    )


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_read(path: Path) -> None:
    hardware = Hardware.read(path)
    assert hardware.name.replace("-", "_") == path.stem
    assert len(chip_files(path).chain) > 1


def test_the_example_changes_three_settings_and_names_a_source() -> None:
    mine = Hardware.read(EXAMPLES / "my_rram.toml")
    base = preset("rram-array")
    array = base.array.to_table() | {
        "rows": 64,
        "columns_per_adc": 8,
        "adc": base.array.adc.to_table() | {"bits": 6},
    }
    assert mine == base.replace(
        name="my-rram",
        description=mine.description,
        sources=mine.sources,
        array=type(base.array).from_table(array),
    )
    rest = [one for one in base.sources if not one.startswith("array.rows, array.adc.bits: ")]
    assert mine.sources[:-1] == tuple(rest)
    assert mine.sources[-1].startswith("array.rows, array.adc.bits, array.columns_per_adc: ")

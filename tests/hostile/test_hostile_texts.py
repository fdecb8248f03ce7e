"""Text of files in what is shown: encodings, control characters, numbers without end, tables of
other countries, and names that no file may keep.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tinystudy
import torch

import stochsim as ss
from stochsim.cli import main
from stochsim.energy.formula import parse_formula
from stochsim.energy.price_book import read_book
from stochsim.hardware import Hardware
from stochsim.hardware.measured_files import read_device
from stochsim.lowering import read_saved
from stochsim.program import Program, random_program
from stochsim.search.request import Request
from stochsim.settings import SettingError, StochsimError, printable, read_toml, write_toml
from stochsim.studies import Study

CHIP = 'name = "my chip"\ninherits = "rram-array"\n'
OWN = CHIP + (
    '[prices]\nadc = "mine"\n[prices.own.mine]\nkind = "adc"\nformula = "{formula}"\n'
    'unit = "{unit} per conversion"\nsource = "me"\ntag = "user"\n'
)
READERS = [Hardware.read, Study.read, Request.read, read_book, read_toml]


def own_price(folder: Path, formula: str = "0.002*bits", unit: str = "fJ") -> Hardware:
    path = folder / "chip.toml"
    path.write_text(OWN.format(formula=formula, unit=unit), encoding="utf-8")
    return Hardware.read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_utf_8_is_read_with_any_mark_and_ends_of_lines(
    encoding: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "chip.toml"
    path.write_bytes(CHIP.replace("my", "µ").replace("\n", end).encode(encoding))
    assert Hardware.read(path).name == "µ chip"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"])
@pytest.mark.parametrize("read", READERS)
def test_other_encodings_are_named(read: Any, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes('x = 1\nname = "1 µm"\n'.encode(encoding))
    named = "Latin-1" if encoding in ("latin-1", "cp1252") else encoding[:6].upper()
    with pytest.raises(SettingError, match=rf"not UTF-8 text .*{named}.*: save it as UTF-8"):
        read(path)


@pytest.mark.parametrize("sign", ["u", "\u00b5", "\u03bc"])
def test_micro_has_three_signs(sign: str, tmp_path: Path) -> None:
    price = own_price(tmp_path, unit=f"{sign}J").price_table()["adc"]
    assert price.unit == "µJ per conversion"
    assert price.energy_j((8,)) == pytest.approx(0.016e-6)


@pytest.mark.parametrize("formula", ["1e400", "1e308*bits", "9" * 400, "1e300*10**bits*V**9/V**9"])
def test_prices_are_finite(formula: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"(not|a) finite|math range error"):
        own_price(tmp_path, formula).with_precision(8, 8, 8).price_table()["adc"].energy_j((8,))


def test_a_formula_of_finite_numbers_may_overflow_where_it_is_evaluated() -> None:
    with pytest.raises(SettingError, match="not finite"):
        parse_formula("1e400", [])
    assert parse_formula("1e300 * a", ["a"])({"a": 2.0}) == 2e300


ROWS = "g_us{0}programming_sigma_us\n0{0}0.5\n20{0}1e-1\n40{0}0.25\n"


@pytest.mark.parametrize(
    "text",
    [
        ROWS.format(","),
        ROWS.format(";"),
        ROWS.format("\t"),
        ROWS.format(";").replace(".", ","),
        ROWS.format("\t").replace(".", ","),
        "# 0,5\n" + ROWS.format(";").replace(".", ","),
        ROWS.format(",").replace("_us", "_\u03bcs"),
    ],
)
def test_tables_of_every_country_say_the_same(text: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(text, encoding="utf-8-sig")
    device = read_device(path)
    assert (device.g_min_us, device.g_max_us) == (0.0, 40.0)
    at = np.array([0.0, 10.0, 40.0])
    np.testing.assert_allclose(device.programming(at, None), [0.5, 0.3, 0.25])


@pytest.mark.parametrize("cell", ["0.5", "1.000,5", "1,000,5", "4_0", "٣", "0x1", "inf", "1,"])
def test_cells_that_are_no_number_beside_decimal_commas(cell: str, tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    text = ROWS.format(";").replace(".", ",").replace("0,25", cell)
    path.write_text(text, encoding="utf-8")
    if cell == "1,":  # as Python reads "1."
        assert read_device(path).programming(np.array([40.0]), None) == 1.0
        return
    with pytest.raises(SettingError, match=rf"cells\.csv:4: .*{cell}.*: should be a finite number"):
        read_device(path)


@pytest.mark.parametrize("code", ["\\u001b[31m", "\\u009b2J", "\\u0000", "\\u007f"])
@pytest.mark.parametrize("line", ['"{}" = 1', 'name = "{}"', 'x = ["{}"]'])
@pytest.mark.parametrize("read", READERS)
def test_control_characters_stay_in_the_file(
    read: Any, line: str, code: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.toml"
    path.write_text(line.format(f"a{code}b") + "\n", encoding="utf-8")
    with pytest.raises(SettingError, match="holds the control character") as error:
        read(path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("words", [("sweep",), ("hardware", "show"), ("energy", "bill"), ("\x1b",)])
def test_control_characters_of_arguments_do_not_reach_the_terminal(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        try:
            code = main([*words, "a\x1b[31m\nb"])
        except SystemExit as stopped:
            code = int(str(stopped.code))
    assert code == 2
    assert "\x1b" not in capsys.readouterr().err


def test_long_names_are_cut(tmp_path: Path) -> None:
    write_toml(tmp_path / "study.toml", {**tinystudy.TINY, "k" * 100_000: "v" * 100_000})
    with pytest.raises(SettingError) as error:
        Study.read(tmp_path / "study.toml")
    assert len(str(error.value)) < 1_000


def test_printable() -> None:
    assert printable("µ → a\x1b\u202e\n\xa0") == r"µ → a\x1b\u202e\n\xa0"
    assert str(StochsimError("a\nb")) == r"a\nb"
    assert len(str(StochsimError("a" * 10**6))) == 8_000


def test_what_cannot_be_read_again_is_not_saved(tmp_path: Path) -> None:
    program, _ = random_program((6, 3), (4, 4, 4), sigma=0.5)
    layer = next(iter(program.layers.values()))
    with pytest.raises(StochsimError, match=r"'a\\x1bb': .*should be printable text"):
        Program({"a\x1bb": layer}, program.wiring, program.rho).save(tmp_path)
    assert not list(tmp_path.iterdir())
    Program({"a b": layer}, program.wiring, program.rho).save(tmp_path)
    assert list(ss.load_program(tmp_path).layers) == ["a b"]


def _spaced() -> torch.nn.Module:
    made = torch.nn.Sequential()
    made.add_module("a b", torch.nn.Linear(4, 3))
    return made.eval()


def _with_tail(value: float) -> torch.nn.Module:
    made = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(1), torch.nn.LayerNorm(3))
    with torch.no_grad():
        made[2].bias.fill_(value)
    return made.eval()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_spaced, "should be names joined by dots"),
        (lambda: _with_tail(3e38), "finite numbers of at most 1e"),
    ],
    ids=["a space", "large"],
)
def test_parts_of_a_network_that_no_file_keeps_are_named(
    make: Callable[[], torch.nn.Module], says: str, tmp_path: Path
) -> None:
    """The layers are read; the whole network is refused with what is missing of it."""
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    ss.convert(make(), ss.load_hardware("digital-45nm", bits=4), x).program.save(tmp_path)
    assert len(read_saved(tmp_path).layers) == 1
    with pytest.raises(StochsimError, match=f"but not the whole network: .*{says}"):
        ss.load_converted(tmp_path)

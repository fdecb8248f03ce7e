"""A bad entry of a price book is refused with its file and line, and so is a bad book."""

from pathlib import Path

import pytest
from bookfile import GOOD, write

from stochsim.energy.price_book import read_book, read_books
from stochsim.settings import SettingError


@pytest.mark.parametrize("missing", ["node_nm", "voltage_v", "no V", ""])
def test_polynomials_need_node_voltage_and_a_formula_without_V(
    tmp_path: Path, missing: str
) -> None:
    """Each of the three alone is refused; with all of them the entry scales."""
    lines = {"node_nm": "node_nm = 45", "voltage_v": "voltage_v = 0.9"}
    rest = "\n".join(line for name, line in lines.items() if name != missing)
    text = f'{GOOD}{rest}\nscaling = "polynomials"\n'
    if missing == "no V":
        text = text.replace("2*bits", "2*bits*V")
    path = write(tmp_path, text)
    if not missing:
        assert read_book(path)[0]["adc-mine"].scaling == "polynomials"
        return
    with pytest.raises(SettingError, match="needs 'node_nm' and 'voltage_v', and a formula with"):
        read_book(path)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("valid = 3", "'prices.adc-mine.valid'"),
        ("table = { -1 = 1.0 }", "'prices.adc-mine.table' = '-1'"),
        ('table = { "1.5" = 1.0 }', "'prices.adc-mine.table' = '1.5'"),
        ('table = { "٣" = 1.0 }', "'prices.adc-mine.table' = '٣'"),
        ("node_nm = 0", "'prices.adc-mine.node_nm' = 0"),
        ("voltage_v = 0", "'prices.adc-mine.voltage_v' = 0"),
        ("table = { 0 = 1.0 }", "'prices.adc-mine.table' = '0': should be a whole number"),
    ],
)
def test_what_is_no_node_voltage_width_or_range(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        read_book(write(tmp_path, f"{GOOD}{line}\n"))


@pytest.mark.parametrize(
    ("line", "instead", "complaint"),
    [
        ('unit = "fJ per conversion"', "", "'prices.adc-mine.unit' is missing"),
        ('source = "my desk"', "", "'prices.adc-mine.source' is missing"),
        ('source = "my desk"', 'source = ""', "'prices.adc-mine.source' = ''"),
        ('tag = "user"', "", "'prices.adc-mine.tag' is missing"),
        ('tag = "user"', 'tag = "usr"', "'prices.adc-mine.tag' = 'usr': did you mean 'user'"),
        ('kind = "adc"', 'kind = "adcs"', "'prices.adc-mine.kind' = 'adcs': did you mean 'adc'"),
        (
            'kind = "adc"',
            'kind = "reliability"',
            "'prices.adc-mine.kind' = 'reliability': valid: multiply",
        ),
        (
            'kind = "adc"',
            'kind = "weight_memory"',
            ".kind' = 'weight_memory': did you mean 'memory'",
        ),
        (
            'unit = "fJ per conversion"',
            'unti = "fJ per conversion"',
            "unknown key 'prices.adc-mine.unti': did you mean 'unit'",
        ),
        (
            'unit = "fJ per conversion"',
            'unit = "kJ per conversion"',
            "'prices.adc-mine.unit' = 'kJ per conversion': should be like",
        ),
        ('unit = "fJ per conversion"', 'unit = "fJ"', ".unit' = 'fJ': should be like"),
        (
            'formula = "2*bits"',
            'formula = "2*bit"',
            ".formula' = '2*bit': 'bit': unknown name; did you mean 'bits'",
        ),
        (
            'formula = "2*bits"',
            "formula = \"open('/etc/passwd')\"",
            "'open': unknown function; valid: ",
        ),
        ('formula = "2*bits"', 'formula = "bits.real"', "is not allowed"),
        ('formula = "2*bits"', 'formula = "2*table"', "'table': unknown name; valid: "),
        ('formula = "2*bits"', "", "'table': unknown name; valid: "),
        (
            'formula = "2*bits"',
            'formula = "-2*bits"',
            "'-2*bits' gives -1.6e-14 J at bits = 8: should be a number and not negative",
        ),
        (
            'formula = "2*bits"',
            'formula = "log(bits - 8)"',
            "gives nan J at bits = 8: math domain error",
        ),
        ('formula = "2*bits"', "table = { 4 = -1.0 }", "greater than or equal to 0"),
        (
            'formula = "2*bits"',
            "table = { wide = 1.0 }",
            ".table' = 'wide': should be a whole number",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\ntable = { 4 = 1.0 }',
            "'prices.adc-mine.table': 'table' is in no formula",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nparameters = { k = 1.0 }',
            ".parameters': 'k' is in no formula: it would change nothing",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\ndefine.x = "2*bits"',
            ".define': 'x' is in no formula",
        ),
        (
            'formula = "2*bits"',
            'formula = "x"\ndefine.x = "y"\ndefine.y = "bits"',
            ".define.x' = 'y': 'y': unknown name",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nvalid.bit = [1, 2]',
            "unknown key 'prices.adc-mine.valid.bit': did you mean 'bits'",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nvalid.bits = [4, 2]',
            ".valid.bits' = [",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nvalid.bits = [nan, 2]',
            ".valid.bits' = [",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nscaling = "polynomials"',
            ".scaling' = 'polynomials': needs 'node_nm' and 'voltage_v'",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nscaling = "yes"',
            "'prices.adc-mine.scaling' = 'yes'",
        ),
        (
            'formula = "2*bits"',
            'formula = "2*bits"\nnode_nm = -7',
            "'prices.adc-mine.node_nm' = -7",
        ),
    ],
)
def test_a_bad_entry_is_refused_with_file_and_line(
    line: str, instead: str, complaint: str, tmp_path: Path
) -> None:
    assert line in GOOD
    path = write(tmp_path, GOOD.replace(line, instead))
    with pytest.raises(SettingError) as caught:
        read_book(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "adc-mine" in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[price.a]\n", ":1: 'section' = 'price': unknown, or no table; did you mean 'prices'"),
        ("zzz = 1\n", ":1: 'section' = 'zzz': unknown, or no table; valid: prices, facts"),
        ("# first\nprices = 3\n", ":2: 'section' = 'prices': unknown, or no table"),
        ("[prices]\na = 3\n", ":2: 'prices.a' = 3: should be a table"),
        (
            "[facts.f]\nwhat = 'x'\nunit = 'y'\nsource = 'z'\ntag = 'src'\n",
            ":1: 'facts.f.value' = None and 'facts.f.range' = None: a fact has either",
        ),
        (
            "[facts.f]\nwhat = 'x'\nvalue = 1\nsource = 'z'\ntag = 'src'\n",
            ":1: 'facts.f.unit' is missing",
        ),
        ("[facts]\nf = 1\n", ":2: 'facts.f' = 1: should be a table"),
        ("[prices.a\n", "not valid TOML"),
    ],
)
def test_a_bad_book_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingError) as caught:
        read_book(path)
    assert str(caught.value).startswith(str(path))
    assert complaint in str(caught.value)


def test_a_name_stands_in_one_book_only(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "a.toml")
    path = write(tmp_path, GOOD, "b.toml")
    write(tmp_path, "not read", "notes.txt")
    with pytest.raises(SettingError, match=r"'prices.adc-mine': stands in two books") as caught:
        read_books(tmp_path)
    assert str(caught.value).startswith(f"{path}:3: ")


def test_joules_that_turn_negative_later_are_refused_when_priced(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("2*bits", "10 - bits"))
    mine = read_book(path)[0]["adc-mine"]
    assert mine.energy_j((9,)) == pytest.approx(1e-15)
    with pytest.raises(SettingError) as caught:
        mine.energy_j((11,))
    assert str(caught.value).startswith(
        f"{path}:3: price 'adc-mine': '10 - bits' gives -1e-15 J at bits = 11"
    )

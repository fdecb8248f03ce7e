"""Prices of a chip's own: entries as in the book, by a name that the book does not have; each fault
with file and line.
"""

from pathlib import Path

import pytest

from stochsim.energy import Entry
from stochsim.hardware import Hardware, hardware_table, own_settings, preset
from stochsim.settings import SettingError

CHIP = """\
name = "mine"
inherits = "rram-array"

[prices]
adc = "my-sar"

[prices.own.my-sar]
kind = "adc"
formula = "fom_fj*2**bits + 40"
unit = "fJ per conversion"
parameters = { fom_fj = 3.0 }
valid.bits = [4, 10]
source = "test chip"
tag = "user"
"""
ENTRY = Entry(
    kind="adc", formula="2*bits", unit="fJ per conversion", source="test chip", tag="user"
)


@pytest.fixture
def read(tmp_path: Path):
    """The chip of this text."""

    def from_text(text: str) -> Hardware:
        (tmp_path / "chip.toml").write_text(text, encoding="utf-8")
        return Hardware.read(tmp_path / "chip.toml")

    return from_text


def test_it_is_priced_by_its_formula_held_outside_its_range_and_cited(read):
    chip = read(CHIP)
    price = chip.price_table()["adc"]
    for bits, clamped in ((4, 4), (8, 8), (10, 10), (12, 10), (2, 4)):
        assert price.energy_j((bits,)) == pytest.approx((3.0 * 2**clamped + 40) * 1e-15, rel=1e-12)
    assert price.flags((12,)) == (
        "my-sar: bits at 12 is outside the model's range (up to 10), using the value at 10",
    )
    row = next(row for row in hardware_table(chip) if row["kind"] == "adc")
    assert (row["name"], row["source"], row["tag"]) == ("my-sar", "test chip", "user")
    assert "prices.own.my-sar" not in own_settings(chip)  # its own row of the table says it


def test_its_parameters_can_be_set_and_it_goes_where_nothing_names_it(read):
    chip = read(CHIP)
    assert chip.with_price("adc", "my-sar", fom_fj=6.0).price_table()["adc"].energy_j(
        (4,)
    ) == pytest.approx(136e-15)
    other = chip.with_price("adc", "adc-rekhi")
    assert other.prices.own == {}
    with pytest.raises(SettingError, match="'adc' = 'my-sar': valid: "):
        other.with_price("adc", "my-sar")


def test_a_file_gives_back_an_equal_chip(read, tmp_path):
    chip = read(CHIP)
    chip.write(tmp_path / "again.toml")
    again = Hardware.read(tmp_path / "again.toml")
    assert again == chip
    assert hash(again.prices) == hash(chip.prices)
    assert again.with_price("adc", "my-sar", fom_fj=4.0) != chip


def test_heirs_have_it_too(read, tmp_path):
    read(CHIP)
    (tmp_path / "heir.toml").write_text(
        'name = "heir"\ninherits = "chip.toml"\n[prices.own.my-sar.parameters]\nfom_fj = 1.0\n'
    )
    assert Hardware.read(tmp_path / "heir.toml").price_table()["adc"].energy_j(
        (5,)
    ) == pytest.approx(72e-15)


def test_from_python():
    prices = preset("rram-array").prices
    chip = preset("rram-array").replace(
        prices=prices.model_copy(update={"own": {"mine": ENTRY}, "adc": "mine"})
    )
    assert chip.price_table()["adc"].energy_j((8,)) == pytest.approx(16e-15)


@pytest.mark.parametrize(("bits", "tried"), [(1, True), (8, True), (16, True), (2, False)])
def test_an_own_formula_is_tried_at_1_8_and_16(read, bits, tried):
    """Elsewhere a fault is found where it is priced."""
    text = CHIP.replace("fom_fj*2**bits + 40", f"fom_fj if bits != {bits} else -1")
    text = text.replace("valid.bits = [4, 10]\n", "")
    if not tried:
        assert read(text).price_table()["adc"].energy_j((3,)) == pytest.approx(3e-15)
        return
    with pytest.raises(SettingError, match=f"gives -1e-15 J at bits = {bits}"):
        read(text)


@pytest.mark.parametrize(
    ("old", "new", "line", "rule"),
    [
        ('unit = "fJ per conversion"\n', "", 7, "'prices.own.my-sar.unit' is missing"),
        ('source = "test chip"\n', "", 7, "'prices.own.my-sar.source' is missing"),
        (
            "fJ per conversion",
            "fF",
            10,
            "'prices.own.my-sar.unit' = 'fF': should be like 'fJ per conversion'",
        ),
        (
            "2**bits + 40",
            "2**bits - 400",
            7,
            "gives -3.52e-13 J at bits = 4, fom_fj = 3: should be a number and not negative",
        ),
        ("2**bits + 40", "2**bit + 40", 9, "'bit': unknown name; did you mean 'bits'?"),
        ("2**bits + 40", "__import__('os')", 9, "'prices.own.my-sar.formula' = "),
        (
            'kind = "adc"',
            'kind = "adx"',
            8,
            "'prices.own.my-sar.kind' = 'adx': did you mean 'add'?",
        ),
        ('kind = "adc"', 'kind = "dac"', 5, "'prices.adc' = 'my-sar': is a price of 'dac'"),
        (
            'adc = "my-sar"',
            'adc = "my-sat"',
            5,
            "'prices.adc' = 'my-sat': did you mean 'my-sar'?",
        ),
        (
            'adc = "my-sar"\n',
            "",
            6,
            "'prices.own.my-sar': prices nothing, for no kind names it; valid: adc = \"my-sar\"",
        ),
        (
            'tag = "user"',
            'tag = "usr"',
            14,
            "'prices.own.my-sar.tag' = 'usr': did you mean 'user'?",
        ),
        (
            'tag = "user"',
            'tagg = "user"',
            14,
            "unknown key 'prices.own.my-sar.tagg': did you mean 'tag'?",
        ),
        ("my-sar", "adc-rekhi", 7, "'prices.own.adc-rekhi': the book has a price of this name"),
        (
            "[prices.own",
            "[prices.parameters.adc]\nfom = 1.0\n[prices.own",
            8,
            "unknown key 'prices.parameters.adc.fom': price 'my-sar' has others; "
            "did you mean 'fom_fj'?",
        ),
    ],
)
def test_a_fault_is_named_with_file_and_line(read, tmp_path, old, new, line, rule):
    assert old in CHIP
    with pytest.raises(SettingError) as caught:
        read(CHIP.replace(old, new))
    assert f"{tmp_path / 'chip.toml'}:{line}: " in str(caught.value)
    assert rule in str(caught.value)


def test_a_memory_price_says_which_kinds_could_name_it(read):
    text = (
        CHIP.replace('kind = "adc"', 'kind = "memory"')
        .replace("2**bits", "2")
        .replace("valid.bits = [4, 10]\n", "")
    )
    with pytest.raises(
        SettingError, match='valid: weight_memory = "my-sar" or code_memory = "my-sar"'
    ):
        read(text.replace('adc = "my-sar"\n', ""))


def test_an_own_price_at_fault_is_the_only_fault(read):
    """That its name is then unknown to the kind that names it goes without saying."""
    with pytest.raises(SettingError) as caught:
        read(CHIP.replace('unit = "fJ per conversion"\n', ""))
    assert "'prices.own.my-sar.unit' is missing" in str(caught.value)
    assert len(caught.value.faults) == 1

"""docs/energy_bill.md runs, and its hand calculation is the software's bill, product by product, to
1e-12 relative.
"""

import re
from pathlib import Path

import pytest
from documents import blocks, run_python

from stochsim.energy import PARTS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "energy_bill.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")
CHIPS = ("digital", "array")


def close(value):
    return pytest.approx(value, rel=1e-12, abs=0)


@pytest.fixture(scope="module")
def page():
    """The names that the page defines."""
    return run_python(TEXT, str(DOCUMENT))


@pytest.mark.parametrize("chip", CHIPS)
def test_every_product_and_every_sum(page, chip):
    bill = page[chip]
    by_hand = page[f"{chip}_by_hand"]
    found = {(row["layer"], row["part"]): row["joules"] for row in bill.table()}
    assert found == {
        (layer, part): close(joules)
        for layer, parts in by_hand.items()
        for part, joules in parts.items()
    }
    for layer, parts in by_hand.items():
        assert bill.energy_by_layer[layer].per_read_j == close(sum(parts.values()))
    for part in PARTS:
        assert bill.energy.parts[part] == close(
            sum(parts.get(part, 0.0) for parts in by_hand.values())
        )
    assert bill.per_read_j == close(sum(sum(parts.values()) for parts in by_hand.values()))


@pytest.mark.parametrize("chip", CHIPS)
def test_every_count_and_every_cycle(page, chip):
    bill = page[chip]
    counted = {
        layer: {one.kind: count for one, count in found.items()}
        for layer, found in bill.operations.items()
    }
    assert counted == page[f"{chip}_counts_by_hand"]
    assert bill.cycles == page[f"{chip}_cycles_by_hand"]


@pytest.mark.parametrize("chip", CHIPS)
def test_widths_of_accumulators(page, chip):
    widths = {
        layer: [one.args for one in found if one.kind == "add"]
        for layer, found in page[chip].operations.items()
    }
    # of codes: 7 × 255³ and 255³, and a sign
    first, second = (26, 23) if chip == "digital" else (28, 25)
    assert widths == {"layer 1": [(first,)], "layer 2": [(second,)]}


def test_weights_are_shared_by_100_reads(page):
    assert page["digital_at_100_reads"].per_read_j == close(page["at_100_reads_by_hand"])


@pytest.mark.parametrize("chip", CHIPS)
def test_every_price_stands_on_the_page_with_its_tag(page, chip):
    for one in page[chip].prices:
        assert f"`{one.name}`" in TEXT
    for row in page[chip].operation_table():
        if row["joules"] > 0:
            tag = next(one.tag for one in page[chip].prices if one.name == row["price"])
            assert re.search(rf"`{re.escape(row['price'])}` \[{tag}\]", TEXT), row["price"]


def test_the_printed_bills_are_the_software_s(page):
    shown = [block.text.rstrip() for block in blocks(TEXT, "text")]
    assert len(shown) == len(CHIPS)
    for chip, text in zip(CHIPS, shown, strict=True):
        assert str(page[chip]).startswith(f"{text}\n\n"), chip


def test_the_hand_calculation_takes_nothing_from_the_software():
    """In its lines no name but numbers of the page's own; a wrong count is seen."""
    lines = [
        line
        for block in blocks(TEXT, "python")
        for line in block.text.splitlines()
        if "_by_hand" in line or "_j = " in line
    ]
    assert len(lines) > 8
    assert not any(
        word in line
        for line in lines
        for word in ("bill_of_inputs", "load_hardware", "digital.", "array.", "price(")
    )


def test_a_wrong_hand_number_is_seen(page):
    wrong = run_python(
        TEXT.replace("392 * 5 * 7 * 128 * line_j", "392 * 5 * 800 * line_j"), "wrong"
    )
    assert wrong["array_by_hand"]["layer 1"]["array"] != close(
        page["array"].energy_by_layer["layer 1"].array_j
    )

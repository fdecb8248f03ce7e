"""`stochsim formats list` and `stochsim formats show`."""

from pathlib import Path

import pytest
from clitest import refused

from stochsim.cli import main
from stochsim.formats import BLOCK_FORMATS, FORMATS, code_book


def test_every_format_has_a_line(capsys):
    assert main(["formats", "list"]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()  # block formats come after
    assert [line.split()[0] for line in lines] == ["format", *FORMATS]
    marks = dict(zip(FORMATS, (line.split()[-1] for line in lines[1:]), strict=True))
    assert {len(one) for one in marks.values()} == {49}
    assert [i - 24 for i, mark in enumerate(marks["log2-3"]) if mark == "|"] == [
        -24, -12, -6, 0, 6, 12, 24,
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["fp8-e4m3", "fp8-e5m2", "int2", "log2-8", "fp5-e2m2"])
def test_a_format_is_shown_with_all_its_values_and_edges(name, capsys):
    assert main(["formats", "show", name]) == 0
    text = capsys.readouterr().out
    values, _, edges = text.partition("  values\n")[2].partition("edges; *")
    book = code_book(name)
    assert [float(one) for one in values.split()] == pytest.approx(book.values, rel=1e-5)
    found = edges.split("above\n")[1].split()
    assert [float(one.rstrip("*")) for one in found] == pytest.approx(book.edges, rel=1e-5)
    assert [one.endswith("*") for one in found] == list(book.ties)


def test_patterns_that_are_no_values_are_counted(capsys):
    main(["formats", "show", "fp8-e5m2"])
    assert "6 × NaN, 2 × ±infinity, 1 × -0" in capsys.readouterr().out
    main(["formats", "show", "log2-8"])
    assert "no unit of 63-bit integers" in capsys.readouterr().out


def test_a_misspelt_name_is_refused_with_the_nearest(capsys):
    said = refused(["formats", "show", "fp8_e4m3"], capsys)
    assert said == "'format' = 'fp8_e4m3': did you mean 'fp8-e4m3'?"


def test_the_documentation_shows_what_is_printed(capsys):
    main(["formats", "show", "fp4-e2m1"])
    page = Path(__file__).resolve().parents[2] / "docs" / "number_formats.md"
    assert capsys.readouterr().out in page.read_text(encoding="utf-8")


def test_block_formats_are_listed_and_shown(capsys):
    main(["formats", "list"])
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[-len(BLOCK_FORMATS) :]}
    assert rows["mxfp4"] == ["fp4-e2m1", "32", "e8m0", "4.25"]
    assert rows["nvfp4"] == ["fp4-e2m1", "16", "fp8-e4m3", "4.5"]
    main(["formats", "show", "mxint8"])
    shown = capsys.readouterr().out
    assert "mxint8: blocks of 32 numbers with a scale of the format e8m0, 8.25 bits" in shown
    assert "0.015625" in shown


def test_misspelt_block_formats_name_the_nearest(capsys):
    assert "did you mean 'mxfp4'?" in refused(["formats", "show", "mxfp5"], capsys)

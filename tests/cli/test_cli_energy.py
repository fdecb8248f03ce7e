"""`stochsim energy list` and `show`: every price and fact with what is behind it, and misspelt
names.
"""

import subprocess
import sys

import pytest

from stochsim.cli import main
from stochsim.energy import FACTS, PRICES, price


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["energy", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["energy", *arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    return found.err.strip()


def test_list_names_every_price_then_every_fact(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(["list"], capsys)
    gap = lines.index("")
    assert {line.split()[0] for line in lines[1:gap]} == set(PRICES)
    assert {line.split()[0] for line in lines[gap + 2 :]} == set(FACTS)
    (zigzag,) = (line for line in lines if line.startswith("adc-zigzag-28nm"))
    for word in ("adc", "src", "28 nm", "fJ per conversion", "(100*bits + 0.001*4**bits) * V**2"):
        assert word in zigzag


@pytest.mark.parametrize("kind", ["adc", "memory", "weight_memory", "float_add"])
def test_list_of_one_kind(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(["list", "--kind", kind], capsys)
    assert {PRICES[line.split()[0]].kind for line in lines[1:]} == {
        "memory" if kind == "weight_memory" else kind
    }


@pytest.mark.parametrize("name", PRICES)
def test_show_says_all_about_a_price(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(said(["show", name], capsys))
    shown = price(name)
    for part in (
        name,
        shown.unit,
        shown.source,
        shown.tag,
        shown.note,
        *shown.parameters,
        *shown.required,
    ):
        assert part in text
    assert any(line.split()[-1:] == ["energy"] for line in text.splitlines()) == (
        not shown.required
    )
    assert ("unsourced: " in text) == (shown.tag == "unv")
    assert ("outside the model's range" in text) == any(
        abs(bound) < 1e300 for bounds in shown.valid.values() for bound in bounds
    )


def test_show_gives_the_check_values(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split(maxsplit=1) for line in said(["show", "adc-zigzag-28nm"], capsys)]
    assert ["4", "324 fJ"] in lines
    assert ["12", "14.6 pJ"] in lines


def test_show_takes_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(
        ["show", "adc-accelergy", "--set", "frequency_hz=1e9", "--set", "node_nm=32"], capsys
    )
    assert ["12", "133 pJ"] in [line.split(maxsplit=1) for line in lines]
    assert any("from 4" in line for line in lines)
    assert "watts = 0.5" in "\n".join(said(["show", "leakage-power", "--set", "watts=0.5"], capsys))


def test_show_describes_a_fact(capsys: pytest.CaptureFixture[str]) -> None:
    assert "21 to 37 %" in "\n".join(said(["show", "over-scaling-eden"], capsys))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["show", "adc-zigzag"],
            "'price' = 'adc-zigzag': no price or fact of this name; did you mean "
            "'adc-zigzag-28nm'?",
        ),
        (
            ["show", "over-scaling-edn"],
            "'price' = 'over-scaling-edn': no price or fact of this name; "
            "did you mean 'over-scaling-eden'?",
        ),
        (
            ["list", "--kind", "adcs"],
            "'--kind' = 'adcs': no price is of this kind; did you mean 'adc'?",
        ),
        (
            ["show", "adc-accelergy", "--set", "node_nm=7", "--set", "node_nm=32"],
            "'--set' = 'node_nm=32': 'node_nm' is given twice, 7 and 32; valid: one of the two",
        ),
        (
            ["show", "adc-accelergy", "--set", "frequency=1"],
            "unknown key 'frequency': price 'adc-accelergy' has others; "
            "did you mean 'frequency_hz'?",
        ),
        (
            ["show", "adc-accelergy", "--set", "frequency_hz=-1"],
            "should be finite and not negative",
        ),
        (
            ["show", "mac-rekhi", "--set", "bits=1"],
            "'--set' = {'bits': 1.0}: 'mac-rekhi' is a fact, not a price",
        ),
    ],
)
def test_what_is_misspelt_ends_with_2_and_the_nearest(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint in refused(arguments, capsys)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: ACTION"),
        (["show"], "required: NAME"),
        (["show", "adc-walden", "--set", "fom_fj"], "should be like frequency_hz=1e8"),
    ],
)
def test_a_wrong_command_ends_with_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["energy", *arguments])
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["energy", "--help"])
    text = capsys.readouterr().out
    for word in (
        "list",
        "show",
        "bill",
        "--kind adc",
        "[prices.parameters.adc]",
        "[prices.scaling]",
        "unv",
    ):
        assert word in text


def test_the_book_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom stochsim.cli import main\nmain(['energy', 'show', 'adc-walden'])\n"
        "print('loaded:', *({'torch', 'numba', 'numpy', 'scipy', 'matplotlib', 'brevitas'} & "
        "set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"

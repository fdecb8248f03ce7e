"""`stochsim energy silicon`, and bills on measured macros."""

import csv
import json
from pathlib import Path

import pytest

from stochsim.cli import main
from stochsim.program import random_program
from stochsim.silicon import load_macro, macros
from stochsim.silicon.measured import COLUMNS


def run(capsys, *arguments):
    code = main(list(arguments))
    return code, *capsys.readouterr()


def refused(capsys, *arguments):
    code, out, error = run(capsys, *arguments)
    assert code != 0
    assert "Traceback" not in error
    assert out == ""
    return error


def figures(folder, ratio):
    """A file of two energies of Wang's macro, the second off by a factor."""
    rows = []
    for volts, factor in ((0.7, 1.0), (0.9, ratio)):
        value = load_macro("wang").at(voltage_v=volts).per_mac_fj / factor
        cells = {"macro": "wang", "figure_or_table": "Fig. 1", "quantity": "energy", "scored": "1"}
        cells |= {"voltage_v": volts, "fj_per_mac": value, "value": value, "unit": "fJ/MAC"}
        rows.append({**dict.fromkeys(COLUMNS, ""), **cells})
    with (folder / "wang.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_the_list_has_a_line_for_each_macro(capsys):
    code, out, _ = run(capsys, "energy", "silicon")
    assert code == 0
    table = out.partition("\n\n")[0].splitlines()[1:]
    assert [line.split()[0] for line in table if not line.startswith(" ")] == list(macros())
    assert max(map(len, out.splitlines())) <= 110
    assert "not normalised to bits" in out


def test_one_macro_is_shown_with_parts_and_every_parameter(capsys):
    code, out, _ = run(capsys, "energy", "silicon", "neurram", "--at", "input_bits=9")
    assert code == 0
    macro = load_macro("neurram")
    for name, one in macro.parameters.items():
        assert any(line.startswith(f"{name} ") and one.tag in line for line in out.splitlines())
    assert all(part in out for part in (*macro.energy, *macro.area))
    assert "warning: neurram: input_bits = 9 is outside the published range" in out
    assert max(map(len, out.splitlines())) <= 110


def test_json_has_the_same_figures(capsys):
    _, out, _ = run(capsys, "energy", "silicon", "wang", "--at", "voltage_v=0.8", "--json")
    found = json.loads(out)
    point = load_macro("wang").at(voltage_v=0.8)
    assert found["fj_per_mac"] == point.per_mac_fj
    assert found["joules_by_part"] == point.energy_j
    _, out, _ = run(capsys, "energy", "silicon", "--json")
    assert [one["macro"] for one in json.loads(out)] == list(macros())


def test_a_scoreboard_prints_misses_first(capsys, tmp_path):
    folder = figures(tmp_path, 1.5)
    code, out, _ = run(capsys, "energy", "silicon", "wang", "--data", str(folder), "--rows")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("misses")
    assert "1.500" in lines[1]
    assert any("1 of 2" in line for line in lines)
    _, out, _ = run(capsys, "energy", "silicon", "wang", "--data", str(folder), "--json")
    (score,) = json.loads(out)
    assert score["shares"]["energy"] == 0.5
    assert score["parameters"] == load_macro("wang").digest
    path = folder / "wang.csv"
    _, again, _ = run(capsys, "energy", "silicon", "wang", "--data", str(path), "--json")
    assert json.loads(again) == json.loads(out)


def test_without_misses_that_is_said(capsys, tmp_path):
    folder = figures(tmp_path, 1.1)
    _, out, _ = run(capsys, "energy", "silicon", "wang", "--data", str(folder))
    assert out.startswith("no misses\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("neuram",), "did you mean 'neurram'"),
        (("wang", "--at", "volts=1"), "no condition of wang"),
        (("wang", "--at", "voltage_v=1", "--at", "voltage_v=2"), "is given twice"),
        (("--at", "voltage_v=1"), "name a macro, too"),
        (("--rows",), "give --data, too"),
        (("wang", "--data", ".", "--at", "voltage_v=1"), "the rows of --data say"),
        (("wang", "--data", "nowhere"), "nowhere"),
    ],
)
def test_what_is_refused(capsys, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "energy", "silicon", *arguments)


def test_a_condition_that_is_no_number_is_refused_by_the_parser(capsys):
    with pytest.raises(SystemExit):
        main(["energy", "silicon", "wang", "--at", "voltage_v=high"])
    assert "should be like voltage_v=0.7" in capsys.readouterr().err


def test_bills_on_a_macro(capsys, tmp_path):
    code, out, _ = run(capsys, "energy", "bill", "100-40", "--macro", "wang")
    assert code == 0
    assert "a network of shape 100-40 at 8/8/8 bits" in out
    program, _ = random_program((100, 40), (8, 8, 8), sigma=0.5)
    program.save(tmp_path / "saved")
    code, again, _ = run(capsys, "energy", "bill", str(tmp_path / "saved"), "--macro", "wang")
    assert code == 0
    assert again.split("\n\n")[1] == out.split("\n\n")[1]


def test_bills_on_a_macro_at_conditions_and_as_json(capsys, tmp_path):
    path = tmp_path / "bill.json"
    arguments = ("energy", "bill", "64-16", "--macro", "wang", "--at", "voltage_v=0.8")
    code, out, _ = run(capsys, *arguments, "--json", str(path))
    assert code == 0
    found = json.loads(path.read_text(encoding="utf-8"))["bill"]
    assert found["joules_per_read"] == load_macro("wang").at(voltage_v=0.8).all_j
    assert "wang: 70.5 pJ per read" in out


def test_bills_on_a_macro_refuse_what_belongs_to_a_chip(capsys):
    assert "give --macro, too" in refused(capsys, "energy", "bill", "8-8", "--at", "phases=2")
    error = refused(
        capsys, "energy", "bill", "8-8", "--macro", "wang", "--hardware", "digital-45nm"
    )
    assert "belongs to a chip" in error
    assert "did you mean 'wang'" in refused(capsys, "energy", "bill", "8-8", "--macro", "wagn")
    nowhere = str(Path("no") / "where")
    assert "should be a sweep's folder" in refused(
        capsys, "energy", "bill", nowhere, "--macro", "wang"
    )

"""`stochsim energy bill`: of a shape, a program's folder, a checkpoint and a sweep's run; what it
says where it cannot.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from circuittest import PROGRAMS, single_program
from importprobe import modules_after
from tinystudy import store_answers, study_of, work

from stochsim.chip import bill_of_inputs
from stochsim.cli import main
from stochsim.hardware import preset
from stochsim.program import random_program
from stochsim.studies import collect


def said(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["energy", "bill", *shlex.split(arguments)]) == 0
    return capsys.readouterr().out


def refused(arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["energy", "bill", *shlex.split(arguments)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    return line.removeprefix("stochsim: ")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with networks of 2 and 4 bits, all its tasks done."""
    return store_answers(
        tmp_path_factory.mktemp("bill") / "run", study_of(grid__noise=[1], train__steps=5), work
    )


def table_of(arguments: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    path = folder / "bill.json"
    said(f"{arguments} --json {path}", capsys)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


# A shape


@pytest.mark.parametrize("chip", ["digital-45nm", "sram-array-28nm"])
def test_a_shape(chip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The words hold the whole bill, and say what was drawn."""
    program, read = random_program((20, 6, 3), (8, 8, 8), 1.0)
    bill = bill_of_inputs(program, preset(chip).with_precision(8, 8, 8), read)
    text = said(f"20-6-3 --hardware {chip}", capsys)
    assert text.startswith(
        "a network of shape 20-6-3 at 8/8/8 bits (weight/input/output): weights and what each "
        "layer reads drawn uniformly"
    )
    assert str(bill) in text
    assert "+10 % of it moves the total by" in text
    assert ("adc-rekhi" in text) == (chip == "sram-array-28nm")
    assert text.splitlines()[-1].startswith(
        "No converters"
        if chip == "digital-45nm"
        else ("The order of parts", "The converter model", "The most expensive")
    )
    table = table_of(f"20-6-3 --hardware {chip}", tmp_path, capsys)
    assert table["bill"] == json.loads(json.dumps(bill.to_json()))
    assert set(table["sensitivity"]) == {"prices", "alternatives", "converters", "words"}


def test_options_of_a_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bill = table_of(
        "20-6 --hardware digital-45nm --bits 2/3/4 --reads 5 --stimuli 7", tmp_path, capsys
    )["bill"]
    assert (bill["stimuli"], bill["reads"]) == (7, 5)
    counted = {row["operation"]: row for row in bill["operations"]}
    assert counted["multiply"]["arguments"] == {"weight_bits": 2, "input_bits": 3}
    assert counted["weight_memory"]["count"] == 2 * 120 / 5
    assert counted["code_memory"]["count"] == 20 * 3 + 6 * 4


def test_a_chip_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset("digital-45nm").replace(name="mine").write(tmp_path / "chip.toml")
    assert "\nmine: " in said(f"5-2 --hardware {tmp_path}/chip.toml", capsys)


def test_help_loads_nothing_heavy() -> None:
    assert modules_after(["energy", "bill", "--help"]) == set()


# Programs and checkpoints


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_s_folder(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    PROGRAMS[kind]().save(tmp_path / "program")
    path = tmp_path / "chip.toml"
    path.write_text(
        'inherits = "digital-45nm"\nname = "with a price"\n[reliability]\ne0_j = 1e-15\n'
    )  # rho 0.5 has no default
    text = said(f"{tmp_path}/program --hardware {path} --stimuli 3 --reads 4", capsys)
    assert "drawn uniformly over the input codes by key 0" in text
    assert "mean over 3 stimuli × 4 reads" in text
    assert {"single": "readout", "deep": "hidden 2", "recurrent": "lateral"}[kind] in text


def test_a_converted_network_s_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the chip that it was converted for, or on another one; its parts that stay in float are
    billed too.
    """
    torch = pytest.importorskip("torch")
    from stochsim.lowering import convert

    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(2 * 16, 3)
    )
    x = torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    converted = convert(network, preset("digital-45nm").with_precision(8, 8, 8), x)
    converted.program.save(tmp_path / "converted")
    bill = table_of(f"{tmp_path}/converted --stimuli 2", tmp_path, capsys)["bill"]
    assert bill["hardware"] == "digital-45nm"
    counted = {
        layer: sum(
            row["count"]
            for row in bill["operations"]
            if row["layer"] == layer and row["operation"] == "multiply"
        )
        for layer in "03"
    }
    assert counted == {"0": 16 * 9 * 2, "3": 32 * 3}
    other = table_of(f"{tmp_path}/converted --hardware sram-array-28nm", tmp_path, capsys)["bill"]
    assert other["joules_by_part"]["converter"] > 0


def test_a_run_of_a_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recurrent network read from one chain per stimulus, as its sweep did."""
    study = study_of(
        grid__architecture=["recurrent"],
        grid__bits=[4],
        grid__noise=[1],
        train__steps=3,
        measure__thin=2,
        network={"steps": 6},
    )
    run = store_answers(tmp_path / "chain", study, work)
    table = table_of(str(run), tmp_path, capsys)
    with collect(run) as results:
        stored = results.find("recurrent", 4).energy_j
    assert table["bill"]["joules_by_part"] == {
        part: pytest.approx(joules, rel=1e-12) for part, joules in stored.items()
    }
    assert table["bill"]["cycles_by_layer"]["lateral"] == (6 + 99 * 2) / 100


def test_a_checkpoint(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = next((run / "artifacts").glob("network-*.safetensors"))
    bill = table_of(f"{checkpoint} --hardware digital-45nm", tmp_path, capsys)["bill"]
    assert (bill["stimuli"], bill["reads"]) == (1, 1)
    assert "float network has no codes" in refused(
        f"{next((run / 'artifacts').glob('float-*.safetensors'))} --hardware digital-45nm", capsys
    )


# Runs


@pytest.mark.parametrize(("option", "bits"), [("", 4), ("--bits 2", 2), ("--bits 4/4/4", 4)])
def test_a_run_s_bill_is_that_of_its_point(
    option: str, bits: int, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the run's own chip, stimuli and reads, part by part; the widest network unless another is
    named.
    """
    table = table_of(f"{run} {option}", tmp_path, capsys)
    assert f"network at {bits}/{bits}/{bits} bits" in table["about"]
    with collect(run) as results:
        stored = results.find(widths=bits).energy_j
    assert table["bill"]["joules_by_part"] == {
        part: pytest.approx(joules, rel=1e-12) for part, joules in stored.items()
    }
    assert (table["bill"]["hardware"], table["bill"]["stimuli"], table["bill"]["reads"]) == (
        "digital-45nm",
        8,
        100,
    )


def test_a_run_on_another_chip(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bill = table_of(f"{run} --hardware sram-array-28nm --reads 3 --stimuli 2", tmp_path, capsys)[
        "bill"
    ]
    assert (bill["hardware"], bill["stimuli"], bill["reads"]) == ("sram-array-28nm", 2, 3)
    assert bill["joules_by_part"]["converter"] > 0


def test_a_run_s_bill_leaves_the_run_as_it_is(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said(str(run), capsys)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


# One of several networks of a run


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep over every axis, of which only the networks are trained."""
    axes = {
        "architecture": ["single", "deep"],
        "rho": [0, 1],
        "keys": [3, 5],
        "method": ["post-training", "quantisation-aware"],
    }
    study = study_of(grid={"bits": [3], "noise": [0.5, 1, 2], **axes}, train__steps=2)
    trains = ("decoder", "float", "network")
    return store_answers(
        tmp_path_factory.mktemp("several") / "run",
        study,
        work,
        lambda task: task.kind not in trains,
    )


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ("", "network at 3/3/3 bits, rho 0, key 3, post-training, noise x1"),
        (
            "--architecture deep",
            "deep network at 3/3/3 bits, rho 0, key 3, post-training, noise x1",
        ),
        (
            "--method quantisation-aware",
            "network at 3/3/3 bits, rho 0, key 3, quantisation-aware, noise x1",
        ),
        ("--rho 1", "network at 3/3/3 bits, rho 1, key 3, post-training, noise x1"),
        ("--key 5", "network at 3/3/3 bits, rho 0, key 5, post-training, noise x1"),
        ("--noise 0.5", "network at 3/3/3 bits, rho 0, key 3, post-training, noise x0.5"),
        (
            "--architecture deep --method quantisation-aware --rho 1 --key 5 --noise 2 --bits 3",
            "deep network at 3/3/3 bits, rho 1, key 5, quantisation-aware, noise x2",
        ),
    ],
)
def test_options_name_a_network(
    options: str, about: str, several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table_of(f"{several} {options}", tmp_path, capsys)["about"] == f"{several}: {about}"


def test_the_network_named_is_the_one_billed(
    several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own layers and price of reliability; twice the noise is held at half the joules where rho
    is 1.
    """
    deep, single = (
        table_of(f"{several} --architecture {kind}", tmp_path, capsys)["bill"]
        for kind in ("deep", "single")
    )
    assert "hidden" in deep["joules_by_layer"]
    assert list(single["joules_by_layer"]) == ["readout"]
    once, twice = (
        table_of(f"{several} --rho 1 --noise {noise}", tmp_path, capsys)["bill"] for noise in (1, 2)
    )
    assert once["rho"] == twice["rho"] == 1
    assert twice["joules_by_part"]["reliability"] == pytest.approx(
        once["joules_by_part"]["reliability"] / 2
    )


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (
            "--architecture depp",
            "'--architecture' = 'depp': not in the run's grid; did you mean 'deep'?",
        ),
        (
            "--architecture recurrent",
            "'--architecture' = 'recurrent': not in the run's grid; valid: single, deep",
        ),
        ("--method noise-aware", "'--method' = 'noise-aware': not in the run's grid; "),
        ("--rho 0.5", "'--rho' = 0.5: not in the run's grid; valid: 0, 1"),
        ("--key 4", "'--key' = 4: not in the run's grid; valid: 3, 5"),
        ("--noise 0", "'--noise' = 0.0: not in the run's grid; valid: 0.5, 1, 2"),
        (
            "--bits 2",
            "'--bits' = '2/2/2': no network of the run has these bits (weight/input/output); "
            "valid: 3/3/3",
        ),
    ],
)
def test_a_network_that_the_grid_does_not_name(
    option: str, complaint: str, several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(f"{several} {option}", capsys).startswith(f"{several}: {complaint}")


@pytest.mark.parametrize(
    "option", ["--architecture deep", "--method noise-aware", "--rho 1.0", "--key 2", "--noise 1.0"]
)
def test_options_of_a_run_are_for_a_run(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    single_program().save(tmp_path / "program")
    name, value = option.split()
    shown = value if name in ("--rho", "--key", "--noise") else f"'{value}'"
    rule = f"'{name}' = {shown}: names a network of a run, and this is"
    assert refused(f"5-2 --hardware digital-45nm {option}", capsys) == f"{rule} a shape"
    assert (
        refused(f"{tmp_path}/program --hardware digital-45nm {option}", capsys)
        == f"{rule} the program of {tmp_path}/program"
    )


# What cannot be billed


def test_networks_that_are_not_there(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    complaint = refused(f"{run} --bits 3", capsys)
    assert f"{run}: '--bits' = '3/3/3': no network of the run has these bits" in complaint
    assert "(weight/input/output); valid: 2/2/2, 4/4/4" in complaint
    begun = store_answers(tmp_path / "begun", study_of(), work, lambda task: True)
    assert "the network at 4/4/4 bits is not trained yet" in refused(str(begun), capsys)
    float_alone = study_of(grid__bits=None, grid__float=True)
    assert "no quantised networks" in refused(
        str(store_answers(tmp_path / "float", float_alone, work, lambda task: True)), capsys
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            "nothing --hardware digital-45nm",
            "'RUN|MODEL' = 'nothing': should be a sweep's folder, a program's folder, a checkpoint "
            "*.safetensors, or a shape",
        ),
        ("784 --hardware digital-45nm", "'RUN|MODEL' = '784': should be"),
        ("none.safetensors --hardware digital-45nm", "'RUN|MODEL' = 'none.safetensors': should be"),
        ("784-10", "'--hardware' is missing: name the chip"),
        ("784-0-10 --hardware digital-45nm", "at least one input and one layer of neurons"),
        (
            "784-10 --hardware digital-45mn",
            "'preset' = 'digital-45mn': did you mean 'digital-45nm'?",
        ),
        ("784-10 --hardware none.toml", "none.toml: cannot be read"),
    ],
)
def test_what_it_says(arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint in refused(arguments, capsys)


def test_a_folder_that_is_no_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path) in refused(f"{tmp_path} --hardware digital-45nm", capsys)


def test_a_program_has_its_own_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    single_program().save(tmp_path / "program")
    assert "'--bits' = '4/4/4': belongs to a run or a shape" in refused(
        f"{tmp_path}/program --hardware digital-45nm --bits 4", capsys
    )


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be written" in refused(
        f"5-2 --hardware digital-45nm --json {tmp_path}/none/bill.json", capsys
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "required: RUN|MODEL"),
        ("5-2 --bits 9", "'9' should be 1 to 8"),
        ("5-2 --bits 4/4", "'4/4' should be 1 to 8, or three of them"),
        ("5-2 --reads 0", "'0' should be a whole number of at least 1"),
    ],
)
def test_a_wrong_command_ends_with_2(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["energy", "bill", *shlex.split(arguments)])
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_drawn_codes_are_those_of_key_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The same bill twice; on an array another key gives another one."""
    assert said("30-4 --hardware sram-array-28nm", capsys) == said(
        "30-4 --hardware sram-array-28nm", capsys
    )
    read = [random_program((30, 4), (8, 8, 8), 1.0, key)[1] for key in (0, 1)]
    assert not np.array_equal(read[0]["layer 1"], read[1]["layer 1"])

"""`stochsim energy bill`: of a shape, a program's folder, a checkpoint and a sweep's run."""

import json
from pathlib import Path

import numpy as np
import pytest
from billcommand import refused, said, table_of
from circuittest import PROGRAMS
from importprobe import modules_after
from tinystudy import store_answers, study_of, work

from stochsim.chip import bill_of_inputs
from stochsim.hardware import preset
from stochsim.program import random_program
from stochsim.studies import open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with networks of 2 and 4 bits, all its tasks done."""
    return store_answers(
        tmp_path_factory.mktemp("bill") / "run", study_of(grid__noise=[1], train__steps=5), work
    )


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
        "No ADCs"
        if chip == "digital-45nm"
        else ("The order of parts", "The ADC model", "The most expensive")
    )
    table = table_of(f"20-6-3 --hardware {chip}", tmp_path, capsys)
    assert table["bill"] == json.loads(json.dumps(bill.to_json()))
    assert set(table["sensitivity"]) == {"prices", "alternatives", "adc_models", "words"}


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


def test_the_noise_of_a_converted_network_is_priced_by_rho(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the law of that exponent, 0 unless given, as `ChipModule.bill` has it."""
    torch = pytest.importorskip("torch")
    from stochsim.lowering import convert

    x = torch.rand(20, 6, generator=torch.Generator().manual_seed(1))
    converted = convert(torch.nn.Linear(6, 3), preset("digital-45nm").with_precision(8, 8, 8), x)
    converted.learn_noise(2.0)
    converted.program.save(tmp_path / "noisy")
    for options, rho in (("", 0.0), ("--rho 2", 2.0)):
        bill = table_of(f"{tmp_path}/noisy {options}", tmp_path, capsys)["bill"]
        assert bill["rho"] == rho
        wanted = converted.bill(x[:1], rho=rho).energy.reliability_j
        assert bill["joules_by_part"]["reliability"] == pytest.approx(wanted, rel=1e-6)


def test_a_run_of_a_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A recurrent network read from one chain per stimulus, as its sweep did."""
    study = study_of(
        grid__architecture=["recurrent"],
        grid__bits=[4],
        grid__noise=[1],
        train__steps=3,
        measure__steps_between_reads=2,
        network={"steps": 6},
    )
    run = store_answers(tmp_path / "chain", study, work)
    table = table_of(str(run), tmp_path, capsys)
    with open_run(run) as results:
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
    with open_run(run) as results:
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


def test_drawn_codes_are_those_of_key_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The same bill twice; on an array another key gives another one."""
    assert said("30-4 --hardware sram-array-28nm", capsys) == said(
        "30-4 --hardware sram-array-28nm", capsys
    )
    read = [random_program((30, 4), (8, 8, 8), 1.0, key)[1] for key in (0, 1)]
    assert not np.array_equal(read[0]["layer 1"], read[1]["layer 1"])

"""What `stochsim energy bill` says where it cannot bill."""

import shlex
from pathlib import Path

import pytest
from billcommand import refused
from circuittest import single_program

from stochsim.cli import main


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


def test_rho_of_a_converted_network_is_that_of_its_noise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    from stochsim.hardware import preset
    from stochsim.lowering import convert

    x = torch.rand(20, 3, generator=torch.Generator().manual_seed(1))
    converted = convert(torch.nn.Linear(3, 2), preset("digital-45nm").with_precision(8, 8, 8), x)
    converted.program.save(tmp_path / "quiet")
    assert "'--rho' = 1.0: prices the noise that neurons have of their own" in refused(
        f"{tmp_path}/quiet --rho 1", capsys
    )
    converted.learn_noise()
    converted.program.save(tmp_path / "noisy")
    for option, said in (
        ("--rho 99", "'--rho' = 99.0: should be from 0 to 16"),
        ("--rho -1", "'--rho' = -1.0: should be from 0 to 16"),
        ("--rho 1.5", "'--rho' = 1.5: has no default price: set reliability.e0_j"),
        ("--key 2", "'--key' = 2: names a network of a run"),
    ):
        assert said in refused(f"{tmp_path}/noisy {option}", capsys)


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "cannot be written" in refused(
        f"5-2 --hardware digital-45nm --json {tmp_path}/none/bill.json", capsys
    )


@pytest.mark.parametrize(
    "command",
    [
        ["energy", "bill", "3-" * 3000 + "3", "--hardware", "digital-45nm"],
        ["report", "a" * 5000],
        ["sweep", "a" * 5000],
        ["energy", "bill", "5-2", "--hardware", "a" * 5000 + ".toml"],
    ],
)
def test_a_name_that_no_file_can_have_is_one_line(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("stochsim: ")
    assert "ile name too long" in said[0] or "should be a path" in said[0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "required: RUN|MODEL"),
        ("5-2 --bits 9", "'9' should be 1 to 8"),
        ("5-2 --bits 4/4", "'4/4' should be 1 to 8, or three of them"),
        ("5-2 --reads 0", "'0' should be a whole number from 1 to"),
        ("5-2 --reads 2147483648", "should be a whole number from 1 to 2147483647"),
        (f"5-2 --reads {'9' * 5000}", "should be a whole number from 1 to 2147483647"),
        ("5-2 --stimuli 1e3", "'1e3' should be a whole number from 1 to"),
    ],
)
def test_a_wrong_command_ends_with_2(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["energy", "bill", *shlex.split(arguments)])
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err

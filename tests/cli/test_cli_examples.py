"""`stochsim examples list` and `stochsim examples copy`."""

from pathlib import Path

import pytest
from clitest import refused
from importprobe import modules_after

from stochsim.cli import examples_commands, main

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    path.relative_to(ROOT / "examples").with_suffix("").as_posix(): path
    for path in (ROOT / "examples").rglob("*.toml")
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What `examples list` says of each example."""
    assert main(["examples", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def test_every_file_is_listed_studies_first(capsys: pytest.CaptureFixture[str]) -> None:
    names = list(listed(capsys))
    assert set(names) == set(FILES)
    assert names == sorted(names, key=lambda name: ("/" in name, name))


def test_a_line_is_the_file_s_own_first_one_with_the_time_it_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, about in listed(capsys).items():
        first, *others = FILES[name].read_text().splitlines()
        takes = [line.removeprefix("# ") for line in others if line.startswith("# Takes ")]
        assert about == " ".join([first.removeprefix("# "), *takes])
    assert "Takes two to three minutes" in listed(capsys)["first_light"]


def test_listing_loads_nothing_heavy() -> None:
    assert modules_after(["examples", "list"]) == set()


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_copy_is_the_file_and_the_command_named_next_is_of_its_kind(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["examples", "copy", name]) == 0
    copied, following = capsys.readouterr().out.splitlines()
    target = Path("examples") / f"{name}.toml"
    text = target.read_text()
    assert copied == f"copied to {target}"
    assert text == FILES[name].read_text()
    words = {"[search]": "optimize", "[grid]": "sweep"}
    command = next((words[part] for part in words if part in text), "hardware show")
    assert following == f"next: stochsim {command} {target}"


@pytest.mark.parametrize("name", ["first_light.toml", "chips/my_rram"])
def test_a_folder_may_be_named_and_is_made(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples", "copy", name, "--to", "my/studies"]) == 0
    target = Path("my/studies") / f"{name.removesuffix('.toml')}.toml"
    assert target.is_file()
    assert str(target) in capsys.readouterr().out


def test_a_copied_chip_is_shown_by_the_command_named_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["examples", "copy", "chips/my_rram"])
    command = capsys.readouterr().out.splitlines()[1].removeprefix("next: stochsim ")
    assert main(command.split()) == 0
    assert "my-rram" in capsys.readouterr().out


def test_nothing_is_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples", "copy", "digits"]) == 0
    capsys.readouterr()
    Path("examples/digits.toml").write_text("mine")
    line = refused(["examples", "copy", "digits"], capsys)
    assert line.startswith("'--to' = 'examples': examples/digits.toml is there already and is not")
    assert Path("examples/digits.toml").read_text() == "mine"


def test_a_link_to_nothing_is_not_written_through(capsys: pytest.CaptureFixture[str]) -> None:
    Path("examples").mkdir()
    Path("examples/digits.toml").symlink_to("elsewhere.toml")
    line = refused(["examples", "copy", "digits"], capsys)
    assert line == "examples/digits.toml: cannot be written (File exists)"
    assert not Path("examples/elsewhere.toml").exists()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("first_ligt", "did you mean 'first_light'?"),
        ("my_rram", "did you mean 'chips/my_rram'?"),
        ("../pyproject", "valid: adc_models, bit_axes, chains, "),
        ("", "valid: adc_models, bit_axes, chains, "),
    ],
)
def test_an_unknown_example_names_the_nearest(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(["examples", "copy", name], capsys)
    assert line.startswith(f"'example' = '{name}': no example of this name; {hint}")
    assert list(Path.cwd().iterdir()) == []


def test_a_file_in_the_folder_s_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("notes").write_text("mine")
    line = refused(["examples", "copy", "digits", "--to", "notes"], capsys)
    assert line == "'--to' = 'notes': is a file; name a folder"
    line = refused(["examples", "copy", "digits", "--to", "notes/below"], capsys)
    assert line == "notes/below/digits.toml: cannot be written (Not a directory)"


def test_an_installed_package_reads_its_own_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = tmp_path / "stochsim" / "examples"
    inside.mkdir(parents=True)
    (inside / "one.toml").write_text("# Of the package.\n")
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "two.toml").write_text("# Of somebody else's.\n")
    place = tmp_path / "stochsim" / "cli" / "examples_commands.py"
    monkeypatch.setattr(examples_commands, "__file__", str(place))
    assert listed(capsys) == {"one": "Of the package."}

"""Studies with axes in TOML files: functions by name, data in npz files, designs, and refusals; and
by the command line.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import stochsim as ss
from stochsim.cli import main
from stochsim.settings import SettingError
from stochsim.studies import custom_study_of, read_custom_study

CODE = """
import numpy as np

def draws(stimuli, reads, key, width):
    noise = np.random.default_rng(key).normal(size=(len(stimuli), reads, 1))
    return stimuli[:, None] + width * noise

def spread(samples, truth):
    return samples.values[:, :, 0].std(axis=1)

SEVEN = 7
"""
STUDY = """version = 1
sampler = "own_parts:draws"
data = "data.npz"
measures = ["own_parts:spread", "effective_samples"]
reads = 40

[axes]
width = [1.0, 2.0]
key = [0, 1]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "own_parts.py").write_text(CODE)
    np.savez(tmp_path / "data.npz", stimuli=np.zeros((5, 1)))
    (tmp_path / "study.toml").write_text(STUDY)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_parts", None)


def changed(folder: Path, old: str, new: str) -> Path:
    assert STUDY.count(old) == 1
    (folder / "study.toml").write_text(STUDY.replace(old, new))
    return folder / "study.toml"


def test_a_file_is_the_study_that_python_makes(folder):
    found = read_custom_study(folder / "study.toml", allow_code=True)
    from own_parts import draws, spread

    same = ss.Study(
        sampler=draws,
        data=np.zeros((5, 1)),
        measures=[spread, "effective_samples"],
        axes={"width": [1.0, 2.0], "key": [0, 1]},
        reads=40,
    )
    assert found.hash == same.hash
    assert list(found.tasks) == list(same.tasks)


def test_code_runs_only_where_it_is_allowed(folder):
    with pytest.raises(SettingError, match=r"study\.toml:2: 'sampler'.*by --allow-code"):
        read_custom_study(folder / "study.toml")
    assert "own_parts" not in sys.modules


def test_a_file_without_axes_is_another_study(folder):
    path = changed(folder, "[axes]", "[axis]")
    assert custom_study_of(path, allow_code=True) is None


def test_designs(folder):
    zipped = changed(folder, "[axes]", '[design]\nkind = "zip"\n\n[axes]')
    assert len(read_custom_study(zipped, True).points) == 2
    sobol = '[design]\nkind = "sobol"\npoints = 8\nkey = 1\n\n[axes]\n'
    path = changed(folder, "[axes]\nwidth = [1.0, 2.0]", f"{sobol}width = {{ low = 1, high = 2 }}")
    points = read_custom_study(path, True).points
    assert len(points) == 8
    assert all(1 <= one["width"] <= 2 for one in points)


def test_points_are_left_out(folder):
    path = changed(folder, "key = [0, 1]", "key = [0, 1]\n\n[[skip]]\nwidth = 1.0\nkey = [1]")
    assert len(read_custom_study(path, True).points) == 3


def test_settings_of_the_chip(folder):
    text = STUDY.replace("[axes]", '[hardware]\npreset = "rram-array"\n"array.rows" = 32\n\n[axes]')
    text += '"hardware.array.adc.bits" = [4, 5]\n'
    (folder / "study.toml").write_text(text)
    study = read_custom_study(folder / "study.toml", True)
    assert study.hardware.array.rows == 32
    assert study.axes["hardware.array.adc.bits"] == [4, 5]
    tables = text.replace(
        '"hardware.array.adc.bits" = [4, 5]', "[axes.hardware.array]\nadc.bits = [4, 5]"
    )
    (folder / "study.toml").write_text(tables)
    assert read_custom_study(folder / "study.toml", True).axes == study.axes


def test_none_is_a_value_of_what_a_chip_can_be_without(folder):
    """ "none" of a setting that has it as a word of its own stays text."""
    text = STUDY.replace("[axes]", '[hardware]\npreset = "digital-45nm"\n\n[axes]')
    text += '"hardware.accumulator_format" = ["none", "bf16"]\n'
    text += '"hardware.noise.dither" = ["none", "stochastic"]\n'
    (folder / "study.toml").write_text(text)
    study = read_custom_study(folder / "study.toml", True)
    assert study.axes["hardware.accumulator_format"] == [None, "bf16"]
    assert study.axes["hardware.noise.dither"] == ["none", "stochastic"]
    from own_parts import draws, spread

    same = ss.Study(
        sampler=draws,
        data={"stimuli": np.zeros((5, 1))},
        measures=[spread, "effective_samples"],
        reads=40,
        hardware=ss.load_hardware("digital-45nm"),
        axes=study.axes,
    )
    assert list(study.tasks) == list(same.tasks)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1", "version = 2", "'version' = 2"),
        ("reads = 40", "read = 40", "unknown key 'read': did you mean 'reads'"),
        ("own_parts:draws", "own_parts", "should be 'module:function'"),
        ("own_parts:draws", "own_part:draws", "cannot be imported .*No module named 'own_part'"),
        ("own_parts:draws", "own_parts:draw", "cannot be imported .*has no attribute 'draw'"),
        ("own_parts:draws", "own_parts:SEVEN", "is no function"),
        ('"effective_samples"', '"effective_sample"', "did you mean 'effective_samples'"),
        ('measures = ["own_parts:spread", "effective_samples"]', "", "'measures' is missing"),
        ('data = "data.npz"', "", "'data' is missing"),
        ('data = "data.npz"', 'data = "no.npz"', "no.npz"),
        ('data = "data.npz"', 'data = "data.csv"', "should be the name of an npz file"),
        ("width = [1.0, 2.0]", "widht = [1.0]", "unknown key 'axes.widht'"),
        ("width = [1.0, 2.0]", "width = { low = 1, high = 2 }", "is a range"),
        ("[axes]", '[design]\nkind = "gird"\n\n[axes]', "did you mean 'grid'"),
        ("[axes]", '[design]\nkind = "sobol"\n\n[axes]', "'design.points' is missing"),
        ("[axes]", '[design]\nkind = "grid"\npoints = 3\n\n[axes]', "'design.points' = 3"),
        ("[axes]", '[hardware]\npreset = "digital-45mn"\n\n[axes]', "did you mean 'digital-45nm'"),
        ("[axes]", "[hardware]\n\n[axes]", "names one of the two"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(folder, old, new, words):
    with pytest.raises(SettingError, match=words) as caught:
        read_custom_study(changed(folder, old, new), allow_code=True)
    assert "study.toml" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip"])
def test_files_that_are_damaged_are_named(folder, content):
    (folder / "data.npz").write_bytes(content)
    with pytest.raises(SettingError, match=r"'data' = 'data\.npz': cannot be read"):
        read_custom_study(folder / "study.toml", allow_code=True)


def test_arrays_of_objects_are_not_read(folder):
    np.savez(folder / "data.npz", stimuli=np.array([{}], dtype=object))
    with pytest.raises(SettingError, match=r"'data'.*cannot be read"):
        read_custom_study(folder / "study.toml", allow_code=True)


def test_the_command_line_runs_shards_and_merges_them(folder, capsys):
    assert main(["sweep", "study.toml"]) == 2
    assert "--allow-code" in capsys.readouterr().err
    for part in ("1", "2"):
        arguments = [
            "--allow-code",
            "--shard",
            f"{part}/2",
            "--workers",
            "1",
            "--out",
            f"part{part}",
        ]
        assert main(["sweep", "study.toml", *arguments]) == 0
    assert main(["merge", "part1", "part2", "--out", "whole"]) == 0
    out = capsys.readouterr().out
    assert "4 points of a sampler; n = 40 reads of each of 5 stimuli" in out
    assert (folder / "whole" / "results.csv").read_text().startswith("width,key,spread,spread_low")
    assert main(["report", "whole"]) == 0
    assert main(["merge", "part1", "--out", "other"]) == 2
    assert "shards are missing: 2/2" in capsys.readouterr().err
    assert main(["merge", "part1", "part1", "--out", "other"]) == 2
    assert "shards are missing: 2/2; given several times: 1/2" in capsys.readouterr().err
    assert (folder / "whole" / "report.html").exists()
    assert main(["sweep", "study.toml", "--allow-code", "--dry-run"]) == 0
    assert "dry run: 4 points" in capsys.readouterr().out

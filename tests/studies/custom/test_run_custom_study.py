"""Runs of studies of a user's own parts, in worker processes: what is stored, gone on with, kept of
what fails, shared out, merged; and their tables.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from customstudies import (
    STIMULI,
    failing,
    gaussian,
    killed_once,
    sampler_study,
    slow,
    without_a_key,
)

import stochsim as ss
from stochsim.report import custom_table, write_custom_results
from stochsim.runs import Store
from stochsim.settings import SettingError, StochsimError
from stochsim.studies import CustomRun, dry_run, merge_runs
from stochsim.studies.custom import run_plots
from stochsim.studies.custom.points import measured


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> CustomRun:
    folder = ss.run_sweep(sampler_study(), tmp_path_factory.mktemp("runs") / "own", workers=2)
    return ss.open_run(folder)


def test_a_run_has_what_each_point_gives_here(run):
    study = sampler_study()
    assert len(run.rows) == run.planned == 4
    for row, point in zip(run, study.points, strict=True):
        expected = measured(study, point)
        assert row.point == point
        estimate = row.estimates["mean_square"]
        wanted = expected["measures"]["mean_square"]
        assert (estimate.value, estimate.low, estimate.high) == tuple(wanted.values())
        assert np.isnan(row.joules_per_read)


def test_the_frame_and_the_array_hold_the_same(run):
    frame, dataset = run.frame(), run.dataset()
    assert list(frame["width"]) == [0.5, 0.5, 1.0, 1.0]
    for row in frame.itertuples():
        place = dataset.sel(width=row.width, key=row.key)
        assert float(place["mean_square"]) == row.mean_square
        assert float(place["mean_square_high"]) == row.mean_square_high
    assert dataset["joules_per_read"].attrs["units"] == "J"


def test_files_hold_the_same(run):
    import pandas

    paths = write_custom_results(run)
    assert [path.name for path in paths] == ["results.csv", "results.parquet"]
    for path, read in zip(paths, (pandas.read_csv, pandas.read_parquet), strict=True):
        found = read(path)
        np.testing.assert_array_equal(found["mean_square"], run.frame()["mean_square"])


def test_the_table_has_a_line_for_each_point(run):
    assert custom_table(run).splitlines()[:4] == [
        "4 points of a sampler; n = 50 reads of each of 6 stimuli; [95 % interval over stimuli]",
        "",
        "width  key        mean_square",
        "-----------------------------",
    ]


def test_keys_are_taken_together(run):
    rows = run.over("key")
    assert [row.point for row in rows] == [{"width": 0.5}, {"width": 1.0}]
    values = [one.estimates["mean_square"].value for one in run.rows]
    assert rows[0].estimates["mean_square"].value == pytest.approx(np.mean(values[:2]))
    with pytest.raises(SettingError, match="is no axis"):
        run.over("keys")


def test_a_place_is_found_by_its_values(run):
    assert run.at(width=1.0, key=1).point == {"width": 1.0, "key": 1}
    with pytest.raises(SettingError, match="2 finished points"):
        run.at(width=1.0)
    with pytest.raises(SettingError, match="did you mean 'width'"):
        run.at(widht=1.0)


def test_runs_are_compared_in_pairs(run, tmp_path):
    other = ss.open_run(ss.run_sweep(sampler_study(reads=200), tmp_path / "more", workers=1))
    found = run.compare(other, "mean_square")
    assert len(found) == 4
    for row in run.rows:
        label = f"width {row.point['width']}, key {row.point['key']}"
        apart = row.per_stimulus["mean_square"] - other.at(**row.point).per_stimulus["mean_square"]
        assert found[label].value == pytest.approx(apart.mean())
    with pytest.raises(SettingError, match="is none of the run"):
        run.compare(other, "accuracy")
    elsewhere = ss.run_sweep(sampler_study({"width": [9.0], "key": [0]}), tmp_path / "else")
    with pytest.raises(SettingError, match="no point in common"):
        run.compare(ss.open_run(elsewhere), "mean_square")


def test_figures_are_drawn(run):
    import matplotlib

    matplotlib.use("agg")
    ax = run.plot.curve("width", "mean_square")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["key 0", "key 1"]
    heat = run.plot.heatmap("width", "key", "mean_square")
    np.testing.assert_allclose(
        heat.images[0].get_array(),
        run.frame()["mean_square"].to_numpy().reshape(2, 2).T,
        rtol=1e-12,
        atol=0,
    )
    for better, front in (("lower", [0.5]), ("higher", [0.5, 1.0])):
        points = np.array([(row.point["width"], 1 + row.point["width"]) for row in run.rows[::2]])
        best = run_plots._front(points, better == "higher")
        assert [points[place, 0] for place in best] == front
    with pytest.raises(SettingError, match="did not measure 'survival'"):
        run.plot.survival("width")
    with pytest.raises(SettingError, match="there is no front"):
        run.plot.front("mean_square")
    with pytest.raises(SettingError, match="is no axis"):
        run.plot.curve("widht", "mean_square")
    matplotlib.pyplot.close("all")


def test_a_finished_run_does_nothing_and_a_longer_one_goes_on(tmp_path):
    folder = ss.run_sweep(sampler_study(), tmp_path / "own", workers=1)
    before = {row.point["width"]: row for row in ss.open_run(folder).rows}
    ss.run_sweep(sampler_study(), folder, workers=1)
    assert ss.open_run(folder).planned == 4
    longer = sampler_study({"width": [0.5, 1.0, 2.0], "key": [0, 1]})
    ss.run_sweep(longer, folder, workers=1)
    after = ss.open_run(folder)
    assert len(after.rows) == 6
    assert set(before) < {row.point["width"] for row in after.rows}
    ss.run_sweep(sampler_study({"width": [2.0], "key": [1]}), folder, workers=1)
    assert len(ss.open_run(folder).rows) == 1  # those of the present study alone


def test_points_that_fail_are_kept_with_their_error_and_tried_again(tmp_path):
    study = sampler_study({"fails": ["", "error", "killed"]}, sampler=failing)
    run = ss.open_run(ss.run_sweep(study, tmp_path / "own", workers=2, retries=0))
    assert [row.point["fails"] for row in run.rows] == [""]
    texts = {task.label: run.failed.get(name, "") for name, task in study.tasks.items()}
    assert "no such sampler" in texts["fails error"]
    assert "ended without a word" in texts["fails killed"]
    assert "2 failed" in str(run)
    table = custom_table(run)
    assert "failed, 1 point: ValueError: no such sampler" in table


def test_a_point_whose_process_was_killed_starts_anew(tmp_path):
    axes = {"mark": [str(tmp_path / "mark")]}
    study = sampler_study(axes, sampler=killed_once)
    run = ss.open_run(ss.run_sweep(study, tmp_path / "own", workers=1))
    assert len(run.rows) == 1
    assert run.failed == {}


def test_a_point_that_takes_too_long_is_given_up(tmp_path):
    study = sampler_study({"seconds": [0.0, 60.0]}, sampler=slow)
    started = time.monotonic()
    run = ss.open_run(ss.run_sweep(study, tmp_path / "own", workers=2, limit_s=8.0))
    assert time.monotonic() - started < 40
    assert [row.point["seconds"] for row in run.rows] == [0.0]
    assert list(run.failed.values()) == ["took longer than the time limit of 8 s"]


def test_shards_put_together_are_one_run(run, tmp_path):
    parts = [
        ss.run_sweep(sampler_study(), tmp_path / f"part{n}", workers=1, shard=f"{n}/3")
        for n in (1, 2, 3)
    ]
    both = ss.open_run(merge_runs(parts[::-1], tmp_path / "whole"))
    whole, single = (write_custom_results(one)[0].read_bytes() for one in (both, run))
    assert whole == single
    again = ss.run_sweep(sampler_study(), tmp_path / "whole", workers=1)
    assert len(ss.open_run(again).rows) == 4


def test_merging_names_what_does_not_fit(tmp_path):
    first, second = (
        ss.run_sweep(sampler_study(), tmp_path / f"part{n}", workers=1, shard=f"{n}/2")
        for n in (1, 2)
    )
    with pytest.raises(StochsimError, match="shards are missing: 2/2"):
        merge_runs([first], tmp_path / "out")
    other = ss.run_sweep(sampler_study(reads=60), tmp_path / "other", workers=1, shard="2/2")
    with pytest.raises(StochsimError, match="of different studies"):
        merge_runs([first, other], tmp_path / "out")
    thirds = ss.run_sweep(sampler_study(), tmp_path / "thirds", workers=1, shard="2/3")
    with pytest.raises(StochsimError, match="different divisions"):
        merge_runs([first, thirds], tmp_path / "out")
    with pytest.raises(StochsimError, match="not empty"):
        merge_runs([first, second], tmp_path)
    assert not (tmp_path / "out").exists()


def test_two_results_of_one_point_are_not_merged(tmp_path):
    study = sampler_study({"key": [0, 1]}, sampler=without_a_key)
    parts = [
        ss.run_sweep(study, tmp_path / name, workers=1, shard=shard)
        for name, shard in (("a", "1/2"), ("b", "1/2"), ("c", "2/2"))
    ]
    with pytest.raises(StochsimError, match="have different results at one point"):
        merge_runs(parts, tmp_path / "out")


def test_errors_of_points_that_are_finished_are_forgotten(tmp_path):
    study = sampler_study({"key": [0]}, sampler=without_a_key)
    folder = ss.run_sweep(study, tmp_path / "own", workers=1)
    with Store.create_or_open(folder) as store:
        store.set_about({"failed": json.dumps({next(iter(study.tasks)): "once", "other": "x"})})
    assert ss.open_run(folder).failed == {}


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", ""])
def test_shards_that_are_none_are_refused(shard, tmp_path):
    with pytest.raises(SettingError, match="'shard'"):
        ss.run_sweep(sampler_study(), tmp_path / "own", shard=shard)
    assert not (tmp_path / "own").exists()


def test_a_part_that_cannot_be_sent_is_named_before_anything_runs(tmp_path):
    class Unsendable:
        def __call__(self, stimuli, reads, key):
            return None

        def __reduce__(self):
            raise TypeError("not this one")

    with pytest.raises(SettingError, match=r"'sampler'.*cannot be sent to a worker.*not this one"):
        ss.run_sweep(sampler_study({"key": [0]}, sampler=Unsendable()), tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_options_of_such_studies_are_none_of_others(tmp_path):
    study = ss.Study(
        version=1,
        model={"kind": "linear_gaussian", "neurons": 4, "noise_sd": 0.5},
        data={"kind": "digits", "size": 8, "components": 8},
        hardware={"preset": "digital-45nm"},
        grid={"bits": [4]},
    )
    with pytest.raises(SettingError, match="is an option of studies with axes"):
        ss.run_sweep(study, tmp_path / "own", shard="1/2")


def test_a_run_of_one_kind_is_not_opened_as_the_other(run):
    with pytest.raises(StochsimError, match="the run of a study with axes"):
        ss.studies.open_results(run.folder)


def test_a_dry_run_says_points_time_and_disk():
    found = dry_run(sampler_study({"seconds": [0.05, 0.0501, 0.0502]}, sampler=slow))
    assert found.points == 3
    assert 0.04 < found.seconds < 5
    assert found.disk_bytes > 500
    assert "dry run: 3 points" in str(found)


SCRIPT = """
import sys
sys.path.insert(0, {helpers!r})
import stochsim as ss
from customstudies import sampler_study, slow
study = sampler_study({{"seconds": [0.1 + n / 1000 for n in range(30)]}}, sampler=slow)
ss.run_sweep(study, {folder!r}, workers=2)
"""


def test_a_run_that_was_killed_loses_the_points_in_progress_alone(tmp_path):
    """SIGKILL in its midst, then the same again: the results are those of an undisturbed run."""
    folder = tmp_path / "own"
    helpers = str(Path(__file__).parents[2] / "helpers")
    script = SCRIPT.format(helpers=helpers, folder=str(folder))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        time.sleep(0.05)
        if (folder / "store.sqlite").exists() and len(_stored(folder)) >= 5:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = _stored(folder)
    assert 5 <= len(before) < 30
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
    after = _stored(folder)
    assert len(after) == 30
    assert all(after[name] == before[name] for name in before)
    study = sampler_study({"seconds": [0.1 + n / 1000 for n in range(30)]}, sampler=slow)
    for name, task in list(study.tasks.items())[:2]:
        point = json.loads(task.settings)["point"]
        assert after[name] == measured(study, point)


def _stored(folder: Path) -> dict[str, object]:
    with Store.open(folder) as store:
        return {name: store.row(name).result for name in store.hashes()}


def test_an_estimate_over_keys_is_that_of_all_of_them():
    """With the truth as data: the mean square of Gaussian draws is their variance."""
    study = sampler_study({"width": [0.5], "key": list(range(4))}, reads=400)
    found = [measured(study, point)["measures"]["mean_square"]["value"] for point in study.points]
    assert np.mean(found) == pytest.approx(0.25, rel=0.05)  # 19,200 draws: 5 sd at 1 %


def test_points_at_values_of_axes_alone(run, tmp_path):
    """The same figures as in the whole run, and nothing else."""
    at = ("width=0.5", "key=1")
    found = ss.open_run(ss.run_sweep(sampler_study(), tmp_path / "at", workers=1, at=at))
    (row,) = found.rows
    assert row.point == {"width": 0.5, "key": 1}
    assert row.estimates == run.at(width=0.5, key=1).estimates
    assert custom_table(found).splitlines()[-1].split()[:2] == ["0.5", "1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": "width"}, "'at' = 'width': should be 'AXIS=VALUE'"),
        ({"at": "widht=0.5"}, "'widht' is no axis of this study; did you mean 'width'"),
        ({"at": "width=0.6"}, "is no value of this axis; did you mean 'width=0.5'"),
        ({"at": "key=0", "shard": "1/2"}, "give one of both"),
        ({"at": ["width=0.5", "key=1", "key=0"]}, "'at' = .*named twice"),
    ],
)
def test_places_that_are_none_are_named(options, message, tmp_path):
    with pytest.raises(SettingError, match=message):
        ss.run_sweep(sampler_study(), tmp_path / "run", workers=1, **options)
    assert not (tmp_path / "run").exists()


def emptied(samples, truth):
    """A measure that writes into what it was given."""
    samples.values[...] = 0
    return np.zeros(len(samples.values))


def of_changed_truth(samples, truth):
    """Another."""
    truth += 1
    return np.zeros(len(truth))


def shifted(stimuli, reads, key, width):
    """A sampler that does so."""
    stimuli += width
    return gaussian(stimuli, reads, key)


def unknown(stimuli, reads, key, width):
    """A sampler whose draws are none."""
    return np.full((len(stimuli), reads, 2), np.nan)


def leaving(samples, truth):
    """A measure that ends its process."""
    sys.exit(3)


def without_file(stimuli, reads, key, width):
    """A sampler that finds no file."""
    return np.load("nothing/of/this/name.npy")


def many(stimuli, reads, key, width):
    """A sampler that gives more than it was asked for."""
    return gaussian(stimuli, reads + 1, key)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"measures": [emptied]}, "the measure 'emptied' failed: ValueError: .*read-only"),
        ({"measures": [of_changed_truth]}, "the measure 'of_changed_truth' failed: .*read-only"),
        ({"sampler": shifted}, "read-only"),
        ({"sampler": unknown}, "'sampler' = .*: should give reads that are finite"),
        ({"measures": [leaving]}, "SystemExit: 3"),
        ({"sampler": without_file}, "FileNotFoundError: .*nothing/of/this/name"),
        ({"sampler": many}, "should give the 50 reads that it was asked for, and gives 51"),
    ],
)
def test_functions_change_nothing_for_those_behind_them(parts, words, tmp_path):
    stimuli = STIMULI.copy()
    study = sampler_study({"width": [1.0, 2.0]}, data=(stimuli, stimuli), **parts)
    run = ss.open_run(ss.run_sweep(study, tmp_path / "own", workers=1))
    assert run.rows == []
    for text in run.failed.values():
        assert re.search(words, text)
    assert np.array_equal(stimuli, STIMULI)
    stimuli += 1  # one's own array is one's own

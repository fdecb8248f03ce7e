"""The best settings of studies of a user's own, of figures in closed form: what is chosen, on which
keys, what is told, and what is wrong input.
"""

import json

import numpy as np
import pytest
from customstudies import STIMULI, linear_program, sampler_study

import stochsim as ss
from stochsim.cli import main
from stochsim.keys import fold_in
from stochsim.search import Bound, CustomObjective, choose
from stochsim.search.front import front, undominated
from stochsim.settings import SettingError, write_toml
from stochsim.studies import Measure


def fixed(stimuli, reads, key, width, shift=0.0):
    """Reads that say what they are asked for."""
    return np.full((len(stimuli), reads, 1), width + shift)


def off(samples, truth):
    """How far from 2.2."""
    return np.abs(samples.values[:, 0, 0] - 2.2)


def size(samples, truth):
    return samples.values[:, 0, 0]


def lucky(stimuli, reads, key, width):
    """Good on even keys alone where width is 1, halfway on all where it is 2."""
    value = {1: 2.2 if key % 2 == 0 else 9.0, 2: 3.0}[width]
    return np.full((len(stimuli), reads, 1), value)


def uneven(stimuli, reads, key, width):
    """Other values at every stimulus, 2 on average."""
    values = 2 + width + np.linspace(-1, 1, len(stimuli))
    return np.repeat(values[:, None, None], reads, 1)


OFF = Measure("off", off, better="lower")
SIZE = Measure("size", size, better="higher")


def study_of(axes, measures=(OFF,), sampler=fixed, **parts):
    return sampler_study(axes, sampler=sampler, measures=list(measures), reads=2, **parts)


def chip_study(**parts):
    program, x = linear_program()
    given = {
        "network": program,
        "data": x,
        "hardware": "in-memory-28nm",
        "measures": [Measure("spread", _spread, better="lower")],
        "axes": {"reads": [4], "hardware.timing.clock_hz": [1e9, 1e8], "key": [0, 1]},
    }
    return ss.Study(**given | parts)


def _spread(samples, truth):
    return samples.values.std(axis=(1, 2))


def test_the_least_figure_of_those_that_keep_the_rules(tmp_path):
    study = study_of({"width": [1, 2, 3, 4]}, (OFF, SIZE))
    least = ss.run_optimize(study, tmp_path, objective={"minimise": "off"}, workers=1)
    assert (least.chosen.point, [one.point for one in least.best]) == ({"width": 2}, [{"width": 2}])
    keep = {"minimise": "off", "keep": ["size >= 2.5", "size <= 3.5"]}
    with pytest.raises(SettingError, match="better where it is higher"):
        ss.run_optimize(study, tmp_path, objective=keep)
    kept = ss.run_optimize(study, tmp_path, objective={"minimise": "off", "keep": "size >= 2.5"})
    assert kept.chosen.point == {"width": 3}
    assert [one.point["width"] for one in kept.kept] == [3, 4]
    assert "least off, size ≥ 2.5: 2 of 4 settings keep the rules" in str(kept)


def test_a_rule_is_kept_by_the_whole_interval(tmp_path):
    """Means of 2, with an interval of some tenths: the mean keeps 2.1, its interval does not."""
    study = study_of({"width": [0.0]}, (SIZE,), sampler=uneven)
    run = ss.open_run(ss.run_sweep(study, tmp_path, workers=1))
    low = run.rows[0].estimates["size"].low
    assert low < 1.9 < run.rows[0].estimates["size"].value
    kept, missed = (Bound("size", ">=", one) for one in (low - 0.01, 1.9))
    assert kept.shortfall(run.rows[0]) < 0 < missed.shortfall(run.rows[0])


def test_the_front_of_two_and_three_figures(tmp_path):
    """off and size: of widths up to 2.2 the larger one is better in both; above, they disagree."""
    study = study_of({"width": [1, 2, 3, 4], "shift": [0.0, 0.1]}, (OFF, SIZE))
    objective = {"minimise": "off", "against": ["size"]}
    found = ss.run_optimize(study, tmp_path, objective=objective, workers=1)
    widths = [one.point["width"] + one.point["shift"] for one in found.best]
    assert widths == [2.1, 3.0, 3.1, 4.0, 4.1]
    assert found.chosen is None


def test_undominated_is_the_front_of_two_figures_and_brute_force_of_three():
    random = np.random.default_rng(0)
    points = [tuple(row) for row in random.integers(0, 6, (60, 2)).tolist()]
    assert undominated(points) == front(points)
    three = [tuple(row) for row in random.integers(0, 5, (80, 3)).tolist()]
    found = {three[place] for place in undominated(three)}
    best = {
        one
        for one in three
        if not any(other != one and all(np.less_equal(other, one)) for other in three)
    }
    assert found == best


def test_a_setting_is_chosen_on_some_keys_and_told_on_others(tmp_path):
    """Width 1 is perfect on the keys that choose, and worst on the others: the answer tells it."""
    folded = {key: fold_in(key, "reads") % 2 for key in range(40)}  # as a sampler gets them
    evens, odds = ([key for key in folded if folded[key] == part][:4] for part in (0, 1))
    keys = [key for pair in zip(evens, odds, strict=True) for key in pair]
    study = study_of({"width": [1, 2], "key": keys}, sampler=lucky)
    found = ss.run_optimize(study, tmp_path, objective={"minimise": "off"}, workers=1)
    assert found.chosen.point == {"width": 1}
    assert found.chosen.seen.estimates["off"].value == 0
    assert found.chosen.reported.estimates["off"].value == pytest.approx(6.8)
    assert found.chosen.keys == (4, 4)
    assert any("chosen on 4 keys" in note for note in found.notes)
    assert any("no headline" in note for note in found.notes)
    kept = choose(found.run, CustomObjective(minimise="off", keep=("off <= 1",)))
    assert kept.chosen.point == {"width": 1}
    assert any("on the keys that tell, off ≤ 1 is missed by 5.8" in note for note in kept.notes)


def test_one_key_is_said(tmp_path):
    found = ss.run_optimize(
        study_of({"width": [1, 2]}), tmp_path, objective={"minimise": "off"}, workers=1
    )
    assert found.chosen.seen is found.chosen.reported
    assert any("one key" in note for note in found.notes)


def test_nothing_keeps_the_rules(tmp_path):
    study = study_of({"width": [1, 2, 3]}, (OFF, SIZE))
    objective = {"minimise": "off", "keep": ["size >= 5", "off <= 1"]}
    found = ss.run_optimize(study, tmp_path, objective=objective, workers=1)
    assert (found.best, found.chosen) == ((), None)
    assert found.nearest.point == {"width": 3}
    assert found.missed == [(Bound("size", ">=", 5.0), 2.0)]
    assert "misses\n  size ≥ 5 by 2" in str(found)


def test_joules_of_a_chip_under_prices(tmp_path):
    """Half of the reads take half of the joules a stimulus, not a read: equal joules, so the first
    wins; and the row of a run has the ends of its joules.
    """
    found = ss.run_optimize(
        chip_study(), tmp_path, objective={"keep": "seconds_per_read <= 1e-5"}, workers=1
    )
    assert found.chosen.point["hardware.timing.clock_hz"] == 1e9
    assert found.win_shares == {0: 1.0, 1: 0.0}
    assert all(one.changes == 0 for one in found.price_worths)
    joules = found.chosen.reported.joules
    assert 0 < joules.low < joules.joules < joules.high
    assert joules.joules == pytest.approx(sum(one.joules for one in joules.ranges))
    both = found.run.over("key")[0]
    assert both.joules_per_read == pytest.approx(sum(one.joules for one in both.joules.ranges))
    row = found.run.rows[0].columns()
    assert row["joules_per_read_low"] < row["joules_per_read"] < row["joules_per_read_high"]
    assert "While all prices vary within their ranges it is the cheapest in 100% of draws." in (
        str(found)
    )


def test_the_answer_is_json_and_a_table(tmp_path):
    found = ss.run_optimize(chip_study(), tmp_path, objective={}, workers=1)
    table = json.loads(json.dumps(found.to_table(), allow_nan=False))
    assert table["objective"]["minimise"] == "joules_per_read"
    assert len(table["best"]) == 1
    frame = found.frame()
    assert list(frame["best"]) == [True, False]
    assert max(map(len, str(found).splitlines())) <= 110


def test_a_run_is_chosen_from_again_and_goes_on(tmp_path):
    study = study_of({"width": [1, 2]}, (OFF, SIZE))
    ss.run_optimize(study, tmp_path, objective={"minimise": "off"}, workers=1)
    run = ss.open_run(tmp_path)
    other = choose(run, CustomObjective(minimise="off", against="size"))
    assert [one.point["width"] for one in other.best] == [2]
    more = study_of({"width": [1, 2, 5]}, (OFF, SIZE))
    found = ss.run_optimize(more, tmp_path, objective={"minimise": "off"}, workers=1)
    assert len(found.candidates) == 3


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"keep": "of <= 1"}, "'objective.keep' = 'of <= 1'.*did you mean 'off <= 1'"),
        ({"keep": "off >= 1"}, "did you mean 'off <= 1'"),
        ({"keep": "off"}, 'should be "FIGURE >= NUMBER"'),
        ({"keep": "off <= 1e999"}, "inf is above"),
        ({"keep": "off <= e"}, "is not a number"),
        ({"keep": "off == 1"}, 'should be "FIGURE >= NUMBER"'),
        ({"minimise": "size"}, "better where it is higher"),
        ({"minimise": "plain"}, "has no better direction"),
        ({"minimise": "joules"}, "did you mean 'joules_per_read'"),
        ({"minimise": "off", "against": "off"}, "names a figure twice"),
        ({"minimise": "off", "against": ["size", "seconds_per_read", "plain"]}, "at most 2"),
        ({"maximise": "size"}, "unknown key 'objective.maximise': did you mean 'minimise'"),
        (3, "'objective' = 3: should be a CustomObjective"),
        ({"keep": [3]}, "objective.keep"),
    ],
)
def test_wrong_objectives_are_named_before_anything_runs(objective, message, tmp_path):
    plain = Measure("plain", size)
    study = study_of({"width": [1, 2]}, (OFF, SIZE, plain))
    with pytest.raises(SettingError, match=message):
        ss.run_optimize(study, tmp_path / "run", objective=objective)
    assert not (tmp_path / "run").exists()


def test_joules_of_a_sampler_are_refused(tmp_path):
    with pytest.raises(SettingError, match="no point has a bill"):
        ss.run_optimize(study_of({"width": [1]}), tmp_path, objective={}, workers=1)


def test_options_of_other_searches_are_refused(tmp_path):
    study = study_of({"width": [1]})
    with pytest.raises(SettingError, match="'trials' = 3: belongs to files with"):
        ss.run_optimize(study, tmp_path, trials=3, objective={"minimise": "off"})
    with pytest.raises(SettingError, match="'objective' is missing"):
        ss.run_optimize(study, tmp_path)
    with pytest.raises(SettingError, match="'shard' = '1/2': leaves points out"):
        ss.run_optimize(study, tmp_path, objective={"minimise": "off"}, shard="1/2")
    with pytest.raises(SettingError, match="unknown key 'limit'"):
        ss.run_optimize(study, tmp_path, objective={"minimise": "off"}, limit=3)


def test_a_file_is_searched_by_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ownnet.py").write_text(
        "import numpy as np\n"
        "def draws(stimuli, reads, key, width):\n"
        "    return np.full((len(stimuli), reads, 1), float(width))\n"
        "def _off(samples, truth):\n"
        "    return np.abs(samples.values[:, 0, 0] - 2.2)\n"
        "from stochsim.studies import Measure\n"
        "off = Measure('off', _off, better='lower')\n",
        encoding="utf-8",
    )
    np.savez(tmp_path / "data.npz", stimuli=STIMULI)
    table = {
        "version": 1,
        "sampler": "ownnet:draws",
        "data": "data.npz",
        "measures": ["ownnet:off"],
        "reads": 2,
        "axes": {"width": [1.0, 2.0]},
        "objective": {"keep": ["off <= 0.5"]},
    }
    write_toml(tmp_path / "own.toml", table)
    assert main(["optimize", "own.toml"]) != 0
    assert "--allow-code" in capsys.readouterr().err
    assert main(["optimize", "own.toml", "--allow-code", "--out", "run"]) != 0
    assert "no point has a bill" in capsys.readouterr().err
    write_toml(tmp_path / "own.toml", table | {"objective": {"minimise": "off"}})
    assert main(["optimize", "own.toml", "--allow-code", "--out", "run"]) == 0
    assert "least off: 2 of 2 settings can be chosen" in capsys.readouterr().out
    answer = json.loads((tmp_path / "run" / "answer.json").read_text())
    assert answer["best"][0]["width"] == 2.0
    assert main(["sweep", "own.toml", "--allow-code", "--out", "run"]) == 0

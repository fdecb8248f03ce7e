"""A renamed key is refused under its old name, and the error names the new one: in a file and its
line, in Python, and in a dotted address.
"""

from pathlib import Path

import pytest
from tinystudy import complaint, write_study

from stochsim.settings import SettingError, strict, with_setting
from stochsim.settings.renamed import RENAMED_KEYS
from stochsim.training import TrainSettings


def test_a_studys_old_keys_name_the_new_ones(tmp_path: Path) -> None:
    said = complaint(write_study(tmp_path, train__exchange=1e12))
    assert said.endswith("unknown key 'train.exchange': 'exchange' is now 'nats_per_joule'")


def test_old_settings_in_python_name_the_new_ones() -> None:
    said = "unknown key 'exchange': 'exchange' is now 'nats_per_joule'"
    with pytest.raises(SettingError, match=said):
        TrainSettings(steps=1, exchange=1e12)
    with pytest.raises(SettingError, match=said):
        with_setting(TrainSettings(steps=1), {"exchange": 1e12})


@pytest.mark.parametrize(("old", "new"), RENAMED_KEYS.items())
def test_every_old_key_is_answered_where_the_new_one_is_known(old: str, new: str) -> None:
    assert str(SettingError.unknown(old, [new, "rows"])).endswith(f"'{old}' is now '{new}'")
    with pytest.raises(SettingError, match=f"unknown key 'head.{old}': '{old}' is now '{new}'"):
        strict.exact_table("head", {old: 1}, [new])


def test_an_old_key_is_not_renamed_where_the_new_one_is_unknown() -> None:
    assert "is now" not in str(SettingError.unknown("exchange", ["rows", "changes"]))

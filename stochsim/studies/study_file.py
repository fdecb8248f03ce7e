"""A study's file, read and checked with its chip before anything runs."""

from pathlib import Path

from stochsim.hardware import Hardware
from stochsim.settings import errors_in
from stochsim.studies.study import Study


def read_study(path: Path) -> tuple[Study, Hardware]:
    """The study in a file and its chip, checked together; raises SettingError that names file,
    line, field, value and rule. Nothing is written.
    """
    study = Study.read(path)
    with errors_in(path):
        return checked_study(study, path.parent)


def checked_study(study: Study, folder: Path = Path()) -> tuple[Study, Hardware]:
    """A study and its chip, whose file a relative path leads to from `folder`; raises SettingError
    where they do not fit each other.
    """
    hardware = study.hardware.resolve(folder)
    study.check(hardware)
    return study, hardware

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
        hardware = study.hardware.resolve(path.parent)
        study.check(hardware)
    return study, hardware

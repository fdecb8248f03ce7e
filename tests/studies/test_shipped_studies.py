"""Every study that comes with the project is valid on its own hardware."""

from pathlib import Path

import pytest

from stochsim.studies import Study
from stochsim.studies.plan import plan_study

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("examples/*.toml"), *ROOT.glob("benchmarks/studies/*.toml")])
SHIPPED = [
    path for path in FILES if "\n[search]" not in path.read_text()
]  # those with a search are no sweeps


def test_there_are_examples_and_studies_of_benchmarks() -> None:
    assert {"first_light", "emergence", "posterior_survival"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_is_valid_on_its_hardware(path: Path) -> None:
    study = Study.read(path)
    hardware = study.hardware.resolve(path.parent)
    study.check(hardware)
    assert len(plan_study(study, hardware).cells) >= 1

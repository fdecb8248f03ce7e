"""The file that hostile text would make."""

from pathlib import Path

import pytest


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "CANARY"

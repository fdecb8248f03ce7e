"""A price book of one entry, as a file."""

from pathlib import Path

GOOD = """\
# A book of one price.

[prices.adc-mine]
kind = "adc"
formula = "2*bits"
unit = "fJ per conversion"
source = "my desk"
tag = "user"
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path

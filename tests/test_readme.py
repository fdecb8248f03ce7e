"""The README is short, runs, and prints what it says; the helpers that read documents see a broken
one.
"""

import re
import shlex
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from documents import (
    README,
    ROOT,
    blocks,
    code_spans,
    commands,
    files,
    is_printed,
    links,
    numbers_per_100_words,
    printed,
    prose,
    read,
    run_python,
)

MOST_WORDS = 900
MOST_NUMBERS = 3.0
"""Numbers per 100 words of prose: results are in docs/."""

HEADINGS = (
    "Quick start",
    "Python API",
    "Example output",
    "Documentation",
    "Limits",
    "Citing",
    "Licence",
)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own that holds a copy of the examples, as the current folder."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("workplace")
def test_python_blocks_print_what_the_readme_shows() -> None:
    text = read(README)
    (shown,) = blocks(text, "text")
    output = printed(text, str(README))
    assert is_printed(shown.text, output, rel=0.1), output


def test_it_is_a_page_that_can_be_read() -> None:
    text = read(README)
    assert len(text.split()) <= MOST_WORDS
    assert numbers_per_100_words(text) < MOST_NUMBERS
    assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == HEADINGS


def test_the_installed_command_does_what_the_readme_says(workplace: Path) -> None:
    stochsim = Path(sys.executable).parent / "stochsim"
    found = commands(read(README), "stochsim")
    assert found
    for command in found:
        done = subprocess.run(
            [stochsim, *command[1:]], capture_output=True, text=True, timeout=60, cwd=workplace
        )
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"


SAMPLE = """Words [here](there.md) and `a.b`, 12 of 3.5.
![picture](one.png)
```python
a = 1
```
```bash
make demo   # the demo
$ stochsim hardware list
.venv/bin/stochsim --help
```
```toml
a = 2
```
```toml
# mine.toml
a = 3
```

| a table | 7 |
```python
b = a + 1
print("b", b)
```
"""


def test_blocks_share_a_namespace_and_commands_are_words() -> None:
    assert run_python(SAMPLE, "sample")["b"] == 2
    assert commands(SAMPLE, "make") == [["make", "demo"]]
    assert [command[1:] for command in commands(SAMPLE, "stochsim")] == [
        ["hardware", "list"],
        ["--help"],
    ]
    assert files(SAMPLE) == {"mine.toml": "# mine.toml\na = 3\n"}


def test_a_broken_block_fails_and_says_where() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_python(SAMPLE.replace("b = a + 1", "b = a / 0"), "sample")
    frame = traceback.extract_tb(caught.tb)[-1]
    assert (frame.filename, frame.lineno) == ("sample", SAMPLE.splitlines().index("b = a + 1") + 1)


def test_prose_is_without_blocks_tables_and_targets() -> None:
    assert prose(SAMPLE).split() == [
        "Words",
        "here",
        "and",
        "`a.b`,",
        "12",
        "of",
        "3.5.",
        "picture",
    ]
    assert numbers_per_100_words(SAMPLE) == 25.0
    assert links(SAMPLE) == ["there.md", "one.png"]
    assert code_spans(SAMPLE) == ["a.b"]


def test_output_is_compared_by_words_and_by_numbers() -> None:
    assert printed(SAMPLE, "sample") == "b 2\n"
    assert is_printed("D = 0.40 of  1,000", "D = 0.41 of 1,000\nand more", rel=0.05)
    assert not is_printed("D = 0.40", "D = 0.45", rel=0.05)
    assert not is_printed("D = 0.40", "S = 0.40", rel=0.05)
    assert not is_printed("D = 0.40 of 10", "D = 0.40", rel=0.05)

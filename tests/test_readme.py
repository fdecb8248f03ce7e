"""The README runs: its Python blocks one after another in one namespace, and its quick commands as
they stand.
"""

import re
import shlex
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from documents import blocks, commands, run_python

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
QUICK = {"--help", "--version", "hardware", "energy"}
"""First words after `stochsim` of commands that end at once; of the others, the subcommand and the
files named are checked.
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own that holds a copy of the examples, as the current folder."""
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("workplace")
def test_python_blocks_run() -> None:
    text = README.read_text(encoding="utf-8")
    assert blocks(text, "python"), "README.md has no Python block"
    run_python(text, str(README))


def test_stochsim_commands_run(workplace: Path) -> None:
    stochsim = Path(sys.executable).parent / "stochsim"
    for command in commands(README.read_text(encoding="utf-8"), "stochsim"):
        quick = command[1] in QUICK
        words = command[1:] if quick else [command[1], "--help"]
        done = subprocess.run(
            [stochsim, *words], capture_output=True, text=True, timeout=60, cwd=workplace
        )
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
        missing = [
            word for word in command if word.startswith("examples/") and not (ROOT / word).exists()
        ]
        assert not missing, f"{shlex.join(command)}: {missing}"


def test_make_targets_exist() -> None:
    targets = set(
        re.findall(
            r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    named = {
        word
        for command in commands(README.read_text(encoding="utf-8"), "make")
        for word in command[1:]
        if "=" not in word
    }
    assert {"setup", "demo", "test", "lint", "bench"} <= targets
    assert named <= targets


SAMPLE = """Words.
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
```python
b = a + 1
```
"""


def test_blocks_share_a_namespace_and_commands_are_words() -> None:
    assert run_python(SAMPLE, "sample")["b"] == 2
    assert commands(SAMPLE, "make") == [["make", "demo"]]
    assert [command[1:] for command in commands(SAMPLE, "stochsim")] == [
        ["hardware", "list"],
        ["--help"],
    ]


def test_a_broken_block_fails_and_says_where() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_python(SAMPLE.replace("b = a + 1", "b = a / 0"), "sample")
    frame = traceback.extract_tb(caught.tb)[-1]
    assert (frame.filename, frame.lineno) == ("sample", SAMPLE.splitlines().index("b = a + 1") + 1)

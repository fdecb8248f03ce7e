"""Text files are UTF-8 wherever they are opened, whatever the locale says."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("stochsim", "kernels", "benchmarks", "docs", "examples")


def without_encoding(source: str) -> Iterator[int]:
    """Lines of calls that open a file as text and leave its encoding to the locale."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _opens_text(node):
            named = {keyword.arg for keyword in node.keywords}
            if "encoding" not in named:
                yield node.lineno


def _opens_text(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if last in ("read_text", "write_text"):
        return "." in name  # of a path; the functions of stochsim.settings have no dot
    if last not in ("open", "fdopen") or name in ("os.open", "cls.open", "Store.open"):
        return False
    is_of_path = "." in name and name != "os.fdopen"
    modes = [one.value for one in call.keywords if one.arg == "mode"]
    modes += call.args[0 if is_of_path else 1 :][:1]
    mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else "r"
    return "b" not in str(mode)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_text_names_its_encoding(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in without_encoding(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("open(p)", 1),
        ("open(p, 'w')", 1),
        ("open(p, 'rb')", 0),
        ("p.open('w', newline='')", 1),
        ("p.open('wb')", 0),
        ("p.read_text()", 1),
        ("p.write_text(t, encoding='utf-8')", 0),
        ("os.fdopen(d, 'wb')", 0),
        ("read_text(p)", 0),
    ],
)
def test_the_search_finds_what_names_none(source: str, count: int) -> None:
    assert len(list(without_encoding(source))) == count


CHIP = 'name = "1 µm"\ninherits = "rram-array"\n'
SCRIPT = """
import locale, sys
assert locale.getpreferredencoding(False).lower() not in ("utf-8", "utf8"), "no such locale"
import stochsim as ss
chip = ss.load_hardware(sys.argv[1])
assert chip.name == "1 \\u00b5m"
chip.write(sys.argv[2])
assert ss.load_hardware(sys.argv[2]) == chip
"""


def test_files_are_utf_8_in_another_locale(tmp_path: Path) -> None:
    (tmp_path / "chip.toml").write_text(CHIP, encoding="utf-8")
    run_in_c("-c", SCRIPT, str(tmp_path / "chip.toml"), str(tmp_path / "again.toml"))
    assert "1 µm" in (tmp_path / "again.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [("show", "CHIP"), ("list",)], ids=["show", "list"])
def test_the_command_line_prints_in_another_locale(words: tuple[str, ...], tmp_path: Path) -> None:
    chip = tmp_path / "chip.toml"
    chip.write_text(CHIP, encoding="utf-8")
    given = [str(chip) if word == "CHIP" else word for word in words]
    assert run_in_c("-m", "stochsim", "hardware", *given)


def run_in_c(*words: str) -> str:
    """What Python prints in the C locale, with neither of its own ways out to UTF-8."""
    own = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    made = {**os.environ, **own}
    made.pop("PYTHONIOENCODING", None)
    done = subprocess.run([sys.executable, *words], env=made, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout.decode(errors="replace")

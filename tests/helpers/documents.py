"""Documents: their code blocks, found and run; their links, paths, names and prose."""

import contextlib
import io
import math
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
"""The README and the pages of docs/."""

GUIDES = (ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md")

_FENCED = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (\w+\.toml)\n")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


class Block(NamedTuple):
    """A fenced block: its language, the number of its first line, its text."""

    language: str
    line: int
    text: str


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def page_name(page: Path) -> str:
    """How a test names a page: docs/install.md."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, *languages: str) -> list[Block]:
    """The fenced blocks of these languages, in order."""
    found = []
    for match in _FENCED.finditer(text):
        if match[1] in languages:
            found.append(Block(match[1], text[: match.start(2)].count("\n") + 1, match[2]))
    return found


def commands(text: str, program: str) -> list[list[str]]:
    """The commands in shell blocks that call `program`, as words; prompts and comments are
    dropped.
    """
    lines = [
        line.removeprefix("$ ")
        for block in blocks(text, "bash", "sh", "console", "shell")
        for line in block.text.splitlines()
    ]
    words = [shlex.split(line, comments=True) for line in lines]
    return [command for command in words if command and Path(command[0]).name == program]


def files(text: str) -> dict[str, str]:
    """The files that a page has the reader write: TOML blocks whose first line is `# NAME.toml`."""
    found = {}
    for block in blocks(text, "toml"):
        name = _FILE.match(block.text)
        if name is not None:
            found[name[1]] = block.text
    return found


def run_python(text: str, name: str) -> dict[str, Any]:
    """Run the Python blocks in order in one namespace, which is returned; tracebacks show the
    file's own line numbers.
    """
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks(text, "python"):
        exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), namespace)
    return namespace


def printed(text: str, name: str) -> str:
    """What the Python blocks print."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        run_python(text, name)
    return out.getvalue()


def without_code(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCED.sub("", text)


def code_spans(text: str) -> list[str]:
    """What stands in code font in the text around the blocks."""
    return re.findall(r"`([^`\n]+)`", without_code(text))


def links(text: str) -> list[str]:
    """The targets of links and pictures, without those on the web."""
    targets = re.findall(r"\]\(([^()\s]+)\)", without_code(text))
    return [target for target in targets if not re.match(r"https?:", target)]


def prose(text: str) -> str:
    """The running text: without blocks, tables, comments, pictures and the targets of links."""
    lines = [line for line in without_code(text).splitlines() if not line.startswith("|")]
    kept = re.sub(r"<!--.*?-->", "", "\n".join(lines), flags=re.DOTALL)
    return re.sub(r"!?\[([^\]]*)\]\([^()\s]*\)", r"\1", kept)


def numbers_per_100_words(text: str) -> float:
    """How many numbers 100 words of a page's prose have."""
    words = prose(text)
    return 100 * len(_NUMBER.findall(words)) / len(words.split())


def is_printed(shown: str, output: str, rel: float) -> bool:
    """Whether the output begins with what is shown: the same words, numbers within `rel`.

    Spaces do not count, because tables are aligned by the widths of their numbers.
    """
    parts = [_words_and_numbers(text) for text in (shown, output)]
    if len(parts[0]) > len(parts[1]):
        return False
    return all(_agree(*pair, rel) for pair in zip(parts[0], parts[1], strict=False))


def _words_and_numbers(text: str) -> list[str]:
    return re.findall(rf"{_NUMBER.pattern}|[^\s\d]+", text)


def _agree(shown: str, found: str, rel: float) -> bool:
    if _NUMBER.fullmatch(shown) and _NUMBER.fullmatch(found):
        values = [float(one.replace(",", "")) for one in (shown, found)]
        return math.isclose(*values, rel_tol=rel, abs_tol=0)
    return shown == found

"""Code blocks of documents: found, and run."""

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple


class Block(NamedTuple):
    """A fenced block: its language, the number of its first line, its text."""

    language: str
    line: int
    text: str


def blocks(text: str, *languages: str) -> list[Block]:
    found = []
    for match in re.finditer(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", text, re.MULTILINE | re.DOTALL):
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


def run_python(text: str, name: str) -> dict[str, Any]:
    """Run the Python blocks in order in one namespace, which is returned; tracebacks show the
    file's own line numbers.
    """
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks(text, "python"):
        exec(compile("\n" * (block.line - 1) + block.text, name, "exec"), namespace)
    return namespace

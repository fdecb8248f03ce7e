"""`stochsim examples list` and `stochsim examples copy`: the studies and chips of examples/, which
come with the package.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

_EXAMPLES = """\
  stochsim examples list                        what there is, and what each is about
  stochsim examples copy first_light            to examples/first_light.toml, below this folder
  stochsim examples copy chips/my_rram --to .   to chips/my_rram.toml

A study is one TOML file: model, data, training, hardware, and the grid (`stochsim sweep`) or the
search (`stochsim optimize`). Copy one, run it as it is, then change a line: a sweep measures only
what it has not measured before, and a misspelt key is an error that names the right one.
"""


class Example(NamedTuple):
    """A file that comes with stochsim.

    name: its path below examples/ without .toml. about: the first line of its comment. takes: how
    long it takes, "" where the file does not say.
    """

    name: str
    path: Path
    about: str
    takes: str

    def command(self, path: Path) -> str:
        """The command that runs a copy of it at `path`; of a chip, the one that shows it."""
        from stochsim.settings import read_toml

        table = read_toml(self.path)
        if "search" in table:
            return f"stochsim optimize {path}"
        return f"stochsim sweep {path}" if "grid" in table else f"stochsim hardware show {path}"


def examples_folder() -> Path:
    """Where the examples are: in the installed package, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples"


def all_examples() -> dict[str, Example]:
    """Every example by its name: studies first, then what lies in folders."""
    folder = examples_folder()
    paths = sorted(folder.rglob("*.toml"), key=lambda path: (path.parent != folder, path))
    found = [_example(path.relative_to(folder).with_suffix("").as_posix(), path) for path in paths]
    return {example.name: example for example in found}


def _example(name: str, path: Path) -> Example:
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    takes = [line for line in comment if line.startswith("Takes ")]
    return Example(name, path, comment[0], takes[0] if takes else "")


def add_to(commands: Any) -> None:
    """Add the commands to the parser's."""
    examples = commands.add_parser(
        "examples",
        help="studies and chips that come with stochsim: list them, copy one to start from",
        description="Studies and chips that come with stochsim, to run and to start from.",
        epilog=f"examples:\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = examples.add_subparsers(metavar="ACTION", required=True)
    actions.add_parser(
        "list", help="every example and what it is about", description=_list.__doc__
    ).set_defaults(command=_list)
    copy = actions.add_parser(
        "copy",
        help="copy one into a folder of yours; never overwrites",
        description=_copy.__doc__,
    )
    copy.add_argument("name", metavar="NAME", help="its name, as `stochsim examples list` says it")
    copy.add_argument(
        "--to",
        type=Path,
        default=Path("examples"),
        metavar="FOLDER",
        help="the folder to copy to, made where it is missing (default: examples)",
    )
    copy.set_defaults(command=_copy)


def _list(args: argparse.Namespace) -> None:
    """List the examples: name, the question it asks, and how long it takes where its file says
    so.
    """
    from stochsim.settings import columns

    found = all_examples()
    rows = [(name, " ".join(filter(None, (one.about, one.takes)))) for name, one in found.items()]
    print("\n".join(columns(rows, left=None)))


def _copy(args: argparse.Namespace) -> None:
    """Copy an example into a folder, and print the command that runs it. A file that is there
    already is left as it is.
    """
    from stochsim.settings import SettingError

    found = all_examples()
    example = found.get(args.name.removesuffix(".toml"))
    if example is None:
        raise SettingError.of("example", args.name, "no example of this name", found)
    target = args.to / f"{example.name}.toml"
    _check_free(args.to, target)
    _write_new(target, example.path.read_text(encoding="utf-8"))
    print(f"copied to {target}\nnext: {example.command(target)}")


def _check_free(folder: Path, target: Path) -> None:
    """Raises SettingError for a folder that is a file, and for a target that is there already."""
    from stochsim.settings import SettingError

    if folder.exists() and not folder.is_dir():
        raise SettingError.of("--to", str(folder), "is a file; name a folder")
    if target.exists():
        rule = f"{target} is there already and is not overwritten; name another folder"
        raise SettingError.of("--to", str(folder), rule)


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, with the folders above it; raises StochsimError where
    that fails.
    """
    from stochsim.settings import StochsimError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # "x": never over what came meanwhile
            file.write(text)
    except OSError as error:
        raise StochsimError(f"{path}: cannot be written ({error.strerror})") from None

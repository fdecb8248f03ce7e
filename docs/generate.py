"""Writes the pages of docs/ that are made from the code: `python -m docs.generate`.

chip_files.md and study_files.md say every setting of a chip, a study and a search; prices.md is the
price book. A test holds them equal to what this script gives.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from docs.settings_tables import Section, markdown_table, sections, settings_table
from stochsim.energy import (
    ADC_MODELS,
    ARGUMENTS,
    FACTS,
    KINDS,
    PRICES,
    TAGS,
    Price,
    part_kind,
)
from stochsim.hardware import OPERATION_PRICES, Hardware, device, devices, preset, presets
from stochsim.search import OptimizeFile
from stochsim.settings import section_of
from stochsim.studies import HardwareSettings, Study

FOLDER = Path(__file__).resolve().parent

_GENERATED = "<!-- Written by `python -m docs.generate`; changes are made in docs/generate.py. -->"

_CHIP_HEAD = """# Chip files: every setting

A chip is one TOML file, read by `stochsim.load_hardware("my_chip.toml")`, by `--hardware` on the
command line and by `file` in a study's `[hardware]`. [quick_start_chip.md](quick_start_chip.md)
shows one. `stochsim hardware show NAME` prints what a chip sets, with sources.

A setting in Python has its dotted address: `hardware.with_({"noise.read_sigma": 0.1})`. Two more
keys stand at the top level of a file alone: `inherits`, a preset's name or another file relative
to this one, whose settings hold where this file says nothing; and `without`, a list of sections
or settings that are not inherited. `name` and `description` are each file's own, `sources` are
appended.

Whatever is edited, what is not named stays: in a file that inherits, in a study's `[hardware.…]`,
in `with_` and in `replace`, a table is merged with the section in whose place it stands, key by key
(in Python an object, as `Array(rows=64)`, takes its place whole). A price takes its parameters
along, and a source that opens with addresses (`"prices.adc, array.rows: our test chip"`) is about
these settings: it goes where one of them changes, or has a newer source. The description of an
edited chip opens with the addresses that were edited. A section that is not there is made of what
is named, by a table or by addresses, and of defaults.

`array.cells.age_s` stays where only the device is edited, without its source, and is refused where
the new device has no such age: None takes it away in Python, `without = ["array.cells.age_s"]` in
a file. The CSV files of measured cells and neurons are named in a chip's file; in Python a setting
is their text, as `Path("my_cells.csv").read_text()`.

The sections `[array]`, `[prices.own.NAME]` and `[prices.scaling]` are there only where
a file has them: a chip without `[array]` multiplies digitally.

A setting that would move neither the output nor the bill is refused, and so is a misspelt one; the
error names file, line, field, value, rule and the nearest valid choice.

Files are UTF-8, with or without a byte order mark, of at most 4 MiB, without control characters in
names and texts. A CSV table has commas, semicolons or tabs between its cells, as its header has;
where they are no commas, numbers may have a decimal comma, all of them or none. In units µ, μ and u
are micro.

"–" as a default: the setting is not there unless given. LSB: one step of the quantiser or ADC in
question. Drive: what a neuron sums, before its noise and its quantiser."""

_STUDY_HEAD = """# Study files and search files: every setting

`stochsim sweep STUDY.toml` measures every combination of a grid; `stochsim optimize SEARCH.toml`
proposes settings to measure. Both files have the sections model, data, network, train, hardware
and measure. A study has a grid besides, a search has search and objective.
[command_line.md](command_line.md) says what the examples are; `stochsim examples list` lists
them.

"–" as a default: the setting is not there unless given. A misspelt key or a value out of range is
an error before anything is written.

Chips vary: with

```text
[hardware]
preset = "rram-array"

[grid]
bits = [4]
chip_keys = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
```

each network runs on 20 manufactured parts, each `Chip(program, hardware, chip_key=…)`: a row of
results.csv for each, and `chip_yield`, the share of chips whose S is at least 0.9 (its estimate,
not the lower end of its interval), with the 95 % Wilson interval of a share of so many chips. The
report shows the S of the first chip and the yield beside it."""

_PRICES_HEAD = """# The price book

What one operation costs: the kinds of operation a bill counts, and every price by name, with
formula, unit, source and a tag for how the source was verified. `stochsim energy show NAME`
prints one with its values and valid range; `stochsim energy list` prints all. A chip names its
prices in `[prices]`; a price of your own is an entry `[prices.own.NAME]`
([chip_files.md](chip_files.md)). V is the chip's supply voltage `prices.voltage_v`, kT the
thermal energy at 300 K. Outside its valid range a price takes the value at the nearer bound, and
the bill warns.

`[prices.scaling]` takes figures to another node by polynomials of 7 to 130 nm. Between two nodes of
their table, as at 22 nm, the logarithm of the energy is interpolated in that of the node, and the
bill warns: a node of the table, left out, is met within 18 %. A bill whose prices are of several
nodes warns, too."""


def chip_files() -> str:
    """The page of every setting of a chip, of presets and of memory devices."""
    lines = [_GENERATED, _CHIP_HEAD, *_sections(sections("", Hardware))]
    kinds = ", ".join(f"`{kind}`" for kind in OPERATION_PRICES)
    lines.append(
        f"In `[prices]` stands, besides, the name of a price for each kind of operation: {kinds}. "
        "[prices.md](prices.md) lists kinds and names."
    )
    lines += ["## Presets", _preset_table(), "## Memory devices", _device_table()]
    return _page(lines)


def study_files() -> str:
    """The page of every setting of a study and of a search."""
    of_study = [one for one in sections("", Study) if not _of_chip(one)]
    shown = {one.address for one in of_study}
    of_search = [one for one in sections("", OptimizeFile) if one.address not in shown - {""}]
    fields = HardwareSettings.model_fields.items()
    parts = [name for name, field in fields if section_of(field.annotation) is not None]
    replaced = ", ".join(f"`[hardware.{name}]`" for name in parts)
    note = (
        f"What a section {replaced} names takes the place of the chip's own settings; what it does "
        "not name stays as the chip has it. Its settings are in [chip_files.md](chip_files.md)."
    )
    lines = [_GENERATED, _STUDY_HEAD, *_sections(of_study), note]
    lines += ["# Search files: what they have besides"]
    return _page([*lines, *_sections(one for one in of_search if not _of_chip(one))])


def prices() -> str:
    """The page of every price and every fact."""
    tags = markdown_table(("tag", "how the figure was verified"), list(TAGS.items()))
    models = [(f"`{name}`", f"`{price}`") for name, price in ADC_MODELS.items()]
    lines = [_GENERATED, _PRICES_HEAD, "## Tags", "\n".join(tags), "## Kinds of operation"]
    lines += [_kind_table(), "## Models of an ADC that answers are compared under"]
    lines += ["\n".join(markdown_table(("model", "price"), models))]
    for kind in dict.fromkeys(price.kind for price in PRICES.values()):
        arguments = ", ".join(f"`{name}`" for name in ARGUMENTS[kind]) or "none"
        lines += [f"## {kind}", f"Arguments of the formula: {arguments}.", _price_table(kind)]
    return _page([*lines, "## Figures that price nothing", _fact_table()])


PAGES: dict[str, Callable[[], str]] = {
    "chip_files.md": chip_files,
    "study_files.md": study_files,
    "prices.md": prices,
}
"""The generated pages, by file name."""


def _page(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _of_chip(section: Section) -> bool:
    """Whether a section of a study is one of a chip's."""
    return section.address.startswith("hardware.")


def _sections(found: Iterator[Section] | list[Section]) -> Iterator[str]:
    for address, settings in found:
        choice = settings.model_fields.get("kind") if address == "model" else None
        kind = f', kind = "{choice.default}"' if choice is not None else ""
        yield f"## `[{address}]`{kind}" if address else "## Top level"
        yield "\n".join(settings_table(settings))


def _preset_table() -> str:
    rows = [(f"`{name}`", preset(name).description) for name in presets()]
    return "\n".join(markdown_table(("preset", "what it is"), rows))


def _device_table() -> str:
    head = ("device", "error", "source", "tag", "note")
    found = [device(name) for name in devices()]
    rows = [(f"`{one.name}`", one.formula, one.source, one.tag, one.note) for one in found]
    return "\n".join(markdown_table(head, rows))


def _kind_table() -> str:
    rows = [
        (
            f"`{name}`",
            kind.part,
            "its law" if kind.by_law else part_kind(name),
            f"`{kind.usual}`" if kind.usual else "–",
        )
        for name, kind in KINDS.items()
    ]
    head = ("operation", "part of the bill", "priced as", "price if a chip names none")
    return "\n".join(markdown_table(head, rows))


def _price_table(kind: str) -> str:
    rows = [_price_row(price) for price in PRICES.values() if price.kind == kind]
    head = ("price", "formula", "unit", "node", "tag", "source")
    return "\n".join(markdown_table(head, rows))


def _price_row(price: Price) -> tuple[str, ...]:
    words = [price.formula, price.definitions]
    words += [f"{name} = {value:g}" for name, value in price.parameters.items()]
    formula = ", ".join(filter(None, words))
    node = "" if price.node_nm is None else f"{price.node_nm:g} nm"
    source = "; ".join(filter(None, (price.source, price.note)))
    return (f"`{price.name}`", f"`{formula}`", price.unit, node, price.tag, source)


def _fact_table() -> str:
    rows = [
        (
            f"`{one.name}`",
            one.figure,
            one.tag,
            one.what,
            "; ".join(filter(None, (one.source, one.note))),
        )
        for one in FACTS.values()
    ]
    head = ("fact", "figure", "tag", "what", "source")
    return "\n".join(markdown_table(head, rows))


def main() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()

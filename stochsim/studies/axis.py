"""What an axis is: its values, how they are written, and how they enter tasks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = tuple[Any, ...]
EVERY_TASK = ("*",)
TASK_KINDS = (
    "decoder",
    "reference",
    "float",
    "network",
    "prior_samples",
    "float_samples",
    "control",
    "chip_samples",
)
"""The kinds of task, in the order in which they start."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: what its values are, how they are written, and how they enter tasks.

    name: of the column, of the search's list and of the command line's option. key: the grid's, if
    another. kind and limits (as of pydantic.Field: ge, gt, le, lt): what one value may be;
    search_limits in their place in a search. choices: the names there are, None for numbers; rule:
    what an error says of them.

    words: the axis; head: its column's in tables, if another. say: one value, None for the words
    and the value. hint: a line that explains it. default: the grid's values where it names none,
    None for an axis that then is not there.

    tasks: the kinds of task whose settings have the value under the axis's name. setting: the
    dotted address in the Hardware that takes the value. ties: axes that all take its value.

    in_grid, in_search: who may use it; one_in_search: as one value for the whole search. by_layer:
    a search's table of lists, one for each layer. varies_network: networks of different values are
    shown apart, as architectures are. names_network: an option of `stochsim energy bill`; usual:
    that option's default, None for the grid's first name or least number. sorted_last: compared
    after all others where results are sorted.

    >>> from stochsim.studies import Axis
    >>> address = "random.random_bits_per_code"
    >>> Axis(name="random_bits", words="random bits", kind=int, setting=address).words
    'random bits'
    """

    name: str
    words: str
    head: str = ""
    hint: str = ""
    key: str = ""
    kind: type = float
    limits: Mapping[str, float] = field(default_factory=dict)
    search_limits: Mapping[str, float] | None = None
    choices: Callable[[], Iterable[str]] | None = None
    rule: str = ""
    say: Callable[[Any], str] | None = None
    default: Values | None = None
    tasks: tuple[str, ...] = ()
    setting: str = ""
    ties: tuple[str, ...] = ()
    in_grid: bool = True
    in_search: bool = True
    one_in_search: bool = False
    by_layer: bool = False
    varies_network: bool = True
    names_network: bool = True
    usual: Any = None
    sorted_last: bool = False

    @property
    def grid_key(self) -> str:
        """Its key in a study's [grid]."""
        return self.key or self.name

    @property
    def of_quantised(self) -> bool:
        """Whether nothing but quantised networks on the chip has a value on it."""
        return self.is_of_the_chip or self.tasks == ("network",)

    @property
    def is_only_where_named(self) -> bool:
        """Whether cells have a value on it only where the grid names it: settings of the chip, and
        an axis of tasks without a default.
        """
        return bool(self.setting) or (self.default is None and bool(self.tasks))

    @property
    def is_of_the_chip(self) -> bool:
        """Whether networks of different values are one network that the chip has in other ways, or
        has in other number formats.
        """
        return bool(self.setting) or (self.is_only_where_named and self.varies_network)

    @property
    def option(self) -> str:
        """Its option on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def enters(self, task_kind: str) -> bool:
        """Whether the settings of tasks of this kind have the axis's value by name."""
        return self.tasks == EVERY_TASK or task_kind in self.tasks

    def text(self, value: Any) -> str:
        """One value in words: "4-bit weights", "64 rows"."""
        if self.say is not None:
            return self.say(value)
        return f"{self.words} {value_text(value)}"

    def given(self, grid: Any) -> Values:
        """Its values in a grid, names in the order given, numbers ascending; () without it."""
        values = getattr(grid, self.grid_key, None) or ()
        return tuple(values) if self.choices is not None else tuple(sorted(values))


def value_text(value: Any) -> str:
    """A value by itself: "0.5", "deep", "–" where there is none."""
    if value is None or value == "":
        return "–"
    return value if isinstance(value, str) else f"{value:g}"

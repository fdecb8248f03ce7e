"""The axes of a study and of a search: the one table that grid, plan, results, CSV, report, search
and command line are made from.

Adding an axis is one entry here, or `register(Axis(...))` from outside. An axis that names a
setting of the chip (`setting`) needs nothing else: its value takes the place of that setting in
every task that depends on the chip, and enters their hashes with it.

Nothing heavy is imported here: `stochsim --help` reads this table.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, get_args

from stochsim.settings import LARGEST, MOST_RHO, SettingError, counted
from stochsim.studies.axis import EVERY_TASK, TASK_KINDS, Axis


def _architectures() -> Iterable[str]:
    from stochsim.networks import ARCHITECTURES

    return tuple(ARCHITECTURES)


def _architecture_words(name: str) -> str:
    from stochsim.networks import ARCHITECTURES

    return ARCHITECTURES[name].words if name else "no network"


def _methods() -> Iterable[str]:
    from typing import get_args

    from stochsim.training import Method

    return get_args(Method)


def _controls() -> Iterable[str]:
    from stochsim.controls import CONTROLS

    return tuple(CONTROLS)


def _formats_of(side: str) -> Callable[[], Iterable[str]]:
    def names() -> Iterable[str]:
        from stochsim import formats

        return tuple(getattr(formats, f"{side}_formats")())

    return names


_OF_TRAINED = "which in networks that are trained are those of `stochsim formats list` but"
BIT_AXES = ("weight_bits", "input_bits", "output_bits")
FORMAT_AXES = {
    "weight_bits": "weight_format",
    "input_bits": "input_format",
    "output_bits": "output_format",
}
"""The axes of number formats, by that of the widths that they have."""
NETWORK_FORMATS = ("weight_format", "input_format")
"""Those that a network is trained with; a format of outputs is fitted to the trained one."""
_BITS: dict[str, Any] = {
    "kind": int,
    "limits": {"ge": 1, "le": 8},
    "varies_network": False,
    "names_network": False,
}

_ENTRIES = (
    Axis(
        name="architecture",
        words="architecture",
        head="network",
        hint="the kind of network",
        kind=str,
        choices=_architectures,
        say=_architecture_words,
        default=("single",),
        one_in_search=True,
    ),
    Axis(
        name="method",
        words="method",
        hint="how the network was trained",
        kind=str,
        choices=_methods,
        say=str,
        default=("quantisation-aware",),
        tasks=("network",),
        one_in_search=True,
    ),
    Axis(
        name="control",
        words="control",
        hint="what takes the place of the network's samples",
        kind=str,
        choices=_controls,
        say=str,
        default=(),
        tasks=("control",),
        in_search=False,
        varies_network=False,
        names_network=False,
        sorted_last=True,
    ),
    Axis(
        name="bits",
        words="bits",
        say=lambda value: counted(value, "bit", "bits"),
        ties=BIT_AXES,
        **_BITS,
    ),
    Axis(
        name="weight_bits",
        words="weight bits",
        say=lambda value: f"{value:g}-bit weights",
        **_BITS,
    ),
    Axis(name="input_bits", words="input bits", say=lambda value: f"{value:g}-bit inputs", **_BITS),
    Axis(
        name="output_bits",
        words="output bits",
        say=lambda value: f"{value:g}-bit outputs",
        **_BITS,
    ),
    Axis(
        name="rho",
        words="ρ",
        hint="exponent of the price of reliability",
        limits={"ge": 0, "le": MOST_RHO},
        say=lambda value: f"ρ = {value:g}",
        default=(0.0,),
        tasks=("float", "network"),
        one_in_search=True,
        varies_network=False,
    ),
    Axis(
        name="noise",
        words="noise",
        hint="multiple of the sigma that the network was trained to",
        limits={"ge": 0, "le": LARGEST},
        search_limits={"gt": 0, "le": LARGEST},
        say=lambda value: f"noise ×{value:g}",
        default=(1.0,),
        tasks=("chip_samples", "float_samples"),
        varies_network=False,
        usual=1.0,
    ),
    Axis(
        name="key",
        key="keys",
        words="key",
        hint="of every random number",
        kind=int,
        limits={"ge": 0, "lt": 2**63},  # TOML integers are signed
        default=(0,),
        tasks=EVERY_TASK,
        in_search=False,
        varies_network=False,
    ),
    Axis(
        name="chip_key",
        key="chip_keys",
        words="chip",
        hint="which manufactured part of the chip",
        kind=int,
        limits={"ge": 0, "lt": 2**63},
        tasks=("chip_samples",),
        in_search=False,
        varies_network=False,
        names_network=False,
    ),
    Axis(
        name="weight_format",
        words="weight format",
        hint="number format of the weights, which the network is trained with",
        kind=str,
        choices=_formats_of("weight"),
        rule=f"is no format of weights, {_OF_TRAINED} what is fitted",
        say=lambda value: f"{value} weights",
        tasks=("network",),
    ),
    Axis(
        name="input_format",
        words="input format",
        hint="number format of the inputs, which the network is trained with",
        kind=str,
        choices=_formats_of("input"),
        rule=f"is no format of inputs, {_OF_TRAINED} blocks and what is fitted",
        say=lambda value: f"{value} inputs",
        tasks=("network",),
    ),
    Axis(
        name="output_format",
        words="output format",
        hint="number format of the outputs, fitted to the trained network's reads",
        kind=str,
        choices=_formats_of("output"),
        rule="is no format of outputs (`stochsim formats list`)",
        say=lambda value: f"{value} outputs",
        tasks=("chip_samples",),
    ),
    Axis(
        name="reads",
        words="reads",
        kind=int,
        limits={"ge": 1, "le": 10_000},
        say=lambda value: f"{value:g} reads averaged" if value != 1 else "single reads",
        default=(1,),
        in_grid=False,
        names_network=False,
    ),
    Axis(
        name="adc_bits",
        words="ADC bits",
        hint="of the ADCs of the chip's array",
        kind=int,
        limits={"ge": 1, "le": 12},
        say=lambda value: f"{value:g}-bit ADCs",
        setting="array.adc.bits",
    ),
    Axis(
        name="rows",
        words="rows",
        hint="of the chip's array",
        kind=int,
        limits={"ge": 1, "le": 65536},
        say=lambda value: f"{value:g} rows",
        setting="array.rows",
    ),
    Axis(
        name="voltage_over_vmin",
        words="V/Vmin",
        hint="of the memory that holds the weights",
        limits={"gt": 0, "le": 100},
        setting="memory.voltage_over_vmin",
    ),
    Axis(
        name="layer_bits",
        words="weight bits",
        hint="of one layer",
        by_layer=True,
        in_grid=False,
        say=lambda value: f"{value:g}-bit weights",
        **_BITS,
    ),
)
AXES: dict[str, Axis] = {axis.name: axis for axis in _ENTRIES}
"""Every axis by name, in the order of columns."""

TAKEN = frozenset(
    [
        "adc_model",
        "against",
        "allow_code",
        "at",
        "batch",
        "book",
        "c",
        "chip",
        "chip_yield",
        "covariance_error",
        "coverage_50",
        "coverage_90",
        "d",
        "d_axes",
        "d_blind",
        "d_full",
        "d_full_best",
        "d_projections",
        "dask",
        "data",
        "directions",
        "dry_run",
        "effective_samples",
        "elbo_nat",
        "energy_rank",
        "facts",
        "finished",
        "flags",
        "float",
        "gaussian_kl_nat",
        "hardware",
        "hash",
        "help",
        "joules_per_effective_sample",
        "json",
        "keeps",
        "kind",
        "layer",
        "limit_s",
        "log_sd_bias",
        "log_sd_correlation",
        "log_sd_rms",
        "macro",
        "mean_error",
        "mmd_squared",
        "nats_per_joule",
        "neurons",
        "out",
        "pattern_correlation",
        "processor",
        "program",
        "readout_accuracy",
        "reconstruction_error",
        "retries",
        "s",
        "samples",
        "samples_per_effective",
        "saturated_share",
        "seconds",
        "seconds_per_effective_sample",
        "set",
        "shape",
        "shard",
        "stimuli",
        "storage",
        "survival",
        "survival_absolute",
        "system",
        "task",
        "tasks",
        "to",
        "total_j",
        "trials",
        "verbose",
        "version",
        "versions",
        "workers",
        "zero_sd_share",
    ]
)
"""Names of columns of results and of options, which no axis may take; a test holds them against
both.
"""
_ENDINGS = ("_low", "_high", "_note", "_j")

_FOLLOWERS: list[Callable[[], None]] = []


def follow(change: Callable[[], None]) -> None:
    """Call `change` whenever an axis comes or goes."""
    _FOLLOWERS.append(change)


def register(axis: Axis) -> None:
    """Add an axis to the table, after the others: a setting of the chip by its address.

    Raises SettingError for a name that is no word, a name or an address that is taken, by an axis,
    a column of results or an option of the command line, an address that leads to no setting of a
    chip, an unknown kind of task, and for an axis without effect.
    """
    if not axis.name.isidentifier() or axis.name != axis.name.lower():
        rule = "should be a word of small letters, digits and underscores"
        raise SettingError.of("name", axis.name, rule)
    taken = {name for each in AXES.values() for name in (each.name, each.grid_key, each.setting)}
    given = {"name": axis.name, "key": axis.grid_key, "setting": axis.setting}
    for field, name in given.items():
        if name in taken - {""}:
            raise SettingError.of(field, name, "is an axis already")
    for field, name in (("name", axis.name), ("key", axis.grid_key)):
        if name in TAKEN or name.endswith(_ENDINGS):
            rule = "is a column of results or an option already; valid: a name of its own"
            raise SettingError.of(field, name, rule)
    for kind in axis.tasks:
        if kind not in (*EVERY_TASK, *TASK_KINDS):
            raise SettingError.of("tasks", kind, "no kind of task", TASK_KINDS)
    if not axis.setting or axis.setting.startswith("precision."):
        rule = (
            "should be the address of a setting of the chip, other than the precision, which is "
            "that of each network"
        )
        raise SettingError.of("setting", axis.setting, rule)
    _check_leads_somewhere(axis.setting)
    AXES[axis.name] = axis
    _tell_followers()


def _check_leads_somewhere(address: str) -> None:
    """Raise SettingError for an address that leads to no single setting of a Hardware."""
    from stochsim.hardware import Hardware

    section: Any = Hardware
    *sections, last = address.split(".")
    for name in sections:
        inner = _section_type(section, name)
        if inner is None:
            choices = [each for each in section.model_fields if _section_type(section, each)]
            raise SettingError.of("setting", address, f"'{name}' is no section", choices)
        section = inner
    singles = [name for name in section.model_fields if not _section_type(section, name)]
    if last not in singles:
        raise SettingError.of("setting", address, f"'{last}' is no setting there", singles)


def _section_type(settings: Any, name: str) -> Any:
    """The settings that a field holds; None of a value, and of a name that is no field."""
    if name not in settings.model_fields:
        return None
    from stochsim.settings import Settings

    annotation = settings.model_fields[name].annotation
    types = (annotation, *get_args(annotation))

    found = (each for each in types if isinstance(each, type) and issubclass(each, Settings))
    return next(found, None)


def withdraw(name: str) -> None:
    """Take an axis out of the table again."""
    del AXES[name]
    _tell_followers()


def _tell_followers() -> None:
    for change in _FOLLOWERS:
        change()


def grid_axes() -> Iterator[Axis]:
    """The axes that a study may have."""
    return (axis for axis in AXES.values() if axis.in_grid)


def search_axes() -> Iterator[Axis]:
    """The axes that a search may have."""
    return (axis for axis in AXES.values() if axis.in_search)


def setting_axes(grid: Any) -> list[Axis]:
    """The axes of this grid (or of a search) that are settings of the chip."""
    return [axis for axis in AXES.values() if axis.setting and axis.given(grid)]


def column_axes(grid: Any) -> list[Axis]:
    """The axes that cells of this grid have a value on, in the order of columns."""
    return [
        axis
        for axis in grid_axes()
        if not axis.ties and (not axis.is_only_where_named or axis.given(grid))
    ]


def network_options() -> list[Axis]:
    """The axes by which the command line names a network of a run."""
    return [axis for axis in grid_axes() if axis.names_network]

"""Settings whose fields are made from the table of axes, and follow it when an axis is registered
from outside.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import pydantic
from pydantic.fields import FieldInfo

from stochsim.networks import layers_of
from stochsim.settings import KeyPath, SettingError, Settings
from stochsim.studies.axes import AXES, BIT_AXES, follow
from stochsim.studies.axis import Axis

S = TypeVar("S", bound=type[Settings])


class AxisField(NamedTuple):
    """A field of settings: its name, its type with the valid range, its default."""

    name: str
    annotation: Any
    default: Any


def grid_field(axis: Axis) -> AxisField | None:
    """The list of an axis's values in a study's grid."""
    if not axis.in_grid:
        return None
    annotation = _list_of(_value(axis, axis.limits), axis.default != ())
    if axis.default is None:
        annotation |= None
    return AxisField(axis.grid_key, annotation, axis.default)


def search_field(axis: Axis) -> AxisField | None:
    """The list of an axis's values in a search; or its one value, or a list for each layer."""
    if not axis.in_search:
        return None
    value = _value(axis, axis.limits if axis.search_limits is None else axis.search_limits)
    if axis.one_in_search:
        return AxisField(axis.name, value, axis.default[0] if axis.default else None)
    if axis.by_layer:
        return AxisField(axis.name, dict[str, _list_of(value)], {})  # type: ignore[misc]
    if axis.default is None:
        return AxisField(axis.name, _list_of(value) | None, None)
    return AxisField(axis.name, _list_of(value), axis.default)


def _value(axis: Axis, limits: Any) -> Any:
    return Annotated[axis.kind, pydantic.Field(**limits)] if limits else axis.kind


def _list_of(value: Any, not_empty: bool = True) -> Any:
    values = tuple[value, ...]
    return Annotated[values, pydantic.Field(min_length=1)] if not_empty else values


def with_axes(field_of: Callable[[Axis], AxisField | None]) -> Callable[[S], S]:
    """Give a settings class a field for each axis, now and when the table changes."""

    def made(cls: S) -> S:
        own = dict(cls.__pydantic_fields__)

        def rebuild() -> None:
            fields = [found for axis in AXES.values() if (found := field_of(axis)) is not None]
            made_now = {
                name: FieldInfo.from_annotated_attribute(annotation, default)
                for name, annotation, default in fields
            }
            cls.__pydantic_fields__ = made_now | own
            cls.model_rebuild(force=True)

        rebuild()
        follow(rebuild)
        return cls

    return made


def holds_axes(cls: S) -> S:
    """Rebuild a settings class that has one with axes as its section, when the table changes."""

    def rebuild() -> None:
        cls.model_rebuild(force=True)

    follow(rebuild)
    return cls


def check_values(settings: Any, fields: dict[str, Axis]) -> None:
    """Raise SettingError for a value that an axis names twice, and for a name that is unknown;
    fields: axes by the name of their field.
    """
    for name in fields:
        values = getattr(settings, name)
        if isinstance(values, tuple):
            check_once(name, values)
    for name, axis in fields.items():
        if axis.choices is not None and getattr(settings, name) is not None:
            _check_choices(name, getattr(settings, name), axis.rule, tuple(axis.choices()))


def _check_choices(name: str, given: Any, rule: str, choices: tuple[str, ...]) -> None:
    for value in given if isinstance(given, tuple) else (given,):
        if value not in choices:
            raise SettingError.of(name, value, rule, choices)


def check_once(name: str, values: tuple[Any, ...], section: KeyPath = ()) -> None:
    """Raise SettingError for a list that names a value twice; section: what it stands in."""
    if len(set(values)) < len(values):
        raise SettingError.of(name, list(values), "names a value twice", section=section)


def check_bits(
    settings: Any, *, are_needed: bool, formats: Mapping[str, str] | None = None
) -> None:
    """Raise SettingError unless the settings give `bits`, which ties BIT_AXES, or all three of
    these, or, where no bits are needed, none; formats: axes whose values have the bits of these.
    """
    tied = f"{', '.join(BIT_AXES[:-1])} and {BIT_AXES[-1]}"
    given = [name for name in BIT_AXES if getattr(settings, name) is not None]
    of_formats = {
        name: axis for name, axis in (formats or {}).items() if getattr(settings, axis) is not None
    }
    for name, axis in of_formats.items():
        for other in ("bits", name):
            if getattr(settings, other) is not None:
                both = tuple(list(getattr(settings, one)) for one in (axis, other))
                rule = f"formats have widths of their own: leave '{other}' out"
                if other == "bits":
                    rule += ", and give the widths of what has no format by themselves"
                raise SettingError.of((axis, other), both, rule)
    given += of_formats
    if settings.bits is not None and given:
        values = tuple(list(getattr(settings, name)) for name in ("bits", *given))
        rule = f"'bits' ties {tied}: give it alone, or the three without it"
        raise SettingError.of(("bits", *given), values, rule)
    absent = tuple(name for name in BIT_AXES if name not in given)
    if settings.bits is None and absent and (given or are_needed):
        raise SettingError.missing(absent, f"give 'bits', or all three of {tied}")


def check_widths_used(field: str, widths: Sequence[int], kind: str, named: Collection[str]) -> None:
    """Raise SettingError where several weight widths are given to choose from, and every layer of
    this kind of network has a width of its own; named: the layers that have one.
    """
    layers = layers_of(kind)
    if len(widths) > 1 and layers and set(named) >= set(layers):
        rule = (
            f"no layer of '{kind}' has these, since layer_bits names all; valid: one width, or a "
            f"layer less there"
        )
        raise SettingError.of(field, list(widths), rule)

"""A number of a chip that was built: its value, unit, source, and how it is known."""

from typing import Annotated, Any, Literal, Self

import pydantic

from stochsim.settings import SettingError, Settings


def _some_text(text: str) -> str:
    if not text.strip():
        raise SettingError.of("", text, "should not be empty")
    return text


Text = Annotated[str, pydantic.AfterValidator(_some_text)]

Tag = Literal["published", "derived", "fitted"]
"""How a parameter is known: printed in the source that it names, of the macro or of a part like its
own; computed, assumed or calibrated by others, as `source` says; or chosen here so that the model
meets stated points.
"""


class Parameter(Settings):
    """One number of a macro, in `unit`.

    range: the ends of what is plausible, where the source does not say what it was; the model then
    has an envelope. Of a fitted parameter: where it is looked for. points: the measured rows that a
    fitted one is fitted to, or that a published one is read from, as columns and their values: no
    prediction. prior: what a fitted one would be without them. Raises SettingError for a fitted
    parameter without points, range or prior, and for others with a prior.

    >>> from stochsim.silicon import Parameter
    >>> Parameter(value=48e-15, unit="F", tag="published", source="Fig. 12").value
    4.8e-14
    """

    value: float
    unit: Text
    tag: Tag
    source: Text
    range: tuple[float, float] | None = None
    prior: float | None = None
    points: tuple[dict[str, Any], ...] = ()

    @pydantic.field_validator("range", mode="before")
    @classmethod
    def _list_is_a_pair(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @pydantic.model_validator(mode="after")
    def _points_where_fitted(self) -> Self:
        if self.tag == "fitted":
            for name, given in (("range", self.range), ("prior", self.prior)):
                if given is None:
                    raise SettingError.missing(name, "a fitted parameter needs it")
            if not self.points:
                raise SettingError.missing("points", "a fitted parameter needs them")
        elif self.prior is not None:
            rule = "belongs to a parameter with tag = 'fitted'"
            raise SettingError.of("prior", self.prior, rule, also=("tag",))
        if self.range is not None and not self.range[0] <= self.value <= self.range[1]:
            rule = f"should be within its range, {self.range[0]:g} to {self.range[1]:g}"
            raise SettingError.of("value", self.value, rule, also=("range",))
        return self

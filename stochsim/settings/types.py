"""Types of settings with their valid range, written once."""

from typing import Annotated

from pydantic import Field

Bits = Annotated[int, Field(ge=1, le=8)]
"""The width of weights, inputs or outputs."""

Rate = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

Sigma = Annotated[float, Field(ge=0, le=1e100)]
"""A standard deviation, whose square is a number too."""

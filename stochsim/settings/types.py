"""Types of settings with their valid range, written once."""

from typing import Annotated

from pydantic import Field

from stochsim.settings.largest import LARGEST

Bits = Annotated[int, Field(ge=1, le=8)]
"""The width of weights, inputs or outputs."""

Rate = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1e100)]
NotNegative = Annotated[float, Field(ge=0, le=1e100)]
"""Numbers whose square is a number too."""

Scale = Annotated[float, Field(ge=1 / LARGEST, le=LARGEST)]
"""The scale of stimuli, responses, noise or a price in nats: it, its square and their inverses are
numbers in float32, in which networks are trained.
"""

Count = Annotated[int, Field(ge=1, le=2**31)]
"""How many of something a chip has or shares."""

Sigma = Annotated[float, Field(ge=0, le=1e100)]
"""A standard deviation, whose square is a number too."""

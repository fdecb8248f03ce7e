"""How a network is trained, as settings (no torch here, so that a study can be checked at once)."""

import pydantic

from stochsim.settings import Settings


class TrainSettings(Settings):
    """Steps of Adam; c and s belong to the price of reliability; the learning rate falls to 2 % of its start on a cosine."""

    steps: int = pydantic.Field(default=1500, ge=1)
    batch: int = pydantic.Field(default=256, ge=1)
    learning_rate: float = pydantic.Field(default=5e-3, gt=0)
    c: float = pydantic.Field(default=1.0, gt=0)
    s: float = pydantic.Field(default=1.0, gt=0)

"""The settings of a data set, apart from the data so that they are checked before anything is
loaded.
"""

from typing import Literal, Self

import pydantic

from stochsim.settings import SettingError, Settings

SMALLEST_SIZE = 4
LARGEST_SIZE = 16
DIGIT_SIZE = 8


class DataSettings(Settings):
    """Which data: `kind`, side length of the pictures in pixels, and how many principal components
    stay as inputs.
    """

    kind: Literal["patches", "digits"]
    size: int
    components: int

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        low, high = (
            (SMALLEST_SIZE, LARGEST_SIZE) if self.kind == "patches" else (DIGIT_SIZE, DIGIT_SIZE)
        )
        if not low <= self.size <= high:
            rule = (
                f"patches have sides of {low} to {high} pixels"
                if self.kind == "patches"
                else f"digits have sides of {DIGIT_SIZE} pixels"
            )
            rule = f"{rule}; nearest valid: {min(max(self.size, low), high)}"
            raise SettingError.of("size", self.size, rule, also=("kind",))
        most = self.size**2 - 1 if self.kind == "patches" else self.size**2
        if not 1 <= self.components <= most:
            lost = ", for the mean of each patch is removed" if self.kind == "patches" else ""
            nearest_valid = min(max(self.components, 1), most)
            rule = (
                f"should be 1 to {most} at size {self.size}{lost}; nearest valid: {nearest_valid}"
            )
            raise SettingError.of("components", self.components, rule, also=("size",))
        return self

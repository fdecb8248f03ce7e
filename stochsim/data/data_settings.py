"""The settings of a data set, apart from the data so that they are checked before anything is
loaded.
"""

from typing import Literal, Self

import pydantic

from stochsim.settings import SettingError, Settings

SMALLEST_SIZE = 4
LARGEST_SIZE = 16
DIGIT_SIZE = 8

Kind = Literal["patches", "china", "flower", "china-to-flower", "flower-to-china", "digits"]


class DataSettings(Settings):
    """Which data: `kind`, side length of the pictures in pixels, and how many principal components
    stay as inputs.

    All kinds but "digits" are patches of photographs: "patches" of eight that scikit-image ships,
    "china" and "flower" of one that scikit-learn ships, a part of it held out, "china-to-flower"
    and "flower-to-china" of one for training and of the other held out, a shift of the data.
    """

    kind: Kind
    size: int
    components: int

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        low, high = (DIGIT_SIZE, DIGIT_SIZE)
        rule = f"digits have sides of {DIGIT_SIZE} pixels"
        most = self.size**2
        lost = ""
        if self.is_patches:
            low, high = (SMALLEST_SIZE, LARGEST_SIZE)
            rule = f"patches have sides of {low} to {high} pixels"
            most -= 1
            lost = ", for the mean of each patch is removed"
        if not low <= self.size <= high:
            rule = f"{rule}; nearest valid: {min(max(self.size, low), high)}"
            raise SettingError.of("size", self.size, rule, also=("kind",))
        if not 1 <= self.components <= most:
            nearest_valid = min(max(self.components, 1), most)
            rule = (
                f"should be 1 to {most} at size {self.size}{lost}; nearest valid: {nearest_valid}"
            )
            raise SettingError.of("components", self.components, rule, also=("size",))
        return self

    @property
    def is_patches(self) -> bool:
        """Whether stimuli are patches of photographs, each without its mean."""
        return self.kind != "digits"

    @property
    def words(self) -> str:
        """What the stimuli are, as pages say it."""
        words = {"digits": "handwritten digits", "patches": "natural image patches"}
        return words.get(self.kind, f"patches of photographs ({self.kind})")

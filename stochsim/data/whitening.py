"""PCA whitening: pixels to decorrelated inputs of variance 1, and back to pictures."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stochsim.settings import SettingError, bounded_array, check_flag, check_whole, one_line

CLIP = 6.0
"""Whitened values are clipped at ± this; natural images have heavy tails, and a quantiser needs a
range.
"""

_RANK_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Whitening:
    """The map of one training set: x = clip(basisᵀ(pixels − mean) / sd).

    mean (pixels,); basis (pixels, inputs), orthonormal columns, largest variance first; sd
    (inputs,), standard deviations along them on the training set. Where `centre_each` is set every
    picture first loses its own mean over the pixels.
    """

    mean: NDArray[np.float64]
    basis: NDArray[np.float64]
    sd: NDArray[np.float64]
    centre_each: bool
    __repr__ = one_line

    @classmethod
    def fit(cls, pixels: NDArray[np.float64], components: int, *, centre_each: bool) -> Self:
        """The whitening of training pictures (picture, pixels); SettingError if `components`
        exceeds their rank, and for what are no pictures.
        """
        pixels = bounded_array("pixels", pixels, "picture, pixels").astype(np.float64)
        if len(pixels) < 2 or pixels.shape[1] < 1:
            raise SettingError.of("pixels", pixels, "should be 2 pictures or more")
        components = check_whole("components", components, -(2**63), 2**63)
        centre_each = check_flag("centre_each", centre_each)
        pictures = _centred(pixels) if centre_each else pixels
        mean = pictures.mean(axis=0)
        covariance = np.atleast_2d(np.cov(pictures, rowvar=False, bias=True))
        variances, vectors = np.linalg.eigh(covariance)
        rank = int(np.sum(variances > _RANK_TOLERANCE * variances[-1]))
        if not 1 <= components <= rank:
            nearest_valid = min(max(components, 1), rank)
            rule = f"the training pictures have rank {rank}; nearest valid: {nearest_valid}"
            raise SettingError.of("components", components, rule)
        basis = vectors[:, ::-1][:, :components]
        peak = basis[np.abs(basis).argmax(axis=0), np.arange(components)]
        return cls(
            mean, basis * np.sign(peak), np.sqrt(variances[::-1][:components]), centre_each
        )  # signs: fixed, whatever LAPACK does

    def transform(self, pixels: NDArray[np.float64], *, clip: bool = True) -> NDArray[np.float32]:
        """Pictures (picture, pixels) to inputs (picture, inputs), clipped at ±CLIP unless asked
        otherwise; raises SettingError for pictures of other sizes, or not finite.
        """
        sizes = (None, len(self.mean))
        pixels = bounded_array("pixels", pixels, "picture, pixels", sizes)
        clip = check_flag("clip", clip)
        pictures = _centred(pixels) if self.centre_each else pixels
        whitened = (pictures - self.mean) @ self.basis / self.sd
        return (np.clip(whitened, -CLIP, CLIP) if clip else whitened).astype(np.float32)

    def to_pixels(self, x: NDArray[np.floating], *, add_mean: bool = False) -> NDArray[np.float64]:
        """Inputs (…, inputs) to pixels (…, pixels), which reshape to (…, size, size); linear unless
        the training mean is added.

        Dictionary elements are directions, so their pictures are `to_pixels(decoder.T)`, one row
        per neuron; a stimulus is a point, so its picture takes `add_mean=True`. What the dropped
        components and each picture's own mean held is lost. Raises SettingError for other shapes,
        and numbers that are not finite.
        """
        add_mean = check_flag("add_mean", add_mean)
        x = bounded_array("x", x, "…, inputs", (len(self.sd),)).astype(np.float64)
        pictures = (x * self.sd) @ self.basis.T
        return pictures + self.mean if add_mean else pictures


def _centred(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    return pixels - pixels.mean(axis=1, keepdims=True)

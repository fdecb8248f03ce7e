"""Natural image patches from photographs that ship with scikit-image and scikit-learn; nothing is
downloaded.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stochsim.keys import generator

TRAIN_IMAGES = ("camera", "brick", "grass", "astronaut", "chelsea")
HELD_OUT_IMAGES = ("gravel", "coffee", "rocket")
"""Held out whole: patches of one photograph never serve both sides."""

TRAIN_PER_IMAGE = 20_000
HELD_OUT_PER_IMAGE = 4_000
ONE_PICTURE = 60_000
"""Training patches of a data set of one photograph."""

OF_SCIKIT_LEARN = ("china", "flower")
HALVED = ("rocket", *OF_SCIKIT_LEARN)

STRIPES = 8
HELD_OUT_STRIPES = (2, 5)
"""Where a photograph serves both sides it is cut into upright stripes of equal width, and these are
held out: a part on one side would be the sky, or the blurred ground behind a flower.
"""

CREDIT = (
    "Photographs shipped with scikit-image. CC0: camera (Lav Varshney), brick and gravel "
    "(CC0Textures), grass (linolafett), chelsea ("
    "Stefan van der Walt), coffee (Rachel Michetti). Public domain: astronaut (NASA), rocket "
    "(SpaceX)."
)
PICTURE_CREDIT = (
    "Photographs shipped with scikit-learn, CC BY 2.0: china (danielbuechele), flower (vultilion)."
)


class Source(NamedTuple):
    """Photographs that a data set takes patches from, for training and held out, `per_image` of
    each; a photograph of both sides is cut into stripes.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    per_image: tuple[int, int]
    credit: str

    def columns(self, name: str, is_held_out: bool, width: int, size: int) -> NDArray[np.int64]:
        """Columns (column,) of an image `width` wide where patches of one side may begin."""
        first = np.arange(width - size + 1)
        if name not in self.train or name not in self.held_out:
            return first
        stripe = first * STRIPES // width
        is_whole = (first + size - 1) * STRIPES // width == stripe
        return first[is_whole & (np.isin(stripe, HELD_OUT_STRIPES) == is_held_out)]


def _of_pictures(train: str, held_out: str) -> Source:
    return Source((train,), (held_out,), (ONE_PICTURE, HELD_OUT_PER_IMAGE), PICTURE_CREDIT)


SOURCES = {
    "patches": Source(TRAIN_IMAGES, HELD_OUT_IMAGES, (TRAIN_PER_IMAGE, HELD_OUT_PER_IMAGE), CREDIT),
    "china": _of_pictures("china", "china"),
    "flower": _of_pictures("flower", "flower"),
    "china-to-flower": _of_pictures("china", "flower"),
    "flower-to-china": _of_pictures("flower", "china"),
}
"""Of each kind of data that is patches."""


def _halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2 × 2 pixels of an image (row, column), an odd last row or column left out."""
    rows = image.shape[0] // 2
    columns = image.shape[1] // 2
    return np.asarray(
        image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    )


def grey_image(name: str) -> NDArray[np.float64]:
    """One photograph (row, column) in grey levels from 0 to 1; the rocket, china and the flower
    halved, for their JPEG blocks of 8 × 8 would show in patches.
    """
    from skimage import (
        color,
        data,
    )  # here, for it takes a second to import and settings are checked without it

    image = _sample_image(name) if name in OF_SCIKIT_LEARN else getattr(data, name)()
    grey = color.rgb2gray(image) if image.ndim == 3 else image / 255.0
    return _halved(grey) if name in HALVED else np.asarray(grey, np.float64)


def _sample_image(name: str) -> NDArray[np.uint8]:
    """A photograph of scikit-learn, (row, column, colour)."""
    from sklearn.datasets import load_sample_image

    return np.asarray(load_sample_image(f"{name}.jpg"))


def draw_patches(
    source: Source, is_held_out: bool, size: int, key: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(patches (per_image · images, size²), number of the image of each) of one side; positions
    drawn with replacement, by key and image.
    """
    names = source.held_out if is_held_out else source.train
    count = source.per_image[is_held_out]
    patches = []
    for name in names:
        image = grey_image(name)
        columns = source.columns(name, is_held_out, image.shape[1], size)
        patches.append(_from_image(image, columns, count, size, generator(key, "patches", name)))
    return np.concatenate(patches), np.repeat(np.arange(len(names)), count)


def _from_image(
    image: NDArray[np.float64],
    columns: NDArray[np.int64],
    count: int,
    size: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size))
    rows = random.integers(windows.shape[0], size=count)
    chosen = columns[random.integers(len(columns), size=count)]
    return np.asarray(windows[rows, chosen].reshape(count, size * size))

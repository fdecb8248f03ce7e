"""Natural image patches from photographs that ship with scikit-image; nothing is downloaded."""

import numpy as np
from numpy.typing import NDArray

from stochsim.keys import generator

TRAIN_IMAGES = ("camera", "brick", "grass", "astronaut", "chelsea")
HELD_OUT_IMAGES = ("gravel", "coffee", "rocket")
"""Held out whole: patches of one photograph never serve both sides."""

TRAIN_PER_IMAGE = 20_000
HELD_OUT_PER_IMAGE = 4_000

CREDIT = (
    "Photographs shipped with scikit-image. CC0: camera (Lav Varshney), brick and gravel "
    "(CC0Textures), grass (linolafett), chelsea ("
    "Stefan van der Walt), coffee (Rachel Michetti). Public domain: astronaut (NASA), rocket "
    "(SpaceX)."
)


def _halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of 2 × 2 pixels of an image (row, column), an odd last row or column left out."""
    rows = image.shape[0] // 2
    columns = image.shape[1] // 2
    return np.asarray(
        image[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))
    )


def grey_image(name: str) -> NDArray[np.float64]:
    """One photograph (row, column) in grey levels from 0 to 1; the rocket halved, for its JPEG
    blocks of 8 × 8 would show in patches.
    """
    from skimage import (
        color,
        data,
    )  # here, for it takes a second to import and settings are checked without it

    image = getattr(data, name)()
    grey = color.rgb2gray(image) if image.ndim == 3 else image / 255.0
    return _halved(grey) if name == "rocket" else np.asarray(grey, np.float64)


def draw_patches(
    names: tuple[str, ...], per_image: int, size: int, key: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(patches (per_image · images, size²), number of the image of each); positions drawn with
    replacement, by key and image.
    """
    patches = np.concatenate([_from_image(name, per_image, size, key) for name in names])
    return patches, np.repeat(np.arange(len(names)), per_image)


def _from_image(name: str, count: int, size: int, key: int) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(grey_image(name), (size, size))
    random = generator(key, "patches", name)
    rows = random.integers(windows.shape[0], size=count)
    columns = random.integers(windows.shape[1], size=count)
    return np.asarray(windows[rows, columns].reshape(count, size * size))

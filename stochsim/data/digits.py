"""Handwritten digits, 8 × 8, that ship with scikit-learn; nothing is downloaded."""

import numpy as np
from numpy.typing import NDArray

from stochsim.keys import generator

HELD_OUT = 500

CREDIT = (
    "Optical recognition of handwritten digits, E. Alpaydin and C. Kaynak, UCI machine learning "
    "repository (CC BY 4.0), shipped with "
    "scikit-learn."
)


def digit_pictures() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(pictures (1797, 64) from 0 to 1, labels 0 … 9)."""
    from sklearn.datasets import (
        load_digits,
    )  # here, for it takes a second to import and settings are checked without it

    pictures, labels = load_digits(return_X_y=True)
    return pictures / 16.0, labels.astype(np.int64)


def split_by_label(
    labels: NDArray[np.int64], held_out: int, key: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(train, held-out) rows, sorted; each label keeps its share to within one row, which rows is
    drawn by key.

    Shares are rounded down, and the labels with the largest remainders take the rows that are left.
    """
    values, counts = np.unique(labels, return_counts=True)
    shares = held_out * counts / len(labels)
    takes = np.floor(shares).astype(int)
    takes[np.argsort(takes - shares, kind="stable")[: held_out - takes.sum()]] += 1
    random = generator(key, "digits", "split")
    chosen = [
        random.permutation(np.flatnonzero(labels == value))[:take]
        for value, take in zip(values, takes, strict=True)
    ]
    test = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(labels)), test), test

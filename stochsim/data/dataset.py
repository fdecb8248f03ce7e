"""A data set ready for a network: whitened inputs, held-out inputs, and the way back to
pictures.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stochsim.data import digits, patches
from stochsim.data.array_checks import check_data
from stochsim.data.data_settings import DIGIT_SIZE, DataSettings
from stochsim.data.whitening import CLIP, Whitening
from stochsim.settings import (
    SettingError,
    card,
    check_kind,
    check_whole,
    counted,
    one_line,
    shaped_array,
)


@dataclass(frozen=True)
class Dataset:
    """Whitened data: `train` and `held_out` (picture, inputs) float32, read-only; labels (picture,)
    or None.

    Inputs have mean 0 and variance 1 over the training pictures, before they are clipped at ±6.
    `train_source` and `held_out_source` (picture,) number the image in `source_images` that a
    picture comes from.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=32, key=0)
    >>> data.train.shape, data.held_out.shape        # (picture, input)
    ((1297, 32), (500, 32))
    >>> print(data)                              # doctest: +ELLIPSIS
    data: digits, 1,297 training and 500 held-out stimuli of 32 numbers
      pictures  8 × 8 pixels of 1 source image
      values    whitened: mean 0, variance 1, clipped at ±6
      labels    10 classes
      credit    Optical recognition of handwritten digits, E. Alpaydin...
    """

    name: str
    size: int
    train: NDArray[np.float32]
    held_out: NDArray[np.float32]
    train_labels: NDArray[np.int64] | None
    held_out_labels: NDArray[np.int64] | None
    source_images: tuple[str, ...]
    train_source: NDArray[np.int64]
    held_out_source: NDArray[np.int64]
    whitening: Whitening
    credit: str
    __repr__ = one_line

    def __post_init__(self) -> None:
        """Refuse NaN and infinity (StochsimError), and make the arrays read-only: data sets are
        shared through a cache.
        """
        check_kind("name", self.name, str, "should be text")
        for part, title in (("train", "train"), ("held_out", "held out")):
            found = shaped_array(part, getattr(self, part), "picture, input")
            check_data(found, f"{self.name}, {title}")
            object.__setattr__(self, part, found.astype(np.float32, copy=False))
        if self.train.shape[1] != self.held_out.shape[1]:
            rule = f"should have {self.train.shape[1]} inputs, as 'train' has"
            raise SettingError.of("held_out", self.held_out, rule)
        for array in (
            self.train,
            self.held_out,
            self.train_labels,
            self.held_out_labels,
            self.train_source,
            self.held_out_source,
        ):
            if array is not None:
                array.flags.writeable = False

    @property
    def inputs(self) -> int:
        """Numbers per stimulus."""
        return self.train.shape[1]

    def __str__(self) -> str:
        """A card: how many stimuli of what, and where they are from."""
        counts = f"{len(self.train):,} training and {len(self.held_out):,} held-out stimuli"
        title = f"data: {self.name}, {counts} of {counted(self.inputs, 'number', 'numbers')}"
        images = counted(len(self.source_images), "source image", "source images")
        labels = "none"
        if self.train_labels is not None:
            labels = counted(len(np.unique(self.train_labels)), "class", "classes")
        rows = [
            ("pictures", f"{self.size} × {self.size} pixels of {images}"),
            ("values", f"whitened: mean 0, variance 1, clipped at ±{CLIP:g}"),
            ("labels", labels),
            ("credit", self.credit),
        ]
        return card(title, rows)


def load_dataset(kind: str, size: int, components: int, key: int) -> Dataset:
    """The data set of these settings, a pure function of the arguments; the last four stay in
    memory. SettingError for invalid ones.

    patches: 20,000 patches of each of five photographs for training, 4,000 of each of three others
    held out. china, flower: 60,000 patches of six of eight upright stripes of one photograph for
    training, 4,000 of the other two held out. china-to-flower, flower-to-china: as many, of the
    whole first photograph for training and of the other held out, whitened as the first. Each
    patch loses its mean. digits: 1,297 for training and 500 held out, split by key within each
    label. The pixel-wise training mean is removed, and no other, for the total ink of a digit says
    its label.

    >>> import stochsim as ss
    >>> ss.load_dataset("digits", size=8, components=32, key=0).inputs
    32
    """
    own = DataSettings.from_table({"kind": kind, "size": size, "components": components})
    return _load(own.kind, own.size, own.components, check_whole("key", key, 0, 2**64))


@functools.lru_cache(maxsize=4)
def _load(kind: str, size: int, components: int, key: int) -> Dataset:
    if kind == "digits":
        return _load_digits(components, key)
    return _load_patches(kind, size, components, key)


def _load_patches(kind: str, size: int, components: int, key: int) -> Dataset:
    source = patches.SOURCES[kind]
    train, train_source = patches.draw_patches(source, False, size, key)
    held_out, held_out_source = patches.draw_patches(source, True, size, key)
    whitening = Whitening.fit(train, components, centre_each=True)
    images = tuple(dict.fromkeys(source.train + source.held_out))
    return Dataset(
        name=kind,
        size=size,
        train=whitening.transform(train),
        held_out=whitening.transform(held_out),
        train_labels=None,
        held_out_labels=None,
        source_images=images,
        train_source=train_source,
        held_out_source=held_out_source + images.index(source.held_out[0]),
        whitening=whitening,
        credit=source.credit,
    )


def _load_digits(components: int, key: int) -> Dataset:
    pictures, labels = digits.digit_pictures()
    train, test = digits.split_by_label(labels, digits.HELD_OUT, key)
    whitening = Whitening.fit(pictures[train], components, centre_each=False)
    return Dataset(
        name="digits",
        size=DIGIT_SIZE,
        train=whitening.transform(pictures[train]),
        held_out=whitening.transform(pictures[test]),
        train_labels=labels[train],
        held_out_labels=labels[test],
        source_images=("digits",),
        train_source=np.zeros(len(train), np.int64),
        held_out_source=np.zeros(len(test), np.int64),
        whitening=whitening,
        credit=digits.CREDIT,
    )

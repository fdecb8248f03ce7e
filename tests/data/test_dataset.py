"""Patches and digits: what they are, and what is refused."""

import typing

import numpy as np
import pytest

from stochsim.data import DataSettings, check_data, check_stimuli, evaluation_stimuli, load_dataset
from stochsim.data import digits as digits_source
from stochsim.data import patches as patches_source
from stochsim.settings import SettingError, StochsimError


@pytest.fixture(scope="module")
def patches():
    return load_dataset("patches", 8, 48, 0)


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", 8, 40, 0)


def of_images(*names):
    return patches_source.Source(names, (), (300, 300), "")


def test_patches_have_the_shares_and_shapes_named(patches):
    assert patches.train.shape == (100_000, 48)
    assert patches.held_out.shape == (12_000, 48)
    assert patches.train.dtype == np.float32
    assert np.abs(patches.train).max() == 6
    assert list(np.bincount(patches.train_source)) == [20_000] * 5
    assert list(np.bincount(patches.held_out_source)) == [0] * 5 + [4_000] * 3
    assert patches.source_images[5:] == ("gravel", "coffee", "rocket")
    assert patches.train_labels is None


@pytest.mark.parametrize("name", ["patches", "digits"])
def test_training_inputs_are_white_before_the_clip(name, request):
    data = request.getfixturevalue(name)
    if name == "patches":
        pixels = patches_source.draw_patches(patches_source.SOURCES["patches"], False, 8, 0)[0]
    else:
        pictures, labels = digits_source.digit_pictures()
        pixels = pictures[digits_source.split_by_label(labels, 500, 0)[0]]
    white = data.whitening.transform(pixels, clip=False).astype(float)
    np.testing.assert_allclose(
        np.cov(white, rowvar=False, bias=True), np.eye(data.inputs), atol=1e-4
    )
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    assert np.array_equal(np.clip(white, -6, 6).astype(np.float32), data.train)


def test_pictures_come_back_up_to_the_dropped_components():
    pixels, _ = patches_source.draw_patches(of_images("camera"), False, 6, 1)
    data = load_dataset("patches", 6, 35, 1)
    white = data.whitening.transform(pixels, clip=False)
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(data.whitening.to_pixels(white, add_mean=True), centred, atol=1e-5)
    assert data.whitening.to_pixels(np.eye(35)).shape == (35, 36)
    assert np.array_equal(data.whitening.to_pixels(np.zeros(35)), np.zeros(36))


def test_rocket_is_halved_and_colours_are_grey():
    for name in ("rocket", "china", "flower"):
        assert patches_source.grey_image(name).shape == (213, 320)
    coffee = patches_source.grey_image("coffee")
    assert coffee.shape == (400, 600)
    assert coffee.min() >= 0
    assert coffee.max() <= 1


def test_digits_are_split_within_labels(digits):
    assert digits.train.shape == (1_297, 40)
    assert digits.held_out.shape == (500, 40)
    _, labels = digits_source.digit_pictures()
    shares = np.bincount(digits.held_out_labels) / np.bincount(labels) * len(labels) / 500
    assert np.abs(shares - 1).max() < 0.02
    assert np.array_equal(
        np.bincount(digits.train_labels) + np.bincount(digits.held_out_labels), np.bincount(labels)
    )


def test_key_decides_and_nothing_else(patches):
    assert load_dataset("patches", 8, 48, 0) is patches
    for name in ("patches", "digits"):
        first, second = load_dataset(name, 8, 10, 1), load_dataset(name, 8, 10, 2)
        assert not np.array_equal(first.train, second.train)
    pixels = [
        patches_source.draw_patches(of_images(*names), False, 8, 5)[0]
        for names in (("camera",), ("brick", "camera"))
    ]
    assert np.array_equal(pixels[0], pixels[1][300:])


@pytest.mark.parametrize("name", ["china", "flower"])
def test_one_photograph_serves_both_sides_in_stripes(name, monkeypatch):
    """Of an image whose grey level is its column: no column is in patches of both sides, and all
    but the last pixels of stripes are somewhere. Drawn from all columns, the negative control, the
    sides share.
    """
    image = np.tile(np.arange(640.0), (20, 1))
    monkeypatch.setattr(patches_source, "grey_image", lambda _: image)
    source = patches_source.SOURCES[name]
    train, held_out = (
        {int(v) for v in patches_source.draw_patches(source, side, 8, 3)[0].ravel()}
        for side in (False, True)
    )
    assert not train & held_out
    assert held_out == {*range(160, 240), *range(400, 480)}
    assert train == set(range(640)) - held_out
    both = patches_source.Source((name,), ("other",), (4_000, 4_000), "")
    shared = {int(v) for v in patches_source.draw_patches(both, False, 8, 3)[0].ravel()}
    assert shared & held_out


@pytest.mark.parametrize(("train", "test"), [("china", "flower"), ("flower", "china")])
def test_a_shift_is_one_photograph_in_training_and_the_other_held_out(train, test):
    """The whitening is that of training, so the flower, which has less contrast, is smaller."""
    data = load_dataset(f"{train}-to-{test}", 8, 20, 0)
    assert data.source_images == (train, test)
    assert set(data.train_source) == {0}
    assert set(data.held_out_source) == {1}
    assert data.train.shape == (60_000, 20)
    assert data.held_out.shape == (4_000, 20)
    contrast = {name: patches_source.grey_image(name) for name in (train, test)}
    ratio = np.diff(contrast[test]).std() / np.diff(contrast[train]).std()
    assert (data.held_out.std() / data.train.std() > 1) == (ratio > 1)


def test_kinds_of_settings_are_those_of_the_photographs_and_digits():
    kinds = typing.get_args(DataSettings.model_fields["kind"].annotation)
    assert {*kinds} == {*patches_source.SOURCES, "digits"}
    for kind in kinds:
        assert DataSettings(kind=kind, size=8, components=9).is_patches == (kind != "digits")


def test_arrays_are_read_only(patches):
    with pytest.raises(ValueError, match="read-only"):
        patches.train[0, 0] = 1


@pytest.mark.parametrize(
    ("kind", "size", "components", "message"),
    [
        ("patch", 8, 48, "patches"),
        ("flowers", 8, 48, "flower"),
        ("china", 3, 5, "4 to 16"),
        ("china-to-flower", 8, 64, "nearest valid: 63"),
        ("patches", 3, 5, "4 to 16"),
        ("patches", 17, 5, "nearest valid: 16"),
        ("patches", 8, 64, "nearest valid: 63"),
        ("patches", 8, 0, "nearest valid: 1"),
        ("digits", 9, 5, "8 pixels"),
        ("digits", 8, 65, "1 to 64"),
        ("digits", 8, 64, "rank"),
    ],
)
def test_bad_settings_are_refused(kind, size, components, message):
    with pytest.raises(SettingError, match=message):
        load_dataset(kind, size, components, 0)


def test_settings_go_through_a_table():
    settings = DataSettings(kind="patches", size=8, components=48)
    assert DataSettings.from_table(settings.to_table()) == settings


def test_nan_in_data_is_named():
    values = np.zeros((3, 4), np.float32)
    values[1, 2] = np.inf
    with pytest.raises(StochsimError, match=r"'mine': row 1, column 2 is inf"):
        check_data(values, "mine")
    values[2, 0] = np.nan
    with pytest.raises(SettingError, match=r"row 1, column 2 .*and 1 more"):
        check_stimuli(values, 4)


@pytest.mark.parametrize(
    "x",
    [np.zeros(4), np.zeros((2, 5)), [[1.0, 2.0], [1.0]], np.zeros((2, 4), complex), [["a"] * 4]],
)
def test_stimuli_of_another_shape_or_type_are_refused(x):
    with pytest.raises(ValueError, match="stimuli"):
        check_stimuli(x, 4)


def test_stimuli_keep_their_type():
    assert check_stimuli(np.zeros((2, 4), np.float32), 4).dtype == np.float32
    assert check_stimuli([[1, 2]], 2).dtype == np.float64


def test_evaluation_stimuli_are_stratified_keyed_and_nested(patches):
    energy = np.sum(patches.held_out.astype(float) ** 2, axis=1)
    quartile = np.argsort(np.argsort(energy, kind="stable")) // 3_000
    rows = evaluation_stimuli(patches, 66, 0)
    assert len(set(rows)) == 66
    assert np.array_equal(quartile[rows], np.repeat([0, 1, 2, 3], [17, 17, 16, 16]))
    assert np.array_equal(rows, evaluation_stimuli(patches, 66, 0))
    assert not np.array_equal(rows, evaluation_stimuli(patches, 66, 1))
    assert set(evaluation_stimuli(patches, 8, 0)) <= set(rows)
    for count in (0, 12_001):
        with pytest.raises(SettingError, match="stimuli"):
            evaluation_stimuli(patches, count, 0)

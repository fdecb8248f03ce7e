"""`convert(…, formats=…)`: networks whose weights, inputs and outputs are of number formats,
against plain arithmetic on the formats' own values.
"""

from typing import Any

import numpy as np
import pytest
import torch
from conversiontest import chip_of, losses_of_training, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.formats import BLOCK_FORMATS, block_format, code_book
from stochsim.hardware import Array, Memory, Noise
from stochsim.lowering import convert, load_converted
from stochsim.networks import GridFormat, fitted_to_book, fitted_weights_to_book

FORMATS = ("fp4-e2m1", "fp6-e3m2", "fp6-e2m3", "fp8-e4m3", "fp8-e5m2", "nf4", "log2-4", "int4")


def rounded(name: str, values: torch.Tensor, scale: float) -> torch.Tensor:
    """Values (any shape) on a format's own values, in float64."""
    book = code_book(name)
    found = scale * book.decode(book.encode(values.double().numpy() / scale))
    return torch.from_numpy(found)


def scale_of(grid) -> float:
    return float(grid.weight_scale().detach())


@pytest.mark.parametrize("name", FORMATS)
def test_a_layer_computes_on_the_values_of_the_format(name: str) -> None:
    x = stimuli(50, 12).double()
    module = seeded(lambda: nn.Linear(12, 7)).double()
    made = convert(module, chip_of(), x, formats=name)
    own = made.layers["linear"]
    grids = own.weight_grid, own.input_grid, own.output_grid
    weight = rounded(name, own.weight.detach(), scale_of(grids[0]))
    values = rounded(name, x, scale_of(grids[1]))
    drive = nn.functional.linear(values, weight, own.bias.detach())
    wanted = rounded(name, drive, scale_of(grids[2]))
    found = made(x)
    same = (found - wanted).abs() <= 1e-5 * wanted.abs().max()
    assert same.double().mean() > 0.99  # a sum on an edge may be rounded up here, down there
    with torch.no_grad():
        assert torch.equal(made.emulated(x), found)
    assert own.bits == (code_book(name).bits,) * 3


@pytest.mark.parametrize("name", list(BLOCK_FORMATS))
def test_blocks_of_weights_have_scales_on_the_format_of_scales(name: str) -> None:
    given = block_format(name)
    x = stimuli(50, 70)
    module = seeded(lambda: nn.Linear(70, 5))
    made = convert(module, chip_of(), x, formats=name)
    own = made.layers["linear"]
    (layer,) = made.program.layers.values()
    assert layer.block_size == given.block_size
    assert layer.weight_book == given.element
    if given.scale == "e8m0":
        logs = np.log2(layer.weight_scale)
        assert np.array_equal(logs, np.rint(logs))
    else:
        units = layer.weight_scale / (layer.weight_scale.max() / 448)
        e4m3 = np.array(code_book("fp8-e4m3").values)
        assert units == pytest.approx(e4m3[np.abs(units[..., None] - e4m3).argmin(-1)], rel=1e-6)
    scales = np.repeat(layer.weight_scale, given.block_size, 1)[:, :70]
    codes = given.element.encode(own.weight.detach().double().numpy() / scales)
    assert np.array_equal(layer.weight_codes, codes)
    with torch.no_grad():
        far = (made.emulated(x) - made(x)).abs() > 1e-4 * made(x).abs().max()
    assert far.double().mean() < 0.02


def test_scales_have_the_least_squared_error_of_those_tried() -> None:
    values = np.random.default_rng(0).laplace(size=4000)
    for name in ("fp4-e2m1", "nf4", "fp8-e4m3", "int4"):
        book = code_book(name)
        errors = {}
        for ranges in ("mse", "minmax", "percentile"):
            scale = scale_of(fitted_to_book(values, book, ranges))
            off = scale * book.decode(book.encode(values / scale)) - values
            errors[ranges] = np.square(off).sum()
        assert errors["mse"] <= min(errors.values())
    widest = np.abs(values).max() / 6
    fp4 = code_book("fp4-e2m1")
    assert scale_of(fitted_to_book(values, fp4, "minmax")) == pytest.approx(widest)
    found = fitted_to_book(values, fp4, "minmax", (-30.0, 12.0))
    assert scale_of(found) == pytest.approx(5.0)
    assert scale_of(fitted_to_book(0 * values, code_book("nf4"))) == 1.0


@pytest.mark.parametrize("ranges", ["mse", "minmax"])
def test_shared_exponents_clip_nothing_or_have_the_least_error(ranges: str) -> None:
    """Of powers of two, by trying all from 2^-30 to 2^10."""
    weight = np.random.default_rng(2).normal(size=(6, 64)) * 2.0 ** np.arange(-3, 3)[:, None]
    book = code_book("fp4-e2m1")
    grid = fitted_weights_to_book(weight, GridFormat(book, 32, "e8m0"), 32, ranges)
    found = grid.weight_scale().detach().numpy()
    rows = weight.reshape(6, 2, 32)
    powers = 2.0 ** np.arange(-30, 11)
    found_at = [p * book.decode(book.encode(rows / p)) for p in powers]
    off = np.square(np.array(found_at) - rows).sum(3)
    if ranges == "mse":
        assert np.array_equal(found, powers[off.argmin(0)])
    else:
        assert np.all(6 * found >= np.abs(rows).max(2))
        assert np.all(3 * found < np.abs(rows).max(2))


def test_each_side_may_have_a_format_of_its_own() -> None:
    x = stimuli(60, 12)
    module = seeded(lambda: nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)))
    formats = {"weights": "mxfp4", "inputs": "fp8-e4m3"}
    made = convert(module, chip_of(4, 4, 8), x, formats=formats)
    first, last = made.layers.values()
    assert first.weight_grid.book.name == "fp4-e2m1"
    assert last.input_grid.book.name == "fp8-e4m3"  # not the 8-bit integers before it
    assert first.output_grid.book is None
    assert first.bits == (4, 8, 8)
    outputs = convert(module, chip_of(4, 8, 8), x, formats={"outputs": "fp8-e4m3"})
    assert not list(outputs.layers.values())[1].takes_codes
    both = convert(module, chip_of(4, 4, 8), x, formats="fp8-e4m3")
    assert list(both.layers.values())[1].takes_codes


def test_eight_bit_formats_are_near_to_float_and_four_bits_farther() -> None:
    x = stimuli(200, 12)
    module = seeded(lambda: nn.Sequential(nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 3)))
    errors = {}
    for name in ("fp8-e4m3", "mxint8", "mxfp6-e2m3", "nvfp4", "mxfp4"):
        made = convert(module, chip_of(), x, formats=name)
        with torch.no_grad():
            off = (made(x) - module(x)).square().mean() / module(x).square().mean()
        errors[name] = float(off) ** 0.5
    assert errors["fp8-e4m3"] < 0.06
    assert errors["mxint8"] < 0.03
    assert errors["mxfp6-e2m3"] < errors["mxfp4"] < 0.5
    assert errors["nvfp4"] < 0.4


@pytest.mark.parametrize("name", ["fp4-e2m1", "mxfp4", "nvfp4"])
def test_training_learns_weights_and_scales_on_the_format(name: str) -> None:
    """Over 30 steps the loss falls; scales move, and stay on their format; chip and emulation
    agree.
    """
    x = stimuli(100, 40)
    wanted = torch.tanh(stimuli(100, 3))
    noise = Noise(read_sigma_lsb=0.1, weight_sigma_lsb=0.05, input_dither="stochastic")
    noisy = chip_of(noise=noise)
    made = convert(seeded(lambda: nn.Linear(40, 3)), noisy, x, formats=name)
    before = made.layers["linear"].weight_grid.scale().detach().clone()
    start, end = losses_of_training(made, x, wanted)
    grid = made.layers["linear"].weight_grid
    assert not torch.equal(grid.scale(), before)
    if name == "mxfp4":
        logs = torch.log2(grid.scale().detach())
        assert torch.equal(logs, logs.round())
    assert end < 0.8 * start
    quiet = convert(seeded(lambda: nn.Linear(40, 3)), chip_of(), x, formats=name)
    quiet.load_state_dict(made.state_dict())
    with torch.no_grad():
        far = (quiet.emulated(x) - quiet(x)).abs() > 1e-4
    assert far.double().mean() < 0.02


def test_inputs_rounded_at_random_have_their_own_mean_in_training_and_on_the_chip() -> None:
    """Means of 4,000 calls and reads within 6 standard errors of x w, of inputs inside the ends."""
    x = torch.tensor([[0.3, -1.1, 2.2], [0.05, 0.7, -1.9]])
    noisy = chip_of(8, 4, 8, noise=Noise(input_dither="stochastic"))
    examples = torch.cat([x, -4 * x, 4 * x])
    module = seeded(lambda: nn.Linear(3, 2))
    made = convert(module, noisy, examples, formats={"inputs": "fp4-e2m1"}, ranges="minmax")
    own = made.layers["linear"]
    wanted = nn.functional.linear(x, own.weight_grid(own.weight), own.bias).detach().numpy()
    reads = made.sample(x, 4000, 0)
    with torch.no_grad():
        calls = made.train()(x.repeat(4000, 1)).reshape(4000, 2, 2).numpy().swapaxes(0, 1)
    step = float(own.output_grid.step().detach())
    for drawn in (reads, calls):
        error = 6 * drawn.std(1) / np.sqrt(4000) + 0.1 * step
        assert np.all(np.abs(drawn.mean(1) - wanted) < error)
    assert calls.std(1) == pytest.approx(reads.std(1), rel=0.15)


@pytest.mark.parametrize("formats", [None, {"inputs": "fp4-e2m1"}], ids=["int4", "fp4"])
def test_inputs_rounded_by_one_random_bit_are_the_same_in_training(formats: Any) -> None:
    """Means of 4,000 calls and reads within 6 standard errors of each other; those of the chip that
    rounds without a bias are the negative control.
    """
    x = torch.tensor([[0.35, -1.15, 2.2], [0.05, 0.7, -1.9]])
    examples = torch.cat([x, -4 * x, 4 * x])
    module = seeded(lambda: nn.Linear(3, 2))

    def converted(bits: int | None) -> Any:
        noise = Noise(input_dither="stochastic", input_random_bits=bits)
        return convert(module, chip_of(8, 4, 8, noise=noise), examples, formats=formats)

    made = converted(1)
    reads = made.sample(x, 4000, 0)
    with torch.no_grad():
        calls = made.train()(x.repeat(4000, 1)).reshape(4000, 2, 2).numpy().swapaxes(0, 1)
    error = 6 * np.hypot(reads.std(1), calls.std(1)) / np.sqrt(4000) + 1e-6
    assert np.all(np.abs(reads.mean(1) - calls.mean(1)) < error)
    unbiased = converted(None).sample(x, 4000, 0)
    assert np.any(np.abs(unbiased.mean(1) - calls.mean(1)) > 2 * error)


def test_convolutions_tables_and_arrays() -> None:
    x = stimuli(30, 4, 6, 6)
    two = (nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 2))
    net = seeded(lambda: nn.Sequential(*two))
    made = convert(net, chip_of(), x, formats="mxfp4")
    with torch.no_grad():
        far = (made.emulated(x) - made(x)).abs() > 1e-4 * made(x).abs().max()
    assert far.double().mean() < 0.02
    ids = torch.arange(40).reshape(20, 2)
    words = seeded(lambda: nn.Sequential(nn.Embedding(40, 6), nn.Flatten(), nn.Linear(12, 3)))
    table = convert(words, chip_of(), ids, formats="fp4-e2m1")
    rows = table.layers["0"]
    assert rows.output_grid.book == rows.weight_grid.book  # rows are not rounded twice
    exact = rounded("fp4-e2m1", rows.weight.detach(), scale_of(rows.weight_grid))
    assert scale_of(rows.output_grid) == scale_of(rows.weight_grid)
    assert rows(ids.float()).detach().numpy() == pytest.approx(exact[ids].numpy(), rel=1e-6)
    array = Array(rows=64, columns=64, cell_bits=2, cycle_bits=1)
    noisy = chip_of(array=array).with_({"array.adc.bits": 8})
    linear = seeded(lambda: nn.Linear(12, 5))
    wide = stimuli(50, 12)
    on_array = convert(linear, noisy, wide, formats="fp4-e2m1")
    digital = convert(linear, chip_of(), wide, formats="fp4-e2m1")
    with torch.no_grad():
        off = (on_array(wide) - digital(wide)).abs().mean() / digital(wide).abs().mean()
    assert off < 0.15


@pytest.mark.parametrize("name", ["nf4", "mxfp4", "nvfp4"])
def test_files_keep_formats(name: str, tmp_path) -> None:
    x = stimuli(40, 40)
    noisy = chip_of(noise=Noise(read_sigma_lsb=0.4))
    module = seeded(lambda: nn.Sequential(nn.Linear(40, 6), nn.ReLU(), nn.Linear(6, 2)))
    made = convert(module, noisy, x, formats=name)
    made.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x, 3, 0), made.sample(x, 3, 0))
    with torch.no_grad():
        assert torch.equal(again.emulated(x), made.emulated(x))
    assert again.layers["0"].weight_grid.block_scales == made.layers["0"].weight_grid.block_scales


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"formats": "fp4-e2m2"}, "did you mean 'fp4-e2m1'|fp5-e2m2"),
        ({"formats": "mxfp5"}, "did you mean 'mxfp4'"),
        ({"formats": {"weight": "nf4"}}, "did you mean 'weights'"),
        ({"formats": {"weights": 4}}, "weights"),
        ({"formats": 4}, "should be the name of a number format"),
        ({"formats": "log2-8"}, r"'formats.weights' = 'log2-8'.*lie too far apart"),
        ({"formats": "nf4", "ranges": "lsq"}, "LSQ has integers alone"),
        ({"formats": "nf4", "weight_grids": "affine"}, "weight_grids"),
        ({"formats": "nf4", "input_grids": "affine"}, "input_grids"),
        ({"formats": "mxfp4", "weight_scales": 8}, "blocks of 32"),
        (
            {"formats": "nf4", "bits": {"linear": (5, 4, 4)}},
            r"'bits.linear.weight_bits' = 5: should be 4 for its weights, as its format 'nf4' in "
            r"'formats.weights' has",
        ),
        ({"formats": "mxfp4-per-neuron"}, r"'formats.weights' = .*did you mean 'mxfp4'"),
        ({"formats": {"inputs": "lloyd-4"}}, r"'formats.inputs' = 'lloyd-4': has values.*fitted"),
        ({"formats": {"outputs": "fp9-e4m4"}}, r"'formats.outputs' = 'fp9-e4m4': should be 8"),
        ({"formats": {"inputs": "bf16"}}, r"'formats.inputs' = 'bf16': has 16 bits"),
    ],
)
def test_what_cannot_be_is_refused(given, rule: str) -> None:
    x = stimuli(30, 12)
    with pytest.raises(ss.SettingError, match=rule):
        convert(seeded(lambda: nn.Linear(12, 3)), chip_of(), x, **given)


def test_what_formats_have_not_is_refused() -> None:
    x = stimuli(30, 12)
    made = convert(seeded(lambda: nn.Linear(12, 3)), chip_of(), x, formats="nf4")
    with pytest.raises(ss.SettingError, match="of a format"):
        made.learn_widths()


def test_layers_of_zeros_and_ranges_that_clip_nothing() -> None:
    x = stimuli(40, 160)
    module = seeded(lambda: nn.Sequential(nn.Linear(160, 16), nn.ReLU(), nn.Linear(16, 2)))
    nn.init.zeros_(module[2].weight)
    made = convert(module, chip_of(), x, formats="nvfp4", ranges="minmax")
    with torch.no_grad():
        assert torch.isfinite(made(x)).all()
    for layer, own in zip(made.program.layers.values(), made.layers.values(), strict=True):
        scales = layer.weight_scale
        wide = np.repeat(scales, 16, 1)[:, : layer.inputs] if scales.ndim == 2 else scales[:, None]
        assert np.all(np.abs(own.weight.detach().numpy()) <= 6 * wide * (1 + 1e-6))


@pytest.mark.parametrize(
    ("settings", "formats", "field"),
    [
        ({"noise": Noise(dither="stochastic")}, {"outputs": "fp4-e2m1"}, "noise.dither"),
        ({"memory": Memory(weight_read_errors=0.05)}, "nf4", "memory.weight_read_errors"),
        ({"memory": Memory(voltage_over_vmin=0.9)}, "nf4", "memory.voltage_over_vmin"),
    ],
)
def test_settings_without_a_law_are_refused_at_once(settings, formats, field: str) -> None:
    module = seeded(lambda: nn.Linear(12, 3))
    with pytest.raises(ss.SettingError, match=rf"'{field}' = "):
        convert(module, chip_of(**settings), stimuli(30, 12), formats=formats)


def test_an_array_without_such_integers_is_refused_at_once() -> None:
    array = chip_of(array=Array(rows=64, columns=64, cell_bits=2, cycle_bits=1))
    module = seeded(lambda: nn.Linear(12, 3))
    for side in ("weights", "inputs"):
        with pytest.raises(ss.SettingError, match=rf"'formats.{side}' = 'fp8-e4m3'.*they have 19"):
            convert(module, array, stimuli(30, 12), formats={side: "fp8-e4m3"})


@pytest.mark.parametrize("formats", [None, "nvfp4", "mxfp4", "fp4-e2m1", "fp8-e5m2"])
@pytest.mark.parametrize("size", [1e200, 1e30, 1e-200])
def test_values_that_no_scale_is_for_are_named(size: float, formats: Any) -> None:
    """Blocks whose scales follow from their values take small inputs."""
    module, x = seeded(lambda: nn.Linear(32, 3)).double(), stimuli(30, 32).double()
    kind, side = r"'examples': should be of other sizes", "inputs"
    if formats in ("nvfp4", "mxfp4"):
        side = "(in|out)puts"
    if size > 1 or side == "inputs":
        with pytest.raises(ss.SettingError, match=rf"{kind}: the {side} of layer 'linear' would"):
            convert(module, chip_of(), x * size, formats=formats)
    with torch.no_grad():
        module.weight *= size
    with pytest.raises(ss.SettingError, match="'module': should be of other sizes: the weights"):
        convert(module, chip_of(), x, formats=formats)


def test_scales_that_training_takes_out_of_their_range_are_named() -> None:
    for side in ("weight", "input", "output"):
        made = convert(seeded(lambda: nn.Linear(12, 3)), chip_of(), stimuli(30, 12))
        with torch.no_grad():
            getattr(made.layers["linear"], f"{side}_grid").log_scale.fill_(70.0)
        field = "weight_scale" if side == "weight" else rf"{side}\.scale"
        with pytest.raises(ss.SettingError, match=rf"'layers\.linear\.{field}' = 1\.1"):
            made(stimuli(2, 12))


@pytest.mark.parametrize("side", ["weights", "inputs", "outputs"])
def test_formats_of_one_sign_are_refused_where_both_are_met(side: str) -> None:
    module = seeded(lambda: nn.Linear(12, 3))
    with pytest.raises(ss.SettingError, match=rf"'formats.{side}' = 'uint4'.*both signs"):
        convert(module, chip_of(), stimuli(30, 12), formats={side: "uint4"})
    relu = nn.Sequential(module, nn.ReLU())
    if side == "outputs":
        convert(relu, chip_of(), stimuli(30, 12), formats={side: "uint4"})


def test_cards_name_the_formats() -> None:
    formats = {"weights": "mxfp4", "inputs": "fp8-e4m3"}
    made = convert(seeded(lambda: nn.Linear(40, 3)), chip_of(), stimuli(30, 40), formats=formats)
    assert "mxfp4    fp8-e4m3  4 bits" in str(made)
    layer = next(iter(made.program.layers.values()))
    assert "mxfp4    fp8-e4m3  4 bits" in str(ss.program.single_layer(layer))

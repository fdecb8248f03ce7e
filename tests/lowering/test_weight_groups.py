"""Weights with a scale for every group of so many inputs: drives, noise, bills and files against
plain NumPy on the scales of all weights.
"""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.energy import Operation
from stochsim.hardware import Array, Noise
from stochsim.lowering import convert, load_converted
from stochsim.program import Layer, LayerShape, Quantizer, single_layer

RNG_KEY = 5


def layer_of(bits: int, inputs: int, size: int, zeros: bool = False, **more) -> Layer:
    """A random layer of 5 neurons whose groups have scales from 0.02 to 0.5."""
    rng = np.random.default_rng((RNG_KEY, bits, inputs, size))
    half = 2 ** (bits - 1)
    codes = rng.integers(-half, half, (5, inputs)) if bits > 1 else rng.choice([-1, 1], (5, inputs))
    groups = -(-inputs // size)
    own = {
        "weight_codes": codes.astype(np.int8),
        "weight_bits": bits,
        "weight_scale": rng.uniform(0.02, 0.5, (5, groups)),
        "input": Quantizer(4, 0.25),
        "output": Quantizer(8, 0.11),
        "bias": rng.normal(size=5),
        "sigma": np.zeros(5),
        "block_size": size,
    }
    if zeros:
        own["zero_points"] = rng.integers(-half, half, (5, groups))
    return Layer(**own | more)


def weights_of(layer: Layer) -> np.ndarray:
    """The values of all weights, (neuron, input), one by one."""
    found = np.zeros(layer.weight_codes.shape)
    for n, i in np.ndindex(found.shape):
        group = i // layer.block_size
        zero = 0 if layer.zero_points is None else int(layer.zero_points[n, group])
        found[n, i] = layer.weight_scale[n, group] * (int(layer.weight_codes[n, i]) - zero)
    return found


def values(layer: Layer, stimuli: int = 30) -> np.ndarray:
    """Stimuli that the layer's inputs round to themselves."""
    rng = np.random.default_rng(3)
    return 0.25 * rng.integers(-8, 8, (stimuli, layer.inputs))


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(("inputs", "size"), [(24, 8), (23, 8), (7, 1), (9, 8)])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_drives_and_codes_are_those_of_weights_times_inputs(bits, inputs, size, zeros) -> None:
    if zeros and bits == 1:
        return
    layer = layer_of(bits, inputs, size, zeros)
    chip = ss.Chip(single_layer(layer), chip_of(bits, 4, 8))
    x = values(layer)
    wanted = x @ weights_of(layer).T + layer.bias
    assert chip.drive(x) == pytest.approx(wanted, rel=1e-12, abs=1e-12 * np.abs(wanted).max())
    codes = layer.output.codes(wanted)
    assert np.array_equal(chip.sample(x, 1, 0).codes[:, 0], codes)
    assert np.array_equal(layer.noiseless_codes(np.rint(x / 0.25).astype(int)), codes)
    turned = np.roll(layer.weight_scale, 1, axis=1)  # the same scales at other groups
    other = layer_of(bits, inputs, size, zeros, weight_scale=turned)
    off = ss.Chip(single_layer(other), chip_of(bits, 4, 8)).drive(x) - wanted
    assert np.abs(off).max() > 0.01 * np.abs(wanted).max()


def test_an_array_with_fine_adcs_has_the_drives_of_the_digital_chip() -> None:
    """Each group on rows of its own: an ADC that tells every cell step makes exact sums."""
    layer = layer_of(3, 23, 8, zeros=True)
    x = values(layer)
    array = chip_of(3, 4, 8, array=Array(rows=16, columns=64, cell_bits=1, cycle_bits=1))
    fine = array.with_({"array.adc.bits": 8})
    samples = ss.Chip(single_layer(layer), fine).sample(x, 1, 0)
    wanted = x @ weights_of(layer).T + layer.bias
    assert np.array_equal(samples.codes[:, 0], layer.output.codes(wanted))


@pytest.mark.parametrize("weight_noise", ["lumped", "explicit"])
def test_noise_of_weights_has_the_variance_of_the_groups(weight_noise: str) -> None:
    """Var = s_x² Σ (σ scale x)²; 4,000 reads of 24 neurons and stimuli give it to 6 sd (2.2 %
    each): a false failure in 1e-7. One sigma for all groups would be off by a factor.
    """
    layer = layer_of(4, 24, 8, output=Quantizer(8, 0.3))
    x = values(layer, 6)
    noise = Noise(weight_sigma_lsb=1.5, weight_noise=weight_noise)
    chip = ss.Chip(single_layer(layer), chip_of(4, 4, 8, noise=noise))
    samples = chip.sample(x, 4000, 1).values.astype(float)
    scales = np.repeat(layer.weight_scale, 8, axis=1)
    variance = 1.5**2 * np.square(x) @ np.square(scales).T + 0.3**2 / 12
    inside = np.abs(x @ weights_of(layer).T + layer.bias) + 5 * np.sqrt(variance) < 0.3 * 127
    assert inside.sum() > 10
    found = samples.var(1)[inside] / variance[inside]
    assert found == pytest.approx(1.0, abs=6 * np.sqrt(2 / 4000))
    same = 1.5**2 * np.square(x).sum(1, keepdims=True) * np.square(scales).mean()
    assert (
        np.abs(samples.var(1)[inside] / np.broadcast_to(same, variance.shape)[inside] - 1).max()
        > 0.3
    )


def test_groups_draw_noise_of_their_own() -> None:
    """Two groups of the same weights and inputs: the variance is twice that of one, and would be
    four times with the same noise; to 6 sd of 8,000 reads.
    """
    grid = Quantizer(8, 0.05)
    codes, nothing = np.array([[3, -2, 3, -2]], np.int8), np.zeros(1)
    own = {"bias": nothing, "sigma": nothing}
    layer = Layer(codes, 4, np.full((1, 2), 0.1), Quantizer(4, 0.25), grid, **own, block_size=2)
    noise = Noise(weight_sigma=0.3, weight_noise="explicit")
    chip = ss.Chip(single_layer(layer), chip_of(4, 4, 8, noise=noise))
    drawn = chip.sample(np.array([[0.75, 0.5, 0.75, 0.5]]), 8000, 0).values[0, :, 0].astype(float)
    variance = 2 * 0.09 * (0.75**2 + 0.5**2)
    assert drawn.var() == pytest.approx(variance, rel=6 * np.sqrt(2 / 8000))


def test_the_bill_has_a_product_and_an_addition_for_every_group_and_its_scale() -> None:
    """20 inputs in groups of 8: 3 scales of 16 bits for each of 4 neurons."""
    x = stimuli(40, 20)
    plain, grouped = (
        convert(seeded(lambda: nn.Linear(20, 4)), chip_of(4, 6, 8), x, weight_scales=scales)
        for scales in ("per-channel", 8)
    )
    one, other = (made.bill(x[:1]).counts["linear"] for made in (plain, grouped))
    width = 4 + 6 + 3
    assert one[Operation("add", (4 + 6 + 5,))] == other[Operation("add", (width,))] == 20 * 4
    assert other[Operation("multiply", (width, 16))] == 12
    assert other[Operation("add", (width + 16,))] == 12
    stored = {made: made.program.shapes["linear"].stored_weight_bits for made in (plain, grouped)}
    assert stored == {plain: 320, grouped: 320 + 12 * 16}
    (read,) = (count for key, count in other.items() if key.kind == "weight_memory")
    assert read == 320 + 12 * 16
    shape = LayerShape(20, 4, 4, 6, 8, block_size=8)
    assert [block.inputs for block in shape.of_blocks()] == [8, 8, 4]


def test_the_bill_of_an_array_counts_the_rows_of_every_group() -> None:
    x = stimuli(40, 20)
    array = Array(rows=64, columns=64, cell_bits=2, cycle_bits=1)
    made = {
        scales: convert(
            seeded(lambda: nn.Linear(20, 4)), chip_of(4, 6, 8, array=array), x, weight_scales=scales
        )
        for scales in ("per-channel", 8)
    }
    counts = {scales: one.bill(x[:1]).counts["linear"] for scales, one in made.items()}
    adc = {
        scales: sum(n for key, n in own.items() if key.kind == "adc")
        for scales, own in counts.items()
    }
    assert adc[8] == 3 * adc["per-channel"]


MODULES = {
    "linear": (lambda: nn.Sequential(nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 5)), (20,)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 3, 2)),
        (4, 6, 6),
    ),
    "channel groups": (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 5, 5)),
    "transposed": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), (4, 5)),
    "lstm": (lambda: nn.LSTM(20, 6, batch_first=True), (3, 20)),
}


def uneven(make) -> nn.Module:
    """A module whose weights are larger from input to input."""
    module = seeded(make)
    with torch.no_grad():
        for parameter in module.parameters():
            if isinstance(module, nn.ConvTranspose1d) and parameter.ndim > 1:
                parameter *= 2 ** torch.linspace(-4, 1, len(parameter))[:, None, None]
            elif parameter.ndim > 1:
                flat = parameter.reshape(len(parameter), -1)
                flat *= 2 ** torch.linspace(-4, 1, flat.shape[1])
    return module


@pytest.mark.parametrize("grids", ["symmetric", "affine"])
@pytest.mark.parametrize("kind", list(MODULES))
def test_converted_modules_come_nearer_to_float_and_the_chip_is_the_emulation(kind, grids) -> None:
    make, shape = MODULES[kind]
    x = stimuli(64, *shape)
    module = uneven(make)
    own = {"weight_grids": grids, "ranges": "minmax"}
    errors = {}
    for scales in ("per-channel", 5):
        made = convert(module, chip_of(3, 8, 8), x, weight_scales=scales, **own)
        errors[scales] = _off(made, module, x)
        with torch.no_grad():
            emulated, on_chip = _first(made.emulated(x)), _first(made(x))
        step = max(float(one.output_grid.step().detach()) for one in made.layers.values())
        far = (emulated - on_chip).abs() > 1e-4 * step
        assert far.double().mean() < 0.01, "sums on an edge apart"
    assert errors[5] < 0.7 * errors["per-channel"]


def _first(found):
    return found[0] if isinstance(found, tuple) else found


def _off(made, module, x) -> float:
    with torch.no_grad():
        return float((_first(made(x)) - _first(module(x))).square().mean())


def test_tables_keep_a_scale_for_every_neuron() -> None:
    ids = torch.arange(30).reshape(10, 3)
    module = seeded(lambda: nn.Sequential(nn.Embedding(30, 6), nn.Flatten(), nn.Linear(18, 4)))
    made = convert(module, chip_of(4, 4, 8), ids, weight_scales=4)
    assert made.layers["0"].weight_grid.scale().shape == (6,)
    assert made.layers["2"].weight_grid.scale().shape == (4, 5)


@pytest.mark.parametrize("grids", ["symmetric", "affine"])
def test_files_keep_scales_and_zero_points_of_groups(grids: str, tmp_path) -> None:
    x = stimuli(40, 4, 6, 6)
    noisy = chip_of(4, 4, 4, noise=Noise(read_sigma_lsb=0.4, weight_sigma_lsb=0.2))
    module = uneven(MODULES["convolution"][0])
    made = convert(module, noisy, x, weight_scales=5, weight_grids=grids)
    made.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x, 3, 0), made.sample(x, 3, 0))
    for name, layer in made.program.layers.items():
        other = again.program.layers[name]
        assert np.array_equal(other.weight_scale, layer.weight_scale)
        assert other.block_size == layer.block_size == 5
    with torch.no_grad():
        assert torch.equal(again.emulated(x), made.emulated(x))
    layer = layer_of(4, 23, 8, zeros=True)
    single_layer(layer).save(tmp_path / "own")
    loaded = ss.load_program(tmp_path / "own")
    assert np.array_equal(
        ss.Chip(loaded, chip_of(4, 4, 8)).drive(values(layer)),
        ss.Chip(single_layer(layer), chip_of(4, 4, 8)).drive(values(layer)),
    )


@pytest.mark.parametrize("ranges", ["mse", "minmax", "percentile", "lsq"])
def test_training_learns_every_scale(ranges: str) -> None:
    x = stimuli(60, 20)
    module = uneven(MODULES["linear"][0])
    noisy = chip_of(4, 4, 8, noise=Noise(weight_sigma_lsb=0.3))
    made = convert(module, noisy, x, weight_scales=8, ranges=ranges)
    made.train()(x).square().mean().backward()
    gradient = made.layers["0"].weight_grid.log_scale.grad
    assert gradient.shape == (12, 3)
    assert gradient.unique().numel() > 30
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.01 * torch.ones_like(parameter))
    quiet = made.eval().sample(x, 1, 0)
    assert np.isfinite(quiet).all()


def test_training_draws_the_noise_of_the_chip() -> None:
    """The sd over 3,000 noisy calls in training is that of 3,000 reads, both to 6 sd."""
    x = stimuli(4, 20)
    noisy = chip_of(4, 8, 8, noise=Noise(weight_sigma_lsb=0.8))
    made = convert(uneven(lambda: nn.Linear(20, 3)), noisy, x, weight_scales=8, ranges="minmax")
    reads = made.sample(x, 3000, 0).std(1)
    many = x.repeat(3000, 1)
    with torch.no_grad():
        trained = made.train()(many).reshape(3000, 4, 3).std(0).numpy()
    assert trained == pytest.approx(reads, rel=6 * np.sqrt(1 / 3000))


def test_widths_are_learned_beside_groups() -> None:
    x = stimuli(40, 20)
    made = convert(uneven(MODULES["linear"][0]), chip_of(6, 6, 8), x, weight_scales=8)
    made.learn_widths()
    made.train()
    (made(x).square().mean() + 1e9 * made.joules_per_read()).backward()
    assert all(one.weight_grid.width.grad is not None for one in made.layers.values())
    made.fix_widths()
    bill = made.eval().bill(x[:1]).per_read_j
    assert float(made.joules_per_read().detach()) == pytest.approx(bill, rel=1e-9)


def test_a_group_of_all_inputs_is_a_scale_of_the_neuron() -> None:
    x = stimuli(40, 20)
    module = seeded(lambda: nn.Linear(20, 4))
    whole, neuron = (
        convert(module, chip_of(4, 4, 8), x, weight_scales=one) for one in (99, "per-channel")
    )
    assert torch.equal(whole(x), neuron(x))
    assert whole.program.layers["linear"].block_size is None
    layer = layer_of(4, 8, 8, zeros=True)
    assert layer.block_size is None
    assert layer.weight_scale.shape == layer.zero_points.shape == (5,)


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"weight_scale": np.ones(5)}, r"shape \(neuron, block\)"),
        ({"weight_scale": 1.0}, r"shape \(neuron, block\)"),
        ({"weight_scale": np.ones((5, 4))}, r"\(neuron, block\) = \(5, 3\)"),
        ({"weight_scale": np.zeros((5, 3))}, "weight_scale"),
        ({"zero_points": np.zeros(5, int)}, r"shape \(neuron, block\)"),
        ({"block_size": 0}, "block_size"),
        ({"block_size": 2.5}, "block_size"),
    ],
)
def test_what_no_layer_has_is_refused(more, rule: str) -> None:
    with pytest.raises(ss.SettingError, match=rule):
        layer_of(4, 23, 8, **more)


def test_what_cannot_be_is_refused(tmp_path) -> None:
    x = stimuli(60, 20)
    module = seeded(MODULES["linear"][0])
    for wrong in (0, -3, 2.5, True, None, "per-group"):
        with pytest.raises(ss.SettingError, match="weight_scales"):
            convert(module, chip_of(), x, weight_scales=wrong)
    made = convert(module, chip_of(), x, weight_scales=np.int64(8))
    with pytest.raises(ss.StochsimError, match="weight_scales='per-tensor'"):
        made.export_qonnx(tmp_path / "net.onnx")

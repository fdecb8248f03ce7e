"""Our own networks with weights and inputs of number formats: what they compute is what a chip
gives, by any architecture, format and way of training.
"""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import linear

from stochsim.chip import Chip
from stochsim.data import load_dataset
from stochsim.formats import code_book, format_bits
from stochsim.hardware import Precision, preset
from stochsim.lowering import to_program
from stochsim.models import LinearGaussian
from stochsim.networks import ArchitectureSettings, Draws, NetworkSettings
from stochsim.networks.network import weight_of
from stochsim.networks.quantizers import quantise
from stochsim.program import Program, load_program
from stochsim.settings import SettingError, StochsimError, read_arrays, write_arrays
from stochsim.training import load_network, train
from stochsim.training.checkpoint import FORMAT
from stochsim.training.terms import ReliabilityCost, objective_of

KINDS = ("single", "deep", "recurrent")
DATA = load_dataset("patches", 8, 48, 0)
MODEL = LinearGaussian(neurons=12, noise_sd=0.5)
STIMULI = DATA.held_out[:400]


@pytest.fixture(scope="module")
def float_networks():
    return {
        kind: train(MODEL, DATA.train, steps=40, batch=64, key=0, architecture=architecture)
        for kind in KINDS
        for architecture in [
            ArchitectureSettings(kind=kind, **({"steps": 6} if kind == "recurrent" else {}))
        ]
    }


def quantised(full, weights="fp4-e2m1", inputs="fp4-e2m1", outputs=4, **options):
    widths = Precision(
        weight_bits=format_bits(weights), input_bits=format_bits(inputs), output_bits=outputs
    )
    formats = {"weight_format": weights, "input_format": inputs}
    return full.quantise(widths, key=0, **formats, **{"steps": 20} | options)


@torch.no_grad()
def own_values(network, x: np.ndarray) -> np.ndarray:
    """Output values (stimulus, neuron) of the network itself, in float64 and without noise; a
    circuit after all its steps.
    """
    network = copy.deepcopy(network).double().eval()

    def product(layer, values):
        return linear(values, weight_of(layer)[0], layer.bias)

    values = quantise(network.input_quantizer, torch.tensor(x, dtype=torch.float64))
    if hasattr(network, "hidden"):
        hidden = quantise(network.hidden_quantizer, product(network.hidden, values))
        return network.quantised(product(network.readout, hidden)).numpy()
    drive = product(network.readout, values)
    if not hasattr(network, "lateral"):
        return network.quantised(drive).numpy()
    lateral = weight_of(network.lateral)[0] * network.off_diagonal
    state = network.quantised(torch.zeros_like(drive))
    for _ in range(network.settings.architecture.steps):
        state = network.quantised(drive + state @ lateral.T + network.own(state))
    return state.numpy()


def noiseless(program: Program, x: np.ndarray = STIMULI, **parts) -> np.ndarray:
    """Codes (stimulus, neuron) of the chip without noise."""
    widths = (program.weight_bits, program.input.bits, program.output.bits)
    chip = Chip(program, preset("digital-45nm").with_precision(*widths), sigma_scale=0.0)
    return chip.sample(x, 1, 0).codes[:, 0]


CASES = [
    ("fp4-e2m1", "fp4-e2m1", {}),
    ("fp4-e2m1", "fp4-e2m1", {"weight_scales": "per-channel"}),
    ("fp4-e2m1", "fp4-e2m1", {"weight_rounding": "compensated"}),
    ("nf4", "power-4", {"method": "post-training"}),
    ("mxfp4", "fp6-e2m3", {}),
    ("nvfp4", "int4", {"weight_rounding": "compensated"}),
    ("mxfp8-e4m3", "fp8-e4m3", {"method": "post-training"}),
    ("int4", "log2-4", {}),
]


@pytest.mark.parametrize(("weights", "inputs", "options"), CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_without_noise_the_chip_gives_the_networks_own_codes(
    kind, weights, inputs, options, float_networks
):
    trained = quantised(float_networks[kind], weights, inputs, **options)
    program = to_program(trained)
    found = program.output.exact_values(noiseless(program))
    assert np.array_equal(found, own_values(trained.network, STIMULI))
    assert len(np.unique(found)) >= 8
    names = {layer.weight_book.name for layer in program.layers.values() if layer.weight_book}
    element = {"mxfp4": "fp4-e2m1", "nvfp4": "fp4-e2m1", "mxfp8-e4m3": "fp8-e4m3"}
    assert names == (set() if weights == "int4" else {element.get(weights, weights)})
    assert program.input.format_name == inputs
    blocks = {"mxfp4": 32, "nvfp4": 16, "mxfp8-e4m3": 32}.get(weights)
    assert program.first.block_size == blocks
    shape = np.shape(program.first.weight_scale)
    neurons = program.first.neurons
    by_neuron = (neurons,) if options.get("weight_scales") else ()
    assert shape == ((neurons, -(-48 // blocks)) if blocks else by_neuron)


def test_integers_of_the_networks_own_width_are_the_network_as_it_is(float_networks):
    """Bit for bit; another format of as many bits is another network."""
    full = float_networks["single"]
    plain = full.quantise(4, key=0, steps=20).network.state_dict()
    same = quantised(full, "int4", "int4").network.state_dict()
    assert all(torch.equal(plain[name], value) for name, value in same.items())
    assert plain.keys() == same.keys()
    other = quantised(full, "int4", "fp4-e2m1").network
    assert not torch.equal(other.readout.weight, plain["readout.weight"])


def test_post_training_scales_are_those_of_least_error(float_networks):
    """Of 400 scales none is better by more than 1 %, for weights as for inputs."""
    full = float_networks["single"]
    network = quantised(full, method="post-training").network
    book = code_book("fp4-e2m1")
    for values, grid in (
        (full.network.readout.weight.detach().numpy(), network.readout.grid),
        (DATA.train, network.input_quantizer),
    ):
        ordered = np.sort(values.ravel().astype(np.float64))
        sums = [np.concatenate([[0.0], np.cumsum(ordered**power)]) for power in (0, 1, 2)]

        def error(scale, ordered=ordered, sums=sums):
            """Of all values, sorted into the cells of the book: Σ (scale v - x)²."""
            cuts = np.searchsorted(ordered, scale * np.asarray(book.edges))
            ends = np.concatenate([[0], cuts, [len(ordered)]])
            count, first, second = (np.diff(one[ends]) for one in sums)
            levels = scale * np.asarray(book.values)
            return (levels**2 * count - 2 * levels * first + second).sum()

        few = values.ravel()[:5000]
        plain = np.square(0.1 * book.decode(book.encode(few / 0.1)) - few).sum()
        own = np.sort(few.astype(np.float64))
        its = [np.concatenate([[0.0], np.cumsum(own**power)]) for power in (0, 1, 2)]
        assert error(0.1, own, its) == pytest.approx(plain, rel=1e-6)
        found = float(grid.weight_scale().detach())
        assert error(found) < 1.01 * min(error(found * part) for part in np.geomspace(0.2, 5, 400))
        assert error(1.3 * found) > 1.01 * error(found)


@pytest.mark.parametrize("name", ["fp4-e2m1", "mxfp4"])
def test_gradients_pass_the_rounding_between_the_ends(name, float_networks):
    """They train weights and scales: against differences of the objective in a scale, and 0 for
    weights that the format clips.
    """
    layer = quantised(float_networks["single"], name, method="post-training").network.readout
    with torch.no_grad():
        layer.weight[0, 0] = 100.0
    direction = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0))
    (layer.values() * direction).sum().backward()
    inside = torch.ones_like(direction, dtype=torch.bool)
    inside[0, 0] = False
    clipped = layer.weight.grad == 0
    assert bool(clipped[0, 0])
    assert float((clipped & inside).float().mean()) < 0.1
    passed = ~clipped
    torch.testing.assert_close(layer.weight.grad[passed], direction[passed], rtol=1e-5, atol=0)
    assert layer.grid.log_scale.grad.shape == layer.grid.log_scale.shape
    assert bool((layer.grid.log_scale.grad != 0).all())


@torch.no_grad()
def objective(trained) -> float:
    """Nats per stimulus of 2,000 of the training set."""
    draws = Draws(torch.Generator().manual_seed(0))
    x = torch.tensor(DATA.train[:2000], dtype=torch.float32)
    price = ReliabilityCost(0.0, 1.0, 1.0)
    answer = trained.network.response(x, draws)
    terms = objective_of(x, answer, trained.decoder, MODEL, price, draws)
    return sum(float(value) for value in terms.values().values())


def test_training_moves_weights_and_scales_and_lowers_the_objective(float_networks):
    full = float_networks["single"]
    before = quantised(full, method="post-training")
    after = quantised(full, steps=200)
    assert objective(after) < objective(before) - 0.05
    ends = dict(after.network.named_parameters())
    for name in ("readout.weight", "readout.grid.log_scale", "input_quantizer.log_scale"):
        assert not torch.equal(before.network.get_parameter(name), ends[name]), name


def test_noise_aware_training_takes_formats(float_networks):
    hardware = preset("digital-45nm").with_({"noise.weight_sigma_lsb": 0.1})
    options = {"method": "noise-aware", "hardware": hardware}
    trained = quantised(float_networks["single"], **options)
    program = to_program(trained)
    found = program.output.exact_values(noiseless(program))
    assert np.array_equal(found, own_values(trained.network, STIMULI))


def test_damping_draws_weights_to_the_values_of_the_format(float_networks):
    def off(trained):
        layer = trained.network.readout
        return float(((layer.weight - layer.values()) / layer.step()).detach().square().mean())

    loose, held = (
        quantised(float_networks["single"], steps=150, **options)
        for options in ({}, {"weight_damping": 3.0})
    )
    assert off(held) < 0.3 * off(loose)


@pytest.mark.parametrize("name", ["fp4-e2m1", "nvfp4"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_formats_and_scales(kind, name, float_networks, tmp_path):
    trained = quantised(float_networks[kind], name)
    path = tmp_path / "network.safetensors"
    trained.save(path)
    again = load_network(path)
    assert again.network.settings == trained.network.settings
    codes = noiseless(to_program(trained))
    assert np.array_equal(noiseless(to_program(again)), codes)
    to_program(again).save(tmp_path / "program")
    assert np.array_equal(noiseless(load_program(tmp_path / "program")), codes)
    assert f"{name} weights, fp4-e2m1 inputs" in str(again)


@pytest.mark.parametrize("place", [0, 3])  # bits, number format
def test_a_file_with_another_grid_is_refused(place, float_networks, tmp_path):
    path = tmp_path / "network.safetensors"
    quantised(float_networks["single"], method="post-training").save(path)
    stored = read_arrays(path, FORMAT, ("network",), finite=False)
    stored.arrays["network.readout.grid.kind"][place] += 1
    write_arrays(path, FORMAT, stored)
    with pytest.raises(StochsimError, match=r"readout\.grid\.kind.*number format"):
        load_network(path)


QUANTISED = {"inputs": 6, "neurons": 3, "weight_bits": 4, "input_bits": 4, "output_bits": 4}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"weight_format": "fp6-e2m3"},
            "'weight_format' = 'fp6-e2m3': has 6 bits, and 'weight_bits' is 4",
        ),
        ({"weight_format": "fp4-e2m2"}, "'weight_format' = 'fp4-e2m2': did you mean"),
        ({"weight_format": "uint4"}, "'weight_format' = 'uint4': did you mean 'int4'"),
        ({"weight_format": "lloyd-4"}, "'weight_format' = 'lloyd-4'"),
        (
            {"input_format": "mxfp4"},
            "'input_format' = 'mxfp4': inputs of own networks have no such format",
        ),
        ({"input_format": "log2-8", "input_bits": 8}, "'input_format' = 'log2-8'"),
        (
            {"weight_format": "nf4", "learned_bits": True},
            "'weight_format' = 'nf4' and 'learned_bits' = True",
        ),
        (
            {"input_format": "nf4", "learned_bits": True},
            "'input_format' = 'nf4' and 'learned_bits' = True",
        ),
        (
            {
                "weight_format": "nf4",
                "architecture": {"kind": "deep"},
                "layer_bits": {"hidden": 4},
            },
            "'weight_format' = 'nf4' and 'layer_bits'",
        ),
        (
            {"weight_format": "mxfp4", "weight_scales": "per-channel"},
            "'weight_format' = 'mxfp4' and 'weight_scales'.*has scales of its own",
        ),
        (
            {name: None for name in QUANTISED if name.endswith("bits")} | {"input_format": "nf4"},
            "'input_format' = 'nf4': has 4 bits, and a float network has none",
        ),
    ],
)
def test_what_no_network_may_have(changes, said):
    with pytest.raises(SettingError, match=said):
        NetworkSettings(**QUANTISED | changes)


def test_what_no_training_has_a_model_of(float_networks):
    full = float_networks["single"]
    noisy, dithered = (
        {"method": "noise-aware", "hardware": preset("digital-45nm").with_(change)}
        for change in ({"noise.weight_sigma": 0.1}, {"noise.input_dither": "stochastic"})
    )
    with pytest.raises(SettingError, match=r"'weight_format' = 'mxfp4'.*noise of weights"):
        quantised(full, "mxfp4", **noisy)
    with pytest.raises(SettingError, match=r"'input_format' = 'fp4-e2m1'.*stochastic rounding"):
        quantised(full, **dithered)
    with pytest.raises(SettingError, match=r"'input_format' = 'uint4'.*both signs"):
        quantised(full, "int4", "uint4")


def test_stimuli_that_are_all_zero_are_named(float_networks):
    with pytest.raises(SettingError, match=r"'stimuli'.*are all 0"):
        float_networks["single"].quantise(4, key=0, steps=5, stimuli=np.zeros_like(DATA.train[:64]))


def test_the_nearest_of_all_names_is_named(float_networks):
    with pytest.raises(SettingError, match="'weight_formats': did you mean 'weight_format'"):
        float_networks["single"].quantise(4, key=0, weight_formats="fp4-e2m1")
    with pytest.raises(SettingError, match="'step': did you mean 'steps'"):
        float_networks["single"].quantise(4, key=0, step=5)

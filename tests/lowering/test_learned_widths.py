"""Learned widths of converted networks: values and gradients at a width, the chip, files."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conversiontest import Twice, chip_of, seeded, small_net, stimuli
from torch import nn

import stochsim as ss
from stochsim.hardware import Noise
from stochsim.lowering import ChipModule, convert, load_converted
from stochsim.networks import Grid

KINDS = {
    "weights": {"narrow": True},
    "signed values": {},
    "values from 0 on": {"unsigned": True},
}
SCALE = 0.3
"""Of the grids at their first width of 6 bits."""


def steps(bits: int, kind: str) -> int:
    """Steps from 0 to the largest size of a value."""
    if kind == "values from 0 on":
        return 2**bits - 1
    return 2 ** (bits - 1) - (kind == "weights")


def ends(bits: int, kind: str) -> tuple[int, int]:
    """The lowest and the highest integer."""
    low = 0 if kind == "values from 0 on" else -steps(bits, kind)
    return low, steps(bits, kind) - (kind == "signed values")


def learned(kind: str, width: float) -> Grid:
    """A grid of six bits whose learned width is another one."""
    grid = Grid(6, SCALE, **KINDS[kind])
    grid.learn_width()
    with torch.no_grad():
        grid.width.fill_(width)
    return grid


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", range(2, 9))
def test_values_are_those_of_a_grid_of_that_width_and_the_first_range(bits: int, kind: str) -> None:
    """As NumPy has them, for every width in whose reach the real one is."""
    scale = SCALE * steps(6, kind) / steps(bits, kind)
    x = 12 * stimuli(500).double()
    low, high = ends(bits, kind)
    codes = np.clip(np.rint(x.numpy() / scale), low, high)
    for off in (-0.4, 0.0, 0.4):
        grid = learned(kind, bits + off)
        assert grid.bits == bits
        assert float(grid.scale().detach()) == pytest.approx(scale, rel=1e-15)
        assert np.array_equal(grid.integers(x).numpy(), codes)
        assert grid(x).detach().numpy() == pytest.approx(codes * scale, rel=1e-15)
        assert 2.0 ** float(grid.log_of_scale().detach()) == pytest.approx(scale, rel=1e-14)
    grid.fix_width()
    assert (grid.bits, grid.width, grid._bits) == (bits, None, bits)
    assert np.array_equal(grid.integers(x).numpy(), codes)
    again = float(grid.scale().detach())
    assert again == pytest.approx(scale, rel=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_the_gradient_is_that_of_the_step_of_a_range_that_stays(bits: int, kind: str) -> None:
    """c s with c rounded: (c - x/s) ds/db where x is inside, and d(end · s)/db where it is clipped;
    s = range / steps(b), steps from their formula.
    """
    x = 12 * stimuli(200).double()
    factors = stimuli(200, seed=4).double()
    grid = learned(kind, float(bits))
    (grid(x) * factors).sum().backward()
    scale = SCALE * steps(6, kind) / steps(bits, kind)
    rise = np.log(2) * 2.0 ** (bits if kind == "values from 0 on" else bits - 1)
    of_scale = -scale * rise / steps(bits, kind)
    low, high = ends(bits, kind)
    place = x.numpy() / scale
    codes = np.clip(np.rint(place), low, high)
    of_low = 0.0 if kind == "values from 0 on" else -rise
    clipped = codes * of_scale + np.where(codes == high, rise, of_low) * scale
    inside = (codes - place) * of_scale
    wanted = np.where(np.rint(place) == codes, inside, clipped) @ factors.numpy()
    assert float(grid.width.grad) == pytest.approx(wanted, rel=1e-9)


def test_the_gradient_passes_the_ends_and_no_number_is_an_error() -> None:
    for width, bits in ((1.2, 2), (9.7, 8), (-30.0, 2)):
        grid = learned("weights", width)
        assert grid.bits == bits
        grid.real_bits().backward()
        assert float(grid.width.grad) == 1.0
    with pytest.raises(ss.StochsimError, match=r"a learned width is nan: training has diverged"):
        assert learned("weights", float("nan")).bits


def made(**options) -> tuple[ChipModule, torch.Tensor]:
    """The small network on a noisy chip, and stimuli."""
    x = stimuli(30, 1, 6, 6)
    chip = chip_of(6, 5, 7, noise=Noise(read_sigma_lsb=0.3), **options)
    return convert(seeded(small_net), chip, x), x


def put_widths(module: ChipModule) -> None:
    """Widths that differ from grid to grid, between whole ones."""
    names = [name for name, _ in module.named_parameters() if name.endswith("width")]
    with torch.no_grad():
        for number, name in enumerate(names):
            module.get_parameter(name).fill_(2 + 0.47 * number)


def test_nothing_changes_before_a_width_does() -> None:
    module, x = made()
    before, bits = module.sample(x, 3, 0), module.layer_bits
    module.learn_widths()
    assert module.layer_bits == bits
    assert np.array_equal(module.sample(x, 3, 0), before)


def test_the_chip_has_the_whole_widths_and_so_has_training() -> None:
    x = stimuli(30, 1, 6, 6)
    module = convert(seeded(small_net), chip_of(6, 5, 7), x)
    module.learn_widths()
    put_widths(module)
    assert len({bits for widths in module.layer_bits.values() for bits in widths}) > 3
    shapes = module.program.shapes
    for name, layer in module.layers.items():
        shape = shapes[name]
        assert layer.bits == (shape.weight_bits, shape.input_bits, shape.output_bits)
        codes = module.program.layers[name].weight_codes
        assert np.abs(codes).max() == 2 ** (layer.bits[0] - 1) - 1
    with torch.no_grad():
        assert torch.equal(module(x), module.emulated(x))
        assert torch.equal(module(x), module.train()(x))


def test_files_and_copies_keep_the_widths(tmp_path) -> None:
    module, x = made()
    module.learn_widths()
    put_widths(module)
    found = module.sample(x, 3, 0)
    module.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert again.layer_bits == module.layer_bits
    assert np.array_equal(again.sample(x, 3, 0), found)
    assert again.bill(x).per_read_j == module.bill(x).per_read_j
    for copied in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert np.array_equal(copied.sample(x, 3, 0), found)
        copied.joules_per_read().backward()
    other, _ = made()
    other.learn_widths()
    other.load_state_dict(module.state_dict())
    assert np.array_equal(other.sample(x, 3, 0), found)


def test_fixed_widths_are_no_parameters_and_give_the_same() -> None:
    module, x = made()
    plain = {name for name, _ in module.named_parameters()}
    module.learn_widths()
    put_widths(module)
    found, bits = module.sample(x, 3, 0), module.layer_bits
    module.fix_widths()
    assert {name for name, _ in module.named_parameters()} == plain
    assert module.layer_bits == bits
    assert np.array_equal(module.sample(x, 3, 0), found)
    again = convert(seeded(small_net), module.hardware, x, bits=module.layer_bits)
    assert again.layer_bits == bits
    module.learn_widths()
    with torch.no_grad():
        assert np.array_equal(module.sample(x, 3, 0), found)


def test_training_takes_widths_back_to_the_ends() -> None:
    module, x = made()
    module.learn_widths()
    own = module.layers["0"]
    with torch.no_grad():
        own.weight_grid.width.fill_(-20.0)
        own.output_grid.width.fill_(20.0)
    module.train()(x)
    assert own.weight_grid.width.item() == 2.0
    assert own.output_grid.width.item() == 8.0


def test_what_layers_share_has_one_width() -> None:
    module = convert(seeded(Twice), chip_of(8, 8, 8), stimuli(40, 4))
    module.learn_widths()
    first, second = module.layers.values()
    assert first.weight_grid is second.weight_grid
    assert first.weight_grid.width is not None
    names = [name for name, _ in module.named_parameters() if name.endswith("width")]
    assert len(names) == 5 - second.takes_codes - 1 + 1


def widths_learned(module: ChipModule) -> set[str]:
    """Layer and kind of every learned width."""
    sides = ("weight_grid", "input_grid", "output_grid")
    return {
        f"{name}.{side.removesuffix('_grid')}"
        for name, layer in module.layers.items()
        for side in sides
        if getattr(layer, side).width is not None
    }


def test_some_widths_and_layers_may_stay() -> None:
    module, _ = made()
    module.learn_widths(of=["weights"], keep=["0"])
    assert widths_learned(module) == {"3.weight", "6.weight", "8.weight"}
    module, _ = made()
    module.learn_widths(of=("inputs", "outputs"), keep=["3"])
    kept = {"3.input", "3.output"}
    if module.layers["6"].takes_codes:
        kept.add("6.input")
    if module.layers["3"].takes_codes:
        kept.add("0.output")
    every = {f"{name}.{side}" for name in module.layers for side in ("input", "output")}
    assert widths_learned(module) == every - kept


def test_what_cannot_be_learned_is_refused() -> None:
    module, x = made()
    with pytest.raises(ss.SettingError, match="did you mean 'weights'"):
        module.learn_widths(of=["weight"])
    with pytest.raises(ss.SettingError, match="'of' = 'weights': should be a list of names"):
        module.learn_widths(of="weights")
    with pytest.raises(ss.SettingError, match=r"'of' = \[\]: should name one"):
        module.learn_widths(of=[])
    with pytest.raises(ss.SettingError, match=r"'keep' = 'head': valid: 0, 3, 6, 8"):
        module.learn_widths(keep=["head"])
    with pytest.raises(ss.SettingError, match="leaves no width to learn"):
        module.learn_widths(keep=list(module.layers))
    with pytest.raises(ss.SettingError, match="call learn_widths"):
        module.fix_widths()
    module.learn_widths()
    with pytest.raises(ss.SettingError, match="learned already"):
        module.learn_widths()
    one_bit = convert(seeded(small_net), chip_of(4, 4, 4), x, bits={"3": (1, 4, 4)})
    with pytest.raises(ss.SettingError, match=r"'layers\.3\.weights' = 1: .*2 bits.*keep=\['3'\]"):
        one_bit.learn_widths()
    assert widths_learned(one_bit) == set()
    one_bit.learn_widths(keep=["3"])
    array = convert(seeded(small_net), ss.load_hardware("rram-array", bits=4), x)
    for refused in (array.learn_widths, array.joules_per_read):
        with pytest.raises(ss.SettingError, match=r"'hardware\.array'.*digital chips"):
            refused()


def test_affine_grids_stay_as_they_are() -> None:
    module = convert(
        seeded(lambda: nn.Linear(4, 2)), chip_of(8, 8, 8), stimuli(40, 4), input_grids="affine"
    )
    with pytest.raises(ss.SettingError, match=r"'layers\.linear\.inputs' = 8: .*affine"):
        module.learn_widths()
    module.learn_widths(of=["weights", "outputs"])
    assert widths_learned(module) == {"linear.weight", "linear.output"}


def test_grids_of_a_quantised_module_stay_as_they_are() -> None:
    import brevitas.nn as qnn

    network = nn.Sequential(qnn.QuantLinear(4, 3, weight_bit_width=3), nn.ReLU(), nn.Linear(3, 2))
    module = convert(network.eval(), chip_of(4, 4, 4), stimuli(40, 4))
    with pytest.raises(ss.SettingError, match=r"'layers\.0\.weights' = 3: .*module's own"):
        module.learn_widths()
    module.learn_widths(keep=["0"])
    assert "2.weight" in widths_learned(module)

"""Converted networks as files: the same codes by the same key, and refusals."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from conversiontest import QUIET, chip_of, converted_small, seeded, stimuli
from torch import nn
from torch.nn import functional

from stochsim.hardware import Adc, Array, Noise, preset
from stochsim.lowering import convert, load_converted, read_saved
from stochsim.program import single_layer
from stochsim.settings import StochsimError

NOISE = Noise(read_sigma_lsb=0.3, input_dither="stochastic")


class Residual(nn.Module):
    """A sequential network is not all that can be saved: shared weights, sums, shapes, functions,
    float layers.
    """

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 3, 3, padding=1, groups=1)
        self.again = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.last = nn.Linear(3, 2)
        self.scale = nn.Parameter(torch.full((3, 1, 1), 0.7))

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = self.norm(x + self.again(self.again(x))) * self.scale
        x = functional.avg_pool2d(x, 2).mean((2, 3))
        return functional.softmax(self.last(x.reshape(x.size(0), -1)), dim=1)


@pytest.mark.parametrize("widths", [(1, 1, 1), (4, 4, 4), (8, 3, 5)])
def test_a_sequential_network_is_the_same_again(tmp_path, widths):
    converted, x = converted_small(chip_of(*widths, noise=NOISE), key=5, chip_key=7)
    converted.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert np.array_equal(again.sample(x, 3, 1), converted.sample(x, 3, 1))
    assert torch.equal(again(x), converted(x))
    assert again.hardware == converted.hardware
    assert again.left_in_float == converted.left_in_float
    assert list(again.layers) == list(converted.layers)
    assert all(
        a.takes_codes == b.takes_codes
        for a, b in zip(again.layers.values(), converted.layers.values(), strict=True)
    )


def test_a_second_save_writes_the_same_bytes(tmp_path):
    converted, _ = converted_small(chip_of())
    converted.program.save(tmp_path / "first")
    load_converted(tmp_path / "first").program.save(tmp_path / "second")
    for name in ("program.json", "program.safetensors"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_a_graph_with_sums_shared_weights_and_float_parts_is_the_same_again(tmp_path):
    network = seeded(Residual)
    x = stimuli(6, 2, 5, 5)
    network.norm.running_mean.uniform_(-0.2, 0.2)
    converted = convert(network, chip_of(4, 4, 4, noise=NOISE), x, keep_float=["last"])
    assert converted.program.not_saved == ()
    converted.program.save(tmp_path)
    again = load_converted(tmp_path)
    assert np.array_equal(again.sample(x, 3, 1), converted.sample(x, 3, 1))
    assert again.layers["again"].weight is again.layers["again_again"].weight


def test_a_read_network_trains_on(tmp_path):
    converted, x = converted_small(chip_of(noise=NOISE))
    converted.program.save(tmp_path)
    again = load_converted(tmp_path).train()
    again(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in again.parameters())


def test_a_converted_network_is_copied_pickled_and_trained_as_modules_of_torch_are():
    """Its own pickle, made here; frozen parameters stay frozen, parameters are in the order in
    which they are used.
    """
    made = seeded(
        lambda: nn.Sequential(
            nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.LayerNorm(8), nn.Linear(8, 3)
        )
    )
    made[0].weight.requires_grad_(False)
    x = stimuli(20, 6)
    converted = convert(made, chip_of(noise=NOISE), x)
    converted(x)  # it has a chip now
    for again in (copy.deepcopy(converted), pickle.loads(pickle.dumps(converted))):
        assert torch.equal(again(x), converted(x))
        again.train()(x).square().sum().backward()
        grads = {name: one.grad is not None for name, one in again.named_parameters()}
        assert not grads.pop("network.0.weight")
        assert all(grads.values())
        again.load_state_dict(converted.state_dict())
    names = list(dict.fromkeys(name.split(".")[1] for name in converted.state_dict()))
    assert names == ["0", "3", "4"]


def test_another_hardware_may_run_it(tmp_path):
    converted, x = converted_small(chip_of(noise=NOISE))
    converted.program.save(tmp_path)
    quiet = load_converted(tmp_path, chip_of())
    assert torch.equal(quiet(x), converted_small(chip_of())[0](x))


def test_calibrated_adcs_keep_their_range(tmp_path):
    array = Array(rows=64, columns=16, adc=Adc(bits=8, range="calibrated"))
    converted, x = converted_small(chip_of(array=array))
    converted.program.save(tmp_path / "calibrated")
    assert torch.equal(load_converted(tmp_path / "calibrated")(x), converted(x))
    converted_small(chip_of())[0].program.save(tmp_path / "not")
    with pytest.raises(StochsimError, match="for ADCs of another range, and without its stimuli"):
        load_converted(tmp_path / "not", chip_of(array=array))


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
@pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
def test_an_auto_range_keeps_its_data_and_is_full_where_none_were_saved(tmp_path):
    """Not calibrated on a placeholder of zeros."""
    array = Array(rows=64, columns=16, cell_bits=2, adc=Adc(bits=3))
    converted, x = converted_small(chip_of(array=array))
    converted.program.save(tmp_path / "auto")
    read = load_converted(tmp_path / "auto")
    assert torch.equal(read(x), converted(x))
    assert all(use.is_calibrated for use in read.chip().adc_use.values())
    digital, _ = converted_small(chip_of())
    digital.program.save(tmp_path / "digital")
    on_array = load_converted(tmp_path / "digital", chip_of(array=array))
    assert on_array.hardware.array.adc.range == "full"
    assert not any(use.is_calibrated for use in on_array.chip().adc_use.values())


def test_double_precision_is_kept(tmp_path):
    converted, x = converted_small(chip_of())
    converted.double().program.save(tmp_path)
    assert torch.equal(load_converted(tmp_path)(x.double()), converted(x.double()))


def test_the_files_hold_integer_weights_and_say_what_they_are(tmp_path):
    converted, _ = converted_small(QUIET)
    converted.program.save(tmp_path)
    head = json.loads((tmp_path / "program.json").read_text())
    assert (head["format"], head["version"], head["kind"]) == ("stochsim-program", 2, "graph")
    layer = head["content"]["layers"][0]
    assert layer["name"] == "0"
    assert layer["input"] == {"bits": 4, "scale": layer["input"]["scale"], "unsigned": False}
    assert head["content"]["calls"][0]["geometry"]["kernel"] == [3, 3]
    assert [one["name"] for one in head["content"]["left_in_float"]] == ["2", "5"]
    first = read_saved(tmp_path).layers["0"]
    assert first.weight_codes.dtype == np.int8
    assert np.array_equal(first.weight_codes, converted.layers["0"].layer().weight_codes)


def test_what_cannot_be_saved_is_named_and_the_layers_can_still_be_read(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x):
            return torch.special.i0(self.layer(x))

    converted = convert(seeded(Odd), QUIET, stimuli(6, 4))
    assert converted.program.not_saved == (
        "'graph.special_i0': the operation special_i0 is not among those that can be saved",
    )
    converted.program.save(tmp_path)
    with pytest.raises(
        StochsimError, match=r"holds the layers, but not the whole network: 'graph\.special_i0'"
    ):
        load_converted(tmp_path)
    assert read_saved(tmp_path).layers["layer"].weight_codes.shape == (3, 4)


def node_of(head, name):
    """An entry of the saved graph."""
    return next(one for one in head["content"]["graph"] if one["name"] == name)


def changed(folder, change):
    """The saved table, changed."""
    path = folder / "program.json"
    head = json.loads(path.read_text())
    change(head)
    path.write_text(json.dumps(head))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda head: head["content"].pop("graph"), "'program.graph' is missing"),
        (lambda head: head["content"].update(more=1), r"unknown key 'program\.more'"),
        (
            lambda head: head["content"]["calls"][0].pop("geometry"),
            r"'calls\[0\]\.geometry' is missing",
        ),
        (
            lambda head: head["content"]["layers"][0].update(activation="step"),
            r"'0\.activation' = 'step'",
        ),
        (
            lambda head: head["content"]["graph"][2].update(target="torch.load"),
            "not a converted network",
        ),
        (
            lambda head: node_of(head, "max_pool2d").update(target="max_pool9d"),
            r"'graph\.max_pool2d\.target' = 'max_pool9d': did you mean 'max_pool",
        ),
        (
            lambda head: node_of(head, "max_pool2d")["kwargs"].update(depth=3),
            r"unknown key 'graph\.max_pool2d\.kwargs\.depth': valid: ",
        ),
        (
            lambda head: node_of(head, "max_pool2d").update(dtype="complex64"),
            r"'graph\.max_pool2d\.dtype' = 'complex64'",
        ),
        (
            lambda head: head["content"].update(modules={}),
            "written by an earlier version of stochsim; convert the module again",
        ),
        (lambda head: head["content"]["hardware"].update(name=""), "not a converted network"),
        (lambda head: head["content"].update(dtype="float16"), "not a converted network"),
    ],
)
def test_tables_that_say_what_cannot_be_are_refused(tmp_path, change, message):
    converted_small(QUIET)[0].program.save(tmp_path)
    changed(tmp_path, change)
    if "torch.load" in str(change.__code__.co_consts):
        changed(tmp_path, lambda head: head["content"]["graph"][2].update(op="call_function"))
    with pytest.raises(StochsimError, match=message):
        load_converted(tmp_path)


def test_a_plain_program_is_no_converted_network(tmp_path):
    x = stimuli(6, 4)
    converted = convert(seeded(lambda: nn.Linear(4, 3)), preset("digital-45nm"), x)
    layer = next(iter(converted.layers.values())).layer()
    single_layer(layer).save(tmp_path)
    with pytest.raises(StochsimError, match="kind 'feed-forward': graph is expected"):
        load_converted(tmp_path)

"""`train` and the methods of a trained network: the same as the trainings behind them, from arrays
in one call.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from stochsim.chip import FloatChip
from stochsim.data import Dataset, load_dataset
from stochsim.energy import Operations
from stochsim.hardware import Precision, load_hardware
from stochsim.lowering import float_program, to_program
from stochsim.models import LinearGaussian, SparseCoding, build_model
from stochsim.settings import SettingError, StochsimError
from stochsim.training import (
    TrainedNetwork,
    TrainResult,
    TrainSettings,
    learn_decoder,
    load_network,
    train,
    train_float,
    train_quantised,
)

MODEL = SparseCoding(neurons=5, noise_sd=0.5, laplace_scale=1.0)
STIMULI = np.random.default_rng(0).normal(size=(300, 6))
SHORT = TrainSettings(steps=30, batch=32)


@pytest.fixture(scope="module")
def full() -> TrainedNetwork:
    return train(MODEL, STIMULI, key=3, steps=30, batch=32)


def same(one: TrainedNetwork, two: TrainedNetwork) -> bool:
    states = (one.network.state_dict(), two.network.state_dict())
    return (
        states[0].keys() == states[1].keys()
        and all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        and torch.equal(one.decoder, two.decoder)
        and one.rho == two.rho
    )


def test_it_learns_network_and_decoder(full):
    assert same(full, learn_decoder(STIMULI, MODEL, SHORT, 3))
    assert full.model == MODEL
    assert full.settings == SHORT


@pytest.mark.parametrize("architecture", ["deep", "recurrent"])
def test_other_architectures_and_rho_go_on_from_there(full, architecture):
    found = train(MODEL, STIMULI, 3, architecture=architecture, rho=0.5, steps=30, batch=32)
    chosen = found.network.settings.architecture
    assert chosen.kind == architecture
    by_hand = train_float(full, STIMULI, MODEL, SHORT, 0.5, 3, architecture=chosen)
    assert same(found, by_hand)
    assert torch.equal(found.decoder, full.decoder)


def test_a_decoder_that_is_given_stays(full):
    given = full.decoder_array
    found = train(MODEL, STIMULI, 4, decoder=given, steps=5)
    np.testing.assert_array_equal(found.decoder_array, given)
    with pytest.raises(SettingError, match=r"'decoder'.*should be finite real numbers .*\(6, 5\)"):
        train(MODEL, STIMULI, 4, decoder=given.T, steps=5)


@pytest.mark.parametrize(
    "bits", [3, np.int64(3), Precision(weight_bits=3, input_bits=3, output_bits=3)]
)
def test_quantise_is_the_training_behind_it(full, bits):
    by_hand = train_quantised(full, STIMULI, MODEL, SHORT, (3, 3, 3), 8)
    assert same(full.quantise(bits, 8), by_hand)


def test_quantise_takes_other_widths_methods_and_settings(full):
    precision = Precision(weight_bits=2, input_bits=5, output_bits=4)
    rounded = full.quantise(precision, key=1, method="post-training")
    assert to_program(rounded).output.bits == 4
    assert rounded.result.method == "post-training"
    longer = full.quantise(precision, key=1, steps=60)
    assert longer.result.steps > full.quantise(precision, key=1).result.steps
    assert longer.settings.batch == 32


def test_it_samples_as_its_float_program_does(full):
    expected = FloatChip(float_program(full)).sample(STIMULI[:3], 40, 9)
    found = full.sample(STIMULI[:3], reads=40, key=9)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.operations == Operations()
    with pytest.raises(StochsimError, match=r"Chip\(to_program\(network\), hardware\)"):
        full.quantise(4, 0, steps=1).sample(STIMULI[:3], 40, 9)


def test_its_reference_is_that_of_model_and_decoder(full):
    expected = build_model(MODEL, full.decoder_array).reference(STIMULI[:2], 5)
    np.testing.assert_array_equal(full.reference(STIMULI[:2], key=5).draws, expected.draws)


def test_a_file_holds_all_but_the_stimuli(full, tmp_path):
    full.save(tmp_path / "full.safetensors")
    back = load_network(str(tmp_path / "full.safetensors"))
    assert same(back, full)
    assert back.model == MODEL
    assert back.settings == SHORT
    assert back.reference(STIMULI[:1], 0).stimuli is not None
    with pytest.raises(SettingError, match=r"'stimuli'.*from a file has none"):
        back.quantise(4, 0)
    assert same(back.quantise(4, 0, stimuli=STIMULI), full.quantise(4, 0))


def test_a_network_whose_model_is_not_known_says_so(full):
    bare = TrainedNetwork(full.network, full.decoder, 0.0, full.result)
    unknown = "model that this network was trained for"
    with pytest.raises(StochsimError, match=unknown):
        bare.reference(STIMULI[:1], 0)
    with pytest.raises(StochsimError, match=unknown):
        bare.quantise(4, 0, stimuli=STIMULI)


DATA: Dataset = load_dataset("digits", size=8, components=6, key=0)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: train(STIMULI, MODEL, 0), r"'model'.*should be a model, such as SparseCoding"),
        (lambda: train(build_model(MODEL, np.ones((6, 5))), STIMULI, 0), "should be a model"),
        (lambda: train("sparse_coding", STIMULI, 0), "should be a model"),
        (lambda: train(MODEL, DATA, 0), "'stimuli'.*such as the `train` of a Dataset"),
        (lambda: train(MODEL, STIMULI[0], 0), "'stimuli'.*should be real numbers"),
        (lambda: train(MODEL, STIMULI[:0], 0), "'stimuli'.*should be real numbers"),
        (lambda: train(MODEL, STIMULI * 1j, 0), "'stimuli'.*should be real numbers"),
        (
            lambda: train(MODEL, STIMULI * np.nan, 0),
            "must be finite",
        ),
        (lambda: train(MODEL, STIMULI, 0, step=3), "unknown key 'step': did you mean 'steps'"),
        (lambda: train(MODEL, STIMULI, 0, steps=0), "'steps'.*greater than or equal to 1"),
        (
            lambda: train(MODEL, STIMULI, 0, architecture="depe", steps=1),
            "'architecture'.*mean 'deep'",
        ),
        (lambda: train(MODEL, STIMULI, 0, hardware="x"), "'hardware'.*should be a Hardware"),
        (lambda: train(MODEL, STIMULI, 0, steps=60, progress=3), "'progress'"),
        (lambda: train(MODEL, STIMULI, 0, steps=10**30), "'steps'"),
        (lambda: train(MODEL, STIMULI, 0, batch=2**70), "'batch'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1, device="meta"), "'device'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, 0, layer_bits=5), "'layer_bits'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).reference(STIMULI[:0], 0), "at least one"),
        (lambda: train(MODEL, STIMULI, 0, rho=-1.0, steps=1), "'rho'"),
        (lambda: train(MODEL, STIMULI, 0, rho="a", steps=1), "'rho'"),
        (lambda: train(MODEL, STIMULI, "a", steps=1), "'key'"),
        (lambda: train(MODEL, STIMULI, 0, architecture=5, steps=1), "'architecture'"),
        (
            lambda: train(MODEL, STIMULI, 0, hardware="x", nats_per_joule=1e12, rho=1, steps=1),
            "'hardware'.*should be a Hardware",
        ),
        (lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, "a"), "'key'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).reference(STIMULI[:1], "a"), "'key'"),
        (
            lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, 0, hardware="x"),
            "'hardware'.*should be a Hardware",
        ),
        (lambda: build_model(np.ones((6, 5)), MODEL), "should be a model"),
        (lambda: build_model(MODEL, "x"), "'decoder'.*inputs, neurons"),
        (lambda: build_model(MODEL, {}), "'decoder'.*inputs, neurons"),
        (lambda: to_program("x"), "should be a TrainedNetwork"),
        (lambda: float_program(None), "should be a TrainedNetwork"),
        (lambda: train(MODEL, STIMULI, 0, nats_per_joule=1e12, steps=1), "needs a Hardware"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).quantise(9, 0), "'bits'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).quantise("4", 0), "'bits'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, 0, step=2), "unknown key 'step'"),
        (lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, 0, method="qat"), "'method'"),
        (
            lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, 0, steps=1).quantise(2, 0),
            "starts from a float one",
        ),
        (
            lambda: train(MODEL, STIMULI, 0, steps=1).quantise(4, 0, stimuli=STIMULI[:, :3]),
            r"should be of shape \(stimulus, 6\)",
        ),
        (lambda: train(MODEL, STIMULI, 0, steps=1).sample(STIMULI[:, :3], 4, 0), "'stimuli'"),
    ],
)
def test_what_cannot_be_trained_is_refused(call, rule):
    with pytest.raises(StochsimError, match=rule):
        call()


def test_the_whole_way_in_six_lines():
    model = LinearGaussian(neurons=6, noise_sd=0.5)
    full = train(model, DATA.train, steps=200, key=0)
    chip_samples = _on_a_chip(full.quantise(bits=8, key=0), DATA.held_out[:6])
    found = full.reference(DATA.held_out[:6], key=0).compare(chip_samples, against=full)
    assert found.survival.estimate is not None
    assert found.survival.estimate.value > 0.9
    assert found.effective.value == 400


def test_samples_of_a_chip_know_their_stimuli():
    full = train(LinearGaussian(neurons=6, noise_sd=0.5), DATA.train, steps=5, key=0)
    samples = _on_a_chip(full.quantise(bits=8, key=0), DATA.held_out[:6])
    other = full.reference(DATA.held_out[6:12], key=0)
    for sampled in (samples, full.sample(DATA.held_out[:6], 400, 0)):
        with pytest.raises(SettingError, match="other stimuli than this reference"):
            other.compare(sampled)


def _on_a_chip(network, stimuli):
    from stochsim.chip import Chip

    chip = Chip(to_program(network), load_hardware("digital-45nm", bits=8))
    return chip.sample(stimuli, reads=400, key=0)


def test_the_card_of_a_network_says_what_it_is(full):
    lines = str(full.quantise(3, 8)).splitlines()
    assert lines[:4] == [
        "trained network: single, 6 inputs -> 5 neurons",
        "  widths                3-bit weights, 3-bit inputs, 3-bit outputs",
        "  model                 sparse coding",
        "  price of reliability  rho = 0, c = 1 nat, s = 1",
    ]
    assert lines[4].startswith("  training              quantisation-aware, ")
    assert lines[5].endswith(" nat per stimulus")
    assert "\n" not in repr(full)
    bare = TrainedNetwork(full.network, full.decoder, 0.0, TrainResult({}, 0.0, 0.0))
    assert "not known" in str(bare)
    assert "not measured" in str(bare)


def test_a_view_that_cannot_be_written_to_is_copied_too():
    data = STIMULI.copy()
    view = data.view()
    view.flags.writeable = False
    one = train(MODEL, view, 3, steps=5)
    data[:] = 0
    assert one.stimuli is not None
    np.testing.assert_array_equal(one.stimuli, STIMULI)


def test_training_has_gradients_whatever_the_caller_has_switched_off():
    with torch.no_grad():
        found = train(MODEL, STIMULI, 3, steps=5)
    assert same(found, train(MODEL, STIMULI, 3, steps=5))


def test_a_file_is_written_over_files_alone(full, tmp_path):
    with pytest.raises(StochsimError, match="it is there, and no file"):
        full.save(tmp_path)
    with pytest.raises(StochsimError, match="it is there, and no file"):
        full.save("/dev/null")
    assert not Path("/dev/null").is_file()


def test_arrays_that_change_later_change_no_network():
    data = STIMULI.copy()
    one = train(MODEL, data, 3, steps=5)
    data[:] = 0
    assert same(one.quantise(3, 8), train(MODEL, STIMULI, 3, steps=5).quantise(3, 8))
    x = STIMULI[:2].copy()
    reference = one.reference(x, 0)
    x[:] = 0
    np.testing.assert_array_equal(reference.stimuli, STIMULI[:2])

"""A study of a user's own parts: what its points are, their hashes, and what is refused."""

import numpy as np
import pytest
import torch
from customstudies import (
    STIMULI,
    gaussian,
    linear_program,
    mean_output,
    mean_square,
    sampler_study,
)

import stochsim as ss
from stochsim.settings import SettingError
from stochsim.studies import CustomStudy, hardware_at, random_points, zipped_points
from stochsim.studies.custom.points import measured, unpacked


def module_study(**parts):
    given = {
        "network": torch.nn.Linear(2, 3),
        "data": (STIMULI, np.zeros(6, int)),
        "hardware": "digital-45nm",
        "measures": ["accuracy"],
        "axes": {"bits": [2, 4]},
    }
    return ss.Study(**(given | parts))


def test_a_study_with_axes_is_a_custom_study():
    assert isinstance(sampler_study(), CustomStudy)
    assert len(sampler_study().points) == 4
    assert [point["key"] for point in sampler_study().points] == [0, 1, 0, 1]


def test_points_may_be_given_one_by_one():
    axes = zipped_points({"width": [0.5, 1.0], "key": [0, 1]})
    assert sampler_study(axes).points == axes
    assert sampler_study(axes).axes == {"width": [0.5, 1.0], "key": [0, 1]}


def test_a_card_says_what_it_is():
    assert str(module_study()) == (
        "study: 2 points of a network on digital-45nm\n"
        "  axes      bits: 2, 4\n"
        "  measures  accuracy\n"
        "  data      6 stimuli × 100 reads of each"
    )


CHANGES = {
    "reads": {"reads": 51},
    "key": {"key": 1},
    "data": {"data": (STIMULI + 1e-9, STIMULI)},
    "truth": {"data": (STIMULI, STIMULI + 1)},
    "sampler": {"sampler": lambda stimuli, reads, key, width: gaussian(stimuli, reads, key)},
    "measures": {"measures": [lambda samples, truth: samples.values[:, 0, 0]]},
    "reference": {"reference": np.random.default_rng(0).normal(size=(6, 400, 2))},
    "against": {"against": np.zeros((6, 50, 2))},
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_an_answer_changes_every_hash(name):
    before, after = sampler_study(), sampler_study(**CHANGES[name])
    assert before.hash == sampler_study().hash
    assert not set(before.tasks) & set(after.tasks)


def test_a_value_more_on_an_axis_keeps_the_points_that_were_there():
    before, after = sampler_study(), sampler_study({"width": [0.5, 1.0, 2.0], "key": [0, 1]})
    assert set(before.tasks) < set(after.tasks)


def networks():
    """Of every kind, by name: of this package's, which remember their use."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()).eval()
    chip = ss.load_hardware("digital-45nm", bits=4)
    data = ss.load_dataset("digits", size=8, components=2, key=0)
    full = ss.train(ss.LinearGaussian(neurons=4, noise_sd=0.5), data.train, steps=5, key=0)
    converted = ss.convert(module, chip, STIMULI.astype(np.float32))
    return {
        "module": module,
        "converted": converted,
        "graph": converted.program,
        "program": linear_program()[0],
        "trained": full,
        "quantised": full.quantise(4, key=0, steps=5),
    }


def test_networks_of_every_kind_have_a_hash_that_use_does_not_change():
    found, again = (
        {name: ss.studies.fingerprint(one) for name, one in networks().items()} for _ in range(2)
    )
    assert found == again
    assert len(set(found.values())) >= 5  # a converted network may be its program
    for name, one in networks().items():
        if name in ("module", "converted"):
            one(torch.zeros(1, 2))
        assert ss.studies.fingerprint(one) == found[name], name


@pytest.mark.parametrize("name", ["converted", "graph", "program", "quantised", "trained"])
def test_networks_of_every_kind_run_in_workers(name, tmp_path):
    network = networks()[name]
    stimuli = linear_program()[1] if name == "program" else STIMULI.astype(np.float32)
    study = module_study(
        network=network,
        data=stimuli,
        hardware=ss.load_hardware("digital-45nm", bits=4),
        measures=[mean_output],
        axes={"key": [0]},
        reads=3,
    )
    run = ss.open_run(ss.run_sweep(study, tmp_path / "own", workers=1))
    assert run.failed == {}
    found = run.rows[0].per_stimulus["mean_output"]
    expected = unpacked(measured(study, study.points[0])["per_stimulus"]["mean_output"])
    np.testing.assert_array_equal(found, expected)


def test_the_hash_of_a_network_is_that_of_its_weights():
    torch.manual_seed(0)
    one = torch.nn.Linear(2, 3)
    before = module_study(network=one).hash
    with torch.no_grad():
        one.bias[0] += 1
    assert module_study(network=one).hash != before


def test_what_grids_are_fitted_on_changes_the_hash():
    torch.manual_seed(0)
    module = torch.nn.Linear(2, 3)
    hashes = {
        module_study(network=module, examples=examples).hash
        for examples in (None, STIMULI, STIMULI + 1)
    }
    assert len(hashes) == 3


def test_each_chip_key_is_another_part():
    torch.manual_seed(0)
    study = module_study(
        network=torch.nn.Linear(2, 3),
        hardware=ss.load_hardware("rram-array", bits=8),
        measures=[lambda samples, truth: samples.values[:, 0, 0]],
        axes={"chip_key": [0, 3]},
        reads=1,
    )
    first, second = (
        unpacked(next(iter(measured(study, point)["per_stimulus"].values())))
        for point in study.points
    )
    assert not np.array_equal(first, second)


def test_a_point_of_a_module_is_what_convert_gives():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    study = module_study(
        network=module,
        measures=[lambda samples, truth: samples.values[:, :, 0].mean(axis=1)],
        axes={"weight_bits": [3], "hardware.noise.read_sigma_lsb": [0.5], "key": [7]},
        reads=20,
    )
    hardware = ss.load_hardware("digital-45nm").with_(
        {"precision.weight_bits": 3, "noise.read_sigma_lsb": 0.5}
    )
    converted = ss.convert(module, hardware, STIMULI.astype(np.float32))
    found = measured(study, study.points[0])
    key = ss.keys.fold_in(7, "reads")
    expected = converted.sample(STIMULI.astype(np.float32), 20, key)[:, :, 0].mean(axis=1)
    (numbers,) = [unpacked(one) for one in found["per_stimulus"].values()]
    np.testing.assert_allclose(numbers, expected, rtol=1e-6, atol=1e-7)
    assert found["bill"]["joules_per_read"] == pytest.approx(
        converted.bill(STIMULI.astype(np.float32), 20).per_read_j, rel=1e-12
    )


def test_options_of_the_conversion_are_axes():
    study = module_study(
        axes={"weight_format": [None, "fp4-e2m1"], "weight_scales": ["per-tensor", "per-channel"]},
        hardware=ss.load_hardware("digital-45nm", bits=4),
    )
    joules = [measured(study, point)["bill"]["joules_per_read"] for point in study.points]
    assert joules[0] != joules[2]


def test_points_of_a_program_follow_chip_reads_and_noise():
    program, stimuli = linear_program()
    study = ss.Study(
        network=program,
        data=stimuli,
        hardware=ss.load_hardware("digital-45nm", bits=4),
        measures=[lambda samples, truth: samples.values.std(axis=1).mean(axis=1)],
        axes={"noise": [0.0, 1.0], "reads": [10, 20], "chip_key": [0, 3]},
    )
    found = [measured(study, point) for point in study.points]
    spread = [unpacked(next(iter(one["per_stimulus"].values()))).mean() for one in found]
    assert spread[:4] == [0.0] * 4
    assert all(one > 0 for one in spread[4:])
    samples = ss.Chip(program, study.hardware, 1.0, chip_key=3).sample(
        stimuli, 20, ss.keys.fold_in(0, "reads")
    )
    assert spread[-1] == pytest.approx(samples.values.std(axis=1).mean(), rel=1e-6)


def test_a_network_may_be_a_function_of_axes():
    def build(width, hardware):
        torch.manual_seed(width)
        return torch.nn.Sequential(
            torch.nn.Linear(2, width),
            torch.nn.ReLU(),
            torch.nn.Linear(width, hardware.precision.weight_bits),
        )

    study = module_study(network=build, axes={"width": [4, 8], "bits": [3]})
    joules = [measured(study, point)["bill"]["joules_per_read"] for point in study.points]
    assert joules[0] < joules[1]


@pytest.mark.parametrize("name", ["converted", "program", "quantised"])
def test_networks_that_are_quantised_have_no_options_of_it(name):
    network = networks()[name]
    with pytest.raises(SettingError, match=r"unknown key 'axes\.format'"):
        module_study(network=network, axes={"format": ["int4", "fp4-e2m1"]})
    study = module_study(network=lambda: network, axes={"format": ["int4"]})
    with pytest.raises(SettingError, match=r"'axes\.format'.*is quantised already"):
        measured(study, study.points[0])


def test_options_of_quantise_are_axes_of_a_network_of_train():
    full = networks()["trained"]
    data = ss.load_dataset("digits", size=8, components=2, key=0).held_out[:4]
    study = module_study(
        network=full,
        data=data,
        hardware=ss.load_hardware("digital-45nm", bits=4),
        measures=[mean_output],
        axes={"weight_format": [None, "fp4-e2m1"], "weight_scales": ["per-channel"]},
        reads=3,
    )
    joules = [measured(study, point)["bill"]["joules_per_read"] for point in study.points]
    assert joules[0] != joules[1]
    with pytest.raises(SettingError, match=r"unknown key 'axes\.ranges'"):
        module_study(network=full, data=data, axes={"ranges": ["mse"]})


def test_a_float_network_of_train_is_quantised_at_each_width():
    data = ss.load_dataset("digits", size=8, components=8, key=0)
    full = ss.train(ss.LinearGaussian(neurons=4, noise_sd=0.5), data.train, steps=20, key=0)
    stimuli = data.held_out[:4]
    study = ss.Study(
        network=full,
        data=stimuli,
        reference=full.reference(stimuli, key=0),
        hardware="digital-45nm",
        measures=["survival", "distance"],
        axes={"bits": [2, 4]},
        reads=400,
    )
    distances = [measured(study, point)["measures"]["distance"]["value"] for point in study.points]
    assert distances[0] > distances[1]


def test_survival_compares_with_the_module_in_float():
    """Whose dropout stays on; at 8 bits nothing is lost."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(2, 16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 2)
    )
    module.eval()[1].train()
    draws = np.random.default_rng(0).normal(size=(6, 800, 2)) * 0.2 + STIMULI[:, None]
    study = module_study(
        network=module, measures=["survival"], reference=draws, axes={"bits": [8]}, reads=200
    )
    found = measured(study, study.points[0])
    d, _, full = unpacked(found["per_stimulus"]["survival"]).T
    np.testing.assert_allclose(d, full, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"axes": {"bit": [2]}}, r"unknown key 'axes\.bit'.*did you mean 'bits'"),
        (
            {"axes": {"hardware.noise.read_sigme": [1.0]}},
            r"'axes\.hardware\.noise\.read_sigme': did you mean 'read_sigma",
        ),
        ({"axes": {"hardware.noise.read_sigma": ["much"]}}, "'axes"),
        ({"axes": {"bits": [9]}}, "'axes"),
        ({"axes": {"bits": [2], "width": [3]}}, r"unknown key 'axes\.width'"),
        ({"axes": {"accuracy": [1]}}, r"'axes\.accuracy'"),
        ({"axes": {"reads": [0]}}, r"'axes\.reads'"),
        ({"axes": [{"bits": 2}, {"noise": 1.0}]}, "point 1 has"),
        ({"axes": [{"bits": 2}, {"bits": 2}]}, "a point stands there twice"),
        ({"axes": {"bits": [2]}, "skip": [{"bits": 2}]}, "there are no points"),
        ({"axes": 3}, "should be values by axis"),
        ({"hardware": None}, "'hardware' is missing"),
        ({"hardware": "digital-45mn"}, "did you mean 'digital-45nm'"),
        ({"network": None}, "one of the two"),
        ({"sampler": gaussian}, "one of the two"),
        ({"network": "mine"}, "should be a torch module"),
        ({"network": lambda width: None}, "'width' has no value"),
        ({"data": 3}, "should be arrays"),
        ({"data": (STIMULI, np.zeros(5))}, r"'data\.truth'"),
        ({"data": np.zeros((0, 2))}, r"'data\.stimuli'"),
        ({"data": {"stimulus": STIMULI}}, "did you mean 'stimuli'"),
        ({"reads": 0}, "'reads'"),
        ({"reference": np.zeros((6, 400, 3))}, "'reference"),
        ({"reference": np.full((6, 400, 3), np.nan)}, "'reference'"),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_anything_runs(parts, words):
    with pytest.raises(SettingError, match=words):
        module_study(**parts)


def test_batches_of_a_loader_are_data():
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(STIMULI), torch.arange(6)), batch_size=4
    )
    study = module_study(data=loader)
    np.testing.assert_array_equal(study.data.stimuli, STIMULI)
    assert study.data.truth.tolist() == list(range(6))


def test_random_designs_are_points():
    axes = {"width": ss.studies.Between(0.1, 1.0)}
    study = sampler_study(random_points(axes, 5, 0))
    assert len(study.points) == len(study.tasks) == 5


def test_unknown_parts_are_named():
    with pytest.raises(SettingError, match="unknown key 'netwerk': did you mean 'network'"):
        ss.Study(axes={"bits": [2]}, netwerk=None, data=STIMULI, measures=[mean_square])
    with pytest.raises(SettingError, match="'data' is missing"):
        ss.Study(axes={"bits": [2]}, sampler=gaussian, measures=[mean_square])


def test_an_axis_of_formats_sets_the_widths():
    """A number format has a width; a width that is given stands beside it and must agree."""
    chip = ss.load_hardware("digital-45nm", bits=8)
    found = hardware_at(chip, {"format": "int3", "output_format": "lloyd-5"}).precision
    assert (found.weight_bits, found.input_bits, found.output_bits) == (3, 3, 5)
    found = hardware_at(chip, {"weight_format": "mxfp4"}).precision
    assert (found.weight_bits, found.input_bits, found.output_bits) == (4, 8, 8)
    assert hardware_at(chip, {"format": "warm"}).precision == chip.precision
    assert hardware_at(chip, {"format": "int3", "bits": 6}).precision.weight_bits == 6


def test_a_network_of_train_at_every_format_is_quantised_at_its_width(tmp_path, monkeypatch):
    """From a file, too: it is trained on the study's examples."""
    seen = []
    quantise = ss.TrainedNetwork.quantise

    def spied(self, *args, **options):
        seen.append(options["stimuli"])
        return quantise(self, *args, **options)

    monkeypatch.setattr(ss.TrainedNetwork, "quantise", spied)
    data = ss.load_dataset("digits", size=8, components=6, key=0)
    model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    full = ss.train(model, data.train, steps=20, key=0)
    full.save(tmp_path / "net.safetensors")
    study = ss.Study(
        network=ss.load_network(tmp_path / "net.safetensors"),
        data=data.held_out[:4],
        examples=data.train,
        hardware="digital-45nm",
        measures=["effective_samples"],
        axes={"format": ["int3", "int6"]},
        reads=8,
    )
    three, six = (measured(study, point)["bill"] for point in study.points)
    assert three["joules_per_read"] < six["joules_per_read"]
    assert [len(one) for one in seen] == [len(data.train)] * 2


@pytest.mark.parametrize(
    "data", [(STIMULI, [[1], [2, 3]]), {"stimuli": [[1], [2, 3]]}, ([[1.0], [2.0, 3.0]], [0, 1])]
)
def test_rows_of_unequal_length_are_refused(data):
    with pytest.raises(SettingError, match=r"'data' = .*rows of unequal length"):
        sampler_study(data=data)


def test_reads_that_cannot_be_compared_are_refused_before_anything_runs():
    program, x = linear_program()
    draws = np.random.default_rng(0).normal(size=(4, 100, 3))
    parts = {"network": program, "data": x, "hardware": "digital-45nm", "measures": ["distance"]}
    with pytest.raises(SettingError, match="'reads' = 60: should be a multiple of 4 from 8 to 48"):
        ss.Study(**parts, reference=draws, axes={"key": [0]}, reads=60)
    with pytest.raises(SettingError, match="'reads' = 60: should be"):
        ss.Study(**parts, reference=draws, axes={"reads": [20, 60]})
    with pytest.raises(SettingError, match="'reference' is missing: 'distance' compares"):
        ss.Study(**parts, axes={"key": [0]}, reads=20)

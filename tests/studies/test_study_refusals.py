"""A study refuses what is wrong before anything runs, and says which field, which value, which rule
and what would do; what is near a refusal and valid is taken.
"""

from pathlib import Path
from typing import Any

import pytest
from tinystudy import complaint, study_of, write_study

from stochsim.hardware import presets
from stochsim.studies import Study

NAN, INF = float("nan"), float("inf")

BAD: list[tuple[dict[str, Any], str]] = [
    # misspelt keys, at each level
    ({"modle": {}}, "unknown key 'modle': did you mean 'model'?"),
    ({"model__neurns": 8}, "unknown key 'model.neurns': did you mean 'neurons'?"),
    (
        {"model__laplace_scale": 1.0},
        "unknown key 'model.laplace_scale': valid: kind, neurons, noise_sd",
    ),
    ({"data__compnents": 8}, "unknown key 'data.compnents': did you mean 'components'?"),
    ({"train__stpes": 3}, "unknown key 'train.stpes': did you mean 'steps'?"),
    ({"hardware__prest": "thermal-floor"}, "unknown key 'hardware.prest': did you mean 'preset'?"),
    (
        {"hardware__noise": {"read_sgma": 1}},
        "unknown key 'hardware.noise.read_sgma': did you mean 'read_sigma'?",
    ),
    ({"grid__bts": [2]}, "unknown key 'grid.bts': did you mean 'bits'?"),
    ({"measure__read": 100}, "unknown key 'measure.read': did you mean 'reads'?"),
    # bits
    ({"grid__bits": [2, 9]}, "'grid.bits.1' = 9: should be less than or equal to 8"),
    ({"grid__bits": [0]}, "'grid.bits.0' = 0: should be greater than or equal to 1"),
    ({"grid__bits": [-1]}, "'grid.bits.0' = -1: should be greater than or equal to 1"),
    ({"grid__bits": [2.0]}, "'grid.bits.0' = 2.0: should be a valid integer"),
    ({"grid__bits": [True]}, "'grid.bits.0' = True: should be a valid integer"),
    ({"grid__bits": ["2"]}, "'grid.bits.0' = '2': should be a valid integer"),
    ({"grid__bits": 3}, "'grid.bits' = 3: should be a list"),
    ({"grid__bits": []}, "'grid.bits' = []: should name at least 1"),
    (
        {"grid__weight_bits": [2]},
        "'grid.bits' = [2, 4] and 'grid.weight_bits' = [2]: 'bits' ties weight_bits, input_bits "
        "and output_bits: give it alone, or the three without it",
    ),
    (
        {"grid__bits": None, "grid__weight_bits": [2], "grid__input_bits": [3]},
        "'grid.output_bits' is missing: give 'bits', or all three of weight_bits, input_bits and "
        "output_bits",
    ),
    (
        {
            "grid__bits": None,
            "grid__weight_bits": [2],
            "grid__input_bits": [9],
            "grid__output_bits": [2],
        },
        "'grid.input_bits.0' = 9: should be less than or equal to 8",
    ),
    # noise and rho
    ({"grid__noise": [-0.5]}, "'grid.noise.0' = -0.5: should be greater than or equal to 0"),
    ({"grid__noise": [0, NAN]}, "'grid.noise.1' = nan: should be a finite number"),
    ({"grid__noise": [INF]}, "'grid.noise.0' = inf: should be a finite number"),
    (
        {"hardware__noise": {"read_sigma": -1}},
        "'hardware.noise.read_sigma' = -1: should be greater than or equal to 0",
    ),
    (
        {"hardware__noise": {"weight_sigma": NAN}},
        "'hardware.noise.weight_sigma' = nan: should be a finite number",
    ),
    (
        {"hardware__noise": {"family": "gausian"}},
        "'hardware.noise.family' = 'gausian': should be 'gaussian', 'logistic' or 'uniform'",
    ),
    ({"grid__rho": [-0.5]}, "'grid.rho.0' = -0.5: should be greater than or equal to 0"),
    (
        {"grid__rho": [0, 0.5]},
        "'grid.rho' = 0.5: has no default price: set reliability.e0_j (joules at σ = s), or take "
        "rho 0, 1 or 2",
    ),
    # keys and values given twice
    ({"grid__keys": [-1]}, "'grid.keys.0' = -1: should be greater than or equal to 0"),
    ({"grid__keys": [2**63]}, f"'grid.keys.0' = {2**63}: should be less than {2**63}"),
    ({"grid__keys": [0.5]}, "'grid.keys.0' = 0.5: should be a valid integer"),
    ({"grid__bits": [2, 4, 2]}, "'grid.bits' = [2, 4, 2]: names a value twice"),
    ({"grid__noise": [1, 1.0]}, "'grid.noise' = [1.0, 1.0]: names a value twice"),
    ({"grid__rho": [0, 0]}, "'grid.rho' = [0.0, 0.0]: names a value twice"),
    ({"grid__keys": [3, 3]}, "'grid.keys' = [3, 3]: names a value twice"),
    # model, data and training
    ({"version": 2}, "'version' = 2: should be 1"),
    ({"version": None}, "'version' is missing"),
    ({"model": None}, "'model' is missing"),
    (
        {"model__kind": "spares_coding"},
        "'model.kind' = 'spares_coding': did you mean 'sparse_coding'?",
    ),
    ({"model__kind": None}, "'model.kind' is missing"),
    ({"model__kind": "sparse_coding"}, "'model.laplace_scale' is missing"),
    ({"model__neurons": "8"}, "'model.neurons' = '8': should be a valid integer"),
    ({"model__noise_sd": 0.0}, "'model.noise_sd' = 0.0: should be greater than or equal to 1e-15"),
    (
        {"model__noise_sd": NAN},
        "'model.noise_sd' = nan: should be a finite number",
    ),
    (
        {"data__kind": "patch"},
        "'data.kind' = 'patch': should be 'patches', 'china', 'flower', 'china-to-flower', "
        "'flower-to-china' or 'digits'",
    ),
    (
        {"data__components": 16},
        "'data.components' = 16: should be 1 to 15 at size 4, for the mean of each patch is "
        "removed; nearest valid: 15",
    ),
    ({"data__size": 3}, "'data.size' = 3: patches have sides of 4 to 16 pixels; nearest valid: 4"),
    (
        {"data": {"kind": "digits", "size": 8, "components": 64}},
        "'components' = 64: the training pictures have rank 61; nearest valid: 61",
    ),
    ({"train__steps": 0}, "'train.steps' = 0: should be greater than or equal to 1"),
    ({"train__learning_rate": "5e-3"}, "'train.learning_rate' = '5e-3': should be a valid number"),
    ({"train__decoder": "share"}, "'train.decoder' = 'share': should be 'shared' or 'own'"),
    # architectures, methods and controls
    (
        {"grid__architecture": ["single", "depe"]},
        "'grid.architecture' = 'depe': did you mean 'deep'?",
    ),
    ({"grid__architecture": []}, "'grid.architecture' = []: should name at least 1"),
    (
        {"grid__architecture": ["deep", "deep"]},
        "'grid.architecture' = ['deep', 'deep']: names a value twice",
    ),
    (
        {"grid__method": ["noise-awre"]},
        "'grid.method' = 'noise-awre': did you mean 'noise-aware'?",
    ),
    (
        {"grid__method": ["x"]},
        "'grid.method' = 'x': valid: post-training, quantisation-aware, noise-aware",
    ),
    (
        {"grid__control": ["shared-sigm"]},
        "'grid.control' = 'shared-sigm': did you mean 'shared-sigma'?",
    ),
    ({"grid__control": ["vae", "vae"]}, "'grid.control' = ['vae', 'vae']: names a value twice"),
    ({"grid__float": 1}, "'grid.float' = 1: should be a valid boolean"),
    (
        {"grid__bits": None},
        "'grid.weight_bits' and 'grid.input_bits' and 'grid.output_bits' are missing: give 'bits', "
        "or all three of weight_bits, input_bits and output_bits",
    ),
    (
        {"network__hiden_per_neuron": 4},
        "unknown key 'network.hiden_per_neuron': did you mean 'hidden_per_neuron'?",
    ),
    (
        {"network__hidden_per_neuron": 1, "grid__architecture": ["deep"]},
        "'network.hidden_per_neuron' = 1: should be greater than or equal to 2",
    ),
    (
        {"network__time_step": 1.5, "grid__architecture": ["recurrent"]},
        "'network.time_step' = 1.5: should be less than or equal to 1",
    ),
    (
        {"network__hidden_per_neuron": 4, "grid__architecture": ["single", "recurrent"]},
        "'network.hidden_per_neuron' = 4: belongs to architecture 'deep', which the grid does not "
        "have",
    ),
    (
        {"network__steps": 30, "grid__architecture": ["deep"], "grid__control": ["vae"]},
        "'network.steps' = 30: belongs to architecture 'recurrent', which the grid does not have",
    ),
    (
        {"network__time_step": 0.5},
        "'network.time_step' = 0.5: belongs to architecture 'recurrent', which the grid does not "
        "have",
    ),
    (
        {"model__kind": "gaussian_scale_mixture", "grid__control": ["langevin"]},
        "'grid.control' = 'langevin' and 'model.kind' = 'gaussian_scale_mixture': no circuit is "
        "wired for this model, whose gradient is not linear in r",
    ),
    (
        {
            "hardware__preset": "sram-array-28nm",
            "grid__method": ["quantisation-aware", "noise-aware"],
        },
        "'array': noise-aware training has no model of it on sram-array-28nm; valid: read noise, "
        "noise of weights, dither",
    ),
    # nats_per_joule
    ({"train__nats_per_joule": 0.0}, "'train.nats_per_joule' = 0.0: should be greater than 0"),
    (
        {"train__nats_per_joule": 1e15, "train__c": 2.0},
        "'train.c' = 2.0 and 'train.nats_per_joule' = 1000000000000000.0: not both: with "
        "nats_per_joule the Hardware's price sets c and s",
    ),
    (
        {"train__nats_per_joule": 1e15, "train__s": 0.5},
        "'train.s' = 0.5 and 'train.nats_per_joule' = 1000000000000000.0: not both: with "
        "nats_per_joule the Hardware's price sets c and s",
    ),
    (
        {
            "train__nats_per_joule": 1e15,
            "grid__rho": [0.5],
            "grid__bits": None,
            "grid__float": True,
        },  # float networks need the price too
        "'grid.rho' = 0.5: has no default price: set reliability.e0_j (joules at σ = s), or take "
        "rho 0, 1 or 2",
    ),
    # chip and measures
    ({"hardware": None}, "'hardware' is missing"),
    (
        {"hardware__preset": "digital-45"},
        "'hardware.preset' = 'digital-45': did you mean 'digital-45nm'?",
    ),
    ({"hardware__preset": ""}, f"'hardware.preset' = '': valid: {', '.join(presets())}"),
    (
        {"hardware__file": "chip.toml"},
        "'hardware.preset' = 'digital-45nm' and 'hardware.file' = 'chip.toml': give either preset "
        '= "NAME" or file = "chip.toml"',
    ),
    (
        {"hardware": {}},
        "'hardware.preset' and 'hardware.file' are missing: give either preset = \"NAME\" or file "
        '= "chip.toml"',
    ),
    (
        {"hardware": {"file": "chip.toml"}},
        "chip.toml: cannot be read (No such file or directory); did you mean 'study.toml'?",
    ),
    ({"measure__reads": 102}, "'measure.reads' = 102: should be a multiple of 4"),
    ({"measure__reads": 96}, "'measure.reads' = 96: should be greater than or equal to 100"),
    ({"measure__reads": 6000}, "'measure.reads' = 6000: should be less than or equal to 5000"),
    ({"measure__stimuli": 7}, "'measure.stimuli' = 7: should be greater than or equal to 8"),
    (
        {"measure__stimuli": 12001},
        "'measure.stimuli' = 12001: should be at most 12000, all that patches hold out",
    ),
    ({"measure__directions": 0}, "'measure.directions' = 0: should be greater than or equal to 1"),
]


@pytest.mark.parametrize(
    ("changes", "message"), BAD, ids=lambda part: " ".join(part) if isinstance(part, dict) else ""
)
def test_bad_input_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write_study(tmp_path, **changes)
    said = complaint(path)
    assert said.endswith(message)
    assert "\n" not in said
    where, line, *_ = said.removeprefix(str(path.parent)).split(":")
    if where != "/chip.toml":  # which is not there
        assert where == "/study.toml"
        assert int(line) <= len(path.read_text().splitlines())


VALID: list[dict[str, Any]] = [
    {
        "grid__architecture": ["single", "deep", "recurrent"],
        "network": {"hidden_per_neuron": 3, "time_step": 0.5, "steps": 7},
    },
    {"grid__control": ["langevin"], "network": {"time_step": 0.5, "steps": 7}},
    {"grid__method": ["post-training", "quantisation-aware", "noise-aware"]},
    {
        "hardware__preset": "sram-array-28nm",
        "grid__method": ["post-training", "quantisation-aware"],
    },
    {
        "hardware__preset": "sram-array-28nm",
        "grid__method": ["noise-aware"],
        "grid__bits": None,
        "grid__float": True,
    },
    {"grid__bits": None, "grid__float": True, "grid__rho": [0.5]},
    {"grid__bits": None, "grid__control": ["vae"]},
    {"train__nats_per_joule": 1e15, "grid__rho": [0, 1, 2]},
]


@pytest.mark.parametrize("changes", VALID, ids=lambda changes: " ".join(changes))
def test_what_is_near_a_refusal_and_valid_is_taken(changes: dict[str, Any], tmp_path: Path) -> None:
    assert complaint(write_study(tmp_path, **changes)) == ""
    assert Study.from_table(study_of(**changes).to_table()) == study_of(**changes)

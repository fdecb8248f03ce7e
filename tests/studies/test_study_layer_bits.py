"""Widths of weights by layer in a study: which tasks know of them, what is refused, and that they
reach the network and its bill.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tinystudy import complaint, plan_of, store_answers, study_of, work, write_study

from stochsim.studies import Results, Study, open_run
from stochsim.training import load_network

ALL_KINDS = ["single", "deep", "recurrent"]
WIDE: dict[str, Any] = {
    "grid__architecture": ALL_KINDS,
    "grid__method": ["post-training", "noise-aware"],
    "grid__control": ["shared-sigma", "vae", "langevin"],
    "grid__float": True,
}
MIXED = {"hidden": 6, "log_sigma": 3}


def by_label(layer_bits: dict[str, int] | None = None, **changes: Any) -> dict[str, str]:
    """Hashes by label, less what the label says of layers."""
    named = {"network": {"layer_bits": layer_bits}} if layer_bits else {}
    found = plan_of(**{**WIDE, **changes, **named})
    words = [f", {name} {bits}" for name, bits in (layer_bits or {}).items()]
    hashes = {}
    for key, task in found.tasks.items():
        label = task.label
        for word in words:
            label = label.replace(word, "")
        hashes[label] = key
    assert len(hashes) == len(found.tasks)
    return hashes


@pytest.mark.parametrize("decoder", ["shared", "own"])
@pytest.mark.parametrize(
    ("layer_bits", "kinds"),
    [
        (MIXED, {"deep"}),
        ({"lateral": 3}, {"recurrent"}),
        ({"log_sigma": 8, "lateral": 1}, {"deep", "recurrent"}),
    ],
)
def test_only_quantised_networks_of_the_layer_and_what_they_answer_are_others(
    layer_bits: dict[str, int], kinds: set[str], decoder: str
) -> None:
    """Decoders, float networks, controls and the other architectures keep their hashes."""
    before, after = by_label(train__decoder=decoder), by_label(layer_bits, train__decoder=decoder)
    assert before.keys() == after.keys()
    changed = {label for label, key in before.items() if after[label] != key}
    assert changed == {
        label for label in before if any(f"{kind} network at" in label for kind in kinds)
    }
    assert changed


def test_the_order_of_the_names_and_the_grids_own_width_change_nothing() -> None:
    grid = {"grid__architecture": ["deep"], "grid__bits": [4]}
    assert plan_of(**grid, network={"layer_bits": {"log_sigma": 3, "hidden": 6}}) == plan_of(
        **grid, network={"layer_bits": MIXED}
    )
    assert plan_of(**grid, network={"layer_bits": {"readout": 4, "hidden": 4}}) == plan_of(**grid)
    assert plan_of(**grid, network={"layer_bits": {"readout": 4, "hidden": 6}}) == plan_of(
        **grid, network={"layer_bits": {"hidden": 6}}
    )


def test_each_network_is_told_the_widths_of_its_own_layers() -> None:
    found = plan_of(**WIDE, network={"layer_bits": {"lateral": 3, "readout": 2, "hidden": 6}})
    told = {
        task.label: json.loads(task.settings).get("layer_bits") for task in found.tasks.values()
    }
    assert {label for label, own in told.items() if own} == {
        label for label, task in told.items() if "network at" in label and task
    }
    assert told["network at 4/4/4 bits, rho 0, key 0, noise-aware"] is None
    circuit = "recurrent network at 4/4/4 bits, rho 0, key 0, noise-aware"
    assert told[f"{circuit}, readout 2, lateral 3"] == {
        "readout": 2,
        "lateral": 3,
    }
    assert told["deep network at 4/4/4 bits, rho 0, key 0, post-training, hidden 6, readout 2"] == {
        "hidden": 6,
        "readout": 2,
    }
    assert told["deep network at 2/2/2 bits, rho 0, key 0, post-training, hidden 6"] == {
        "hidden": 6
    }  # `readout` has the grid's 2 anyway


DEEP: dict[str, Any] = {"grid__architecture": ["deep"]}
BAD: list[tuple[dict[str, Any], str]] = [
    (
        {**DEEP, "network": {"layer_bits": {"hiden": 6}}},
        "unknown key 'network.layer_bits.hiden': no layer of any network; did you mean 'hidden'?",
    ),
    (
        {**DEEP, "network": {"layer_bits": {"x": 6}}},
        "unknown key 'network.layer_bits.x': no layer of any network; valid: hidden, "
        "log_sigma, readout, lateral",
    ),
    (
        {**DEEP, "network": {"layer_bits": {"readout": 9}}},
        "'network.layer_bits.readout' = 9: should be less than or equal to 8",
    ),
    (
        {**DEEP, "network": {"layer_bits": {"readout": 0}}},
        "'network.layer_bits.readout' = 0: should be greater than or equal to 1",
    ),
    (
        {**DEEP, "network": {"layer_bits": {"readout": 2.5}}},
        "'network.layer_bits.readout' = 2.5: should be a valid integer",
    ),
    ({**DEEP, "network": {"layer_bits": {}}}, "'network.layer_bits' = []: should name at least 1"),
    (
        {**DEEP, "network": {"layer_bit": {"readout": 2}}},
        "unknown key 'network.layer_bit': did you mean 'layer_bits'?",
    ),
    (
        {**DEEP, "network": {"layer_bits": {"readout": 3, "lateral": 3}}},
        "'network.layer_bits.lateral' = 3: belongs to architecture 'recurrent', which the grid "
        "does not have",
    ),
    (
        {"network": {"layer_bits": {"hidden": 6}}},
        "'network.layer_bits.hidden' = 6: belongs to architecture 'deep', which the grid does not "
        "have",
    ),
    (
        {"grid__control": ["langevin"], "network": {"layer_bits": {"lateral": 6}}},
        "'network.layer_bits.lateral' = 6: belongs to architecture 'recurrent', which the grid "
        "does not have",
    ),
    (
        {
            **DEEP,
            "grid__bits": None,
            "grid__float": True,
            "network": {"layer_bits": {"readout": 3}},
        },
        "'network.layer_bits.readout' = 3: belongs to quantised networks, which the grid does "
        "not have",
    ),
    (
        {
            "grid__architecture": ["single", "recurrent"],
            "grid__bits": None,
            "grid__weight_bits": [2, 4],
            "grid__input_bits": [4],
            "grid__output_bits": [4],
            "network": {"layer_bits": {"readout": 6, "lateral": 3}},
        },
        "'grid.weight_bits' = [2, 4]: no layer of 'recurrent' has these, since layer_bits "
        "names all; "
        "valid: one width, or a layer less there",
    ),
]


@pytest.mark.parametrize(
    ("changes", "message"),
    BAD,
    ids=lambda part: json.dumps(part.get("network")) if isinstance(part, dict) else "",
)
def test_bad_widths_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    said = complaint(write_study(tmp_path, **changes))
    assert said.endswith(message)
    assert "\n" not in said


def test_cells_that_a_layer_is_too_narrow_for_are_named_before_anything_runs(
    tmp_path: Path,
) -> None:
    chip: dict[str, Any] = {"hardware__array": {"cell_bits": 2}, "grid__bits": [4], **DEEP}
    assert complaint(write_study(tmp_path, **chip, network={"layer_bits": {"readout": 2}})) == ""
    said = complaint(write_study(tmp_path, **chip, network={"layer_bits": {"readout": 1}}))
    assert "'array.cell_bits' = 2: more than 1-bit weights have" in said


VALID: list[dict[str, Any]] = [
    {**DEEP, "network": {"layer_bits": MIXED, "hidden_per_neuron": 3}},
    {"grid__architecture": ALL_KINDS, "network": {"layer_bits": {"hidden": 1, "lateral": 8}}},
    {
        **DEEP,
        "network": {"layer_bits": {"hidden": 6, "log_sigma": 3, "readout": 3}},
    },  # `bits` sweep the codes
]


@pytest.mark.parametrize("changes", VALID, ids=lambda changes: json.dumps(changes["network"]))
def test_what_is_near_a_refusal_and_valid_is_taken(changes: dict[str, Any], tmp_path: Path) -> None:
    assert complaint(write_study(tmp_path, **changes)) == ""
    assert Study.from_table(study_of(**changes).to_table()) == study_of(**changes)


def test_they_reach_the_network_and_its_bill(tmp_path: Path) -> None:
    """One run folder, two studies: the second finds all that does not depend on these widths; its
    deep network costs less.
    """
    grid = {"architecture": ["deep"], "bits": [6], "noise": [1]}
    joules = []
    for layer_bits in (None, {"hidden": 2}):
        study = study_of(
            grid=grid,
            train__steps=10,
            **({"network": {"layer_bits": layer_bits}} if layer_bits else {}),
        )
        with open_run(store_answers(tmp_path / "run", study, work)) as results:
            joules.append(_answered(results, layer_bits or {}))
    assert joules[1]["multiply"] < joules[0]["multiply"]
    assert joules[1]["memory"] <= joules[0]["memory"]
    assert joules[1]["random"] == joules[0]["random"]


def _answered(results: Results, layer_bits: dict[str, int]) -> dict[str, float]:
    assert results.missing == 0
    (cell,) = [cell for cell in results.plan.cells if cell.widths]
    row = results.store.row(cell.network)
    assert row.artifact is not None
    settings = load_network(row.artifact).network.settings
    assert (settings.weight_bits, settings.layer_bits) == (6, layer_bits)
    parts: dict[str, float] = results.store.row(cell.samples).result["energy"]["parts_j"]
    return parts

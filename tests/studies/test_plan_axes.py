"""The axes beside bits, noise, rho and keys: architectures, methods, controls, float networks.

Which tasks they add, which they leave.
"""

import json
from typing import Any

import pytest
from tinystudy import kinds, plan_of

from stochsim.studies.plan import Plan

ALL_KINDS = ["single", "deep", "recurrent"]
ALL_METHODS = ["post-training", "quantisation-aware", "noise-aware"]
WIDE: dict[str, Any] = {
    "grid__architecture": ALL_KINDS,
    "grid__method": ["quantisation-aware", "noise-aware"],
    "grid__control": ["shared-sigma", "vae", "langevin"],
    "grid__float": True,
}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        (
            {"grid__architecture": ALL_KINDS},
            {"float": 3, "float_samples": 3, "network": 6, "chip_samples": 12},
        ),
        ({"grid__architecture": ["deep"]}, {}),
        ({"grid__method": ALL_METHODS}, {"network": 6, "chip_samples": 12}),
        (
            {"grid__float": True},
            {"float_samples": 2},
        ),  # x0; x1 is what S is measured against anyway
        ({"grid__float": True, "grid__noise": [0.5, 2]}, {"float_samples": 3}),
        ({"grid__control": ["no-noise"]}, {"control": 1}),
        ({"grid__control": ["no-noise", "untrained", "vae"]}, {"control": 3}),
        (
            {"grid__control": ["no-noise", "vae"], "grid__rho": [0, 1]},
            {"float": 2, "float_samples": 2, "control": 3, "network": 4, "chip_samples": 8},
        ),
        (WIDE, {"float": 3, "float_samples": 6, "control": 5, "network": 12, "chip_samples": 24}),
        (
            {"grid__bits": None, "grid__float": True},
            {"float_samples": 2, "network": 0, "chip_samples": 0},
        ),
        (
            {"grid__bits": None, "grid__control": ["langevin"]},
            {"control": 1, "network": 0, "chip_samples": 0},
        ),
        (
            {**WIDE, "grid__keys": [3, 5]},
            {
                "decoder": 2,
                "reference": 2,
                "prior_samples": 2,
                "float": 6,
                "float_samples": 12,
                "control": 10,
                "network": 24,
                "chip_samples": 48,
            },
        ),
        (
            {
                **WIDE,
                "train__decoder": "own",
                # a posterior of each network; no samples to measure S against, so x1 too is the
                # grid's
            },
            {
                "reference": 3 + 1 + 12,
                "prior_samples": 0,
                "float": 3,
                "float_samples": 6,
                "control": 5,
                "network": 12,
                "chip_samples": 24,
            },
        ),
    ],
)
def test_each_axis_adds_its_tasks(changes: dict[str, Any], counts: dict[str, int]) -> None:
    one = {
        "decoder": 1,
        "reference": 1,
        "prior_samples": 1,
        "float": 1,
        "float_samples": 1,
        "network": 2,
        "chip_samples": 4,
    }
    assert kinds(plan_of(**changes)) == {
        kind: count for kind, count in (one | counts).items() if count
    }


@pytest.mark.parametrize("name", [*WIDE, "all"])
def test_what_an_axis_adds_leaves_the_rest_as_it_is(name: str) -> None:
    added = WIDE if name == "all" else {name: WIDE[name]}
    assert set(plan_of().tasks) < set(plan_of(**added).tasks)


def by_label(**changes: Any) -> dict[str, str]:
    """Hashes by label; several methods are told apart, and so is every other task."""
    found = plan_of(**{**WIDE, **changes})
    hashes = {task.label: key for key, task in found.tasks.items()}
    assert len(hashes) == len(found.tasks)
    return hashes


def of_network(label: str) -> bool:
    """Whether a float or quantised network, or its samples, are meant."""
    return "network at" in label or "float" in label


MEASURED = ("prior_samples", *WIDE["grid__control"])
CHANGES: list[tuple[dict[str, Any], Any]] = [
    ({"network__hidden_per_neuron": 5}, lambda label: "deep" in label),
    ({"network__time_step": 0.5}, lambda label: "recurrent" in label or "langevin" in label),
    ({"network__steps": 40}, lambda label: "recurrent" in label or "langevin" in label),
    (
        {"hardware__noise": {"read_sigma": 0.1}},
        lambda label: "network at" in label and ("noise x" in label or "noise-aware" in label),
    ),
    ({"train__nats_per_joule": 1e15}, of_network),
    ({"train__steps": 31}, lambda label: True),
    ({"train__c": 2.0}, lambda label: True),
    (
        {"measure__reads": 104},
        lambda label: "noise x" in label or "samples" in label or label.split(",")[0] in MEASURED,
    ),
    ({"grid__rho": [1]}, of_network),
    ({"grid__keys": [1]}, lambda label: True),
]


@pytest.mark.parametrize(
    ("changes", "affected"),
    CHANGES,
    ids=lambda part: " ".join(part) if isinstance(part, dict) else "",
)
def test_an_option_changes_the_tasks_that_it_matters_to_and_no_other(
    changes: dict[str, Any], affected: Any
) -> None:
    before, after = by_label(), by_label(**changes)
    same = set(before.values()) & set(after.values())
    assert {label for label, key in before.items() if key not in same} == {
        label for label in before if affected(label)
    }


def test_nats_per_joule_ties_networks_to_the_chips_price() -> None:
    """Without it only what runs on the chip, and what is trained for its noise, knows the chip."""
    other = {"hardware__reliability": {"e_bit_j": 3e-13}}
    for rate, tied in ((None, lambda label: "noise-aware" in label), (1e15, of_network)):
        changes = {"train__nats_per_joule": rate} if rate else {}
        before, after = by_label(**changes), by_label(**changes, **other)
        changed = {label for label, key in before.items() if after[label] != key}
        points = {label for label in before if "network at" in label and "noise x" in label}
        assert changed == {label for label in before if tied(label)} | points


def test_options_at_their_defaults_are_the_same_plan() -> None:
    given = {"network": {"hidden_per_neuron": 4, "time_step": 0.25, "steps": 30}}
    assert plan_of(**WIDE, **given) == plan_of(**WIDE)
    assert (
        plan_of(
            grid__architecture=["single"],
            grid__method=["quantisation-aware"],
            grid__control=[],
            grid__float=False,
        )
        == plan_of()
    )


def controls(found: Plan) -> list[Any]:
    return [cell for cell in found.cells if cell.control]


@pytest.mark.parametrize("decoder", ["shared", "own"])
def test_controls_face_the_posterior_of_what_they_control(decoder: str) -> None:
    found = plan_of(**WIDE, train__decoder=decoder)
    places = [(cell.control, cell.architecture) for cell in controls(found)]
    assert sorted(places) == [
        ("langevin", ""),
        *(("shared-sigma", kind) for kind in sorted(ALL_KINDS)),
        ("vae", ""),
    ]
    for cell in controls(found):
        assert (cell.widths, cell.method, cell.noise, cell.rho) == (None, "", 1.0, 0.0)
        assert found.tasks[cell.network].kind == ("float" if cell.architecture else "decoder")
        source = dict(found.tasks[cell.reference].needs)["source"]
        assert (
            found.tasks[source].kind == "decoder" if decoder == "shared" else source == cell.network
        )
        assert dict(found.tasks[cell.samples].needs) == {
            "network": cell.network,
            "reference": cell.reference,
        }
        assert (cell.float_samples is None) == (not cell.architecture or decoder == "own")


def test_float_cells_stand_at_every_noise_level_and_compare_with_the_same_network() -> None:
    found = plan_of(**WIDE, grid__noise=[0.5, 1, 2])
    for kind in ALL_KINDS:
        cells = [
            cell
            for cell in found.cells
            if cell.architecture == kind and cell.widths is None and not cell.control
        ]
        assert [cell.noise for cell in cells] == [0.5, 1, 2]
        assert len({cell.float_samples for cell in found.cells if cell.architecture == kind}) == 1
        assert [cell.samples == cell.float_samples for cell in cells] == [False, True, False]
        assert [json.loads(found.tasks[cell.samples].settings)["noise"] for cell in cells] == [
            0.5,
            1,
            2,
        ]


def test_cells_say_what_their_networks_were_given() -> None:
    found = plan_of(**WIDE)
    quantised = [cell for cell in found.cells if cell.widths]
    assert (
        len(quantised)
        == len({(cell.architecture, cell.method, cell.widths, cell.noise) for cell in quantised})
        == 3 * 2 * 2 * 2
    )
    for cell in quantised:
        network = found.tasks[cell.network]
        start = found.tasks[dict(network.needs)["start"]]
        assert json.loads(network.settings)["method"] == cell.method
        assert json.loads(start.settings)["architecture"]["kind"] == cell.architecture


def test_options_reach_the_tasks_of_the_architecture_they_belong_to() -> None:
    found = plan_of(**WIDE, network={"hidden_per_neuron": 3, "time_step": 0.5, "steps": 7})
    told = {
        task.label: json.loads(task.settings).get("architecture") for task in found.tasks.values()
    }
    circuit = {"kind": "recurrent", "hidden_per_neuron": 4, "time_step": 0.5, "steps": 7}
    assert told["recurrent float network, rho 0, key 0"] == told["langevin, key 0"] == circuit
    assert told["deep float network, rho 0, key 0"] == {
        "kind": "deep",
        "hidden_per_neuron": 3,
        "time_step": 0.25,
        "steps": 30,
    }
    assert told["float network, rho 0, key 0"] == {
        "kind": "single",
        "hidden_per_neuron": 4,
        "time_step": 0.25,
        "steps": 30,
    }

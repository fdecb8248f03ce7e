"""`stochsim energy bill` of one of several networks of a run."""

from pathlib import Path

import pytest
from billcommand import refused, table_of
from tinystudy import store_answers, study_of, work

from stochsim.studies import open_run


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep over every axis, of which only the networks are trained."""
    axes = {
        "architecture": ["single", "deep"],
        "rho": [0, 1],
        "keys": [3, 5],
        "method": ["post-training", "quantisation-aware"],
    }
    study = study_of(grid={"bits": [3], "noise": [0.5, 1, 2], **axes}, train__steps=2)
    trains = ("decoder", "float", "network")
    return store_answers(
        tmp_path_factory.mktemp("several") / "run",
        study,
        work,
        lambda task: task.kind not in trains,
    )


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ("", "network at 3/3/3 bits, rho 0, key 3, post-training, noise x1"),
        (
            "--architecture deep",
            "deep network at 3/3/3 bits, rho 0, key 3, post-training, noise x1",
        ),
        (
            "--method quantisation-aware",
            "network at 3/3/3 bits, rho 0, key 3, quantisation-aware, noise x1",
        ),
        ("--rho 1", "network at 3/3/3 bits, rho 1, key 3, post-training, noise x1"),
        ("--key 5", "network at 3/3/3 bits, rho 0, key 5, post-training, noise x1"),
        ("--noise 0.5", "network at 3/3/3 bits, rho 0, key 3, post-training, noise x0.5"),
        (
            "--architecture deep --method quantisation-aware --rho 1 --key 5 --noise 2 --bits 3",
            "deep network at 3/3/3 bits, rho 1, key 5, quantisation-aware, noise x2",
        ),
    ],
)
def test_options_name_a_network(
    options: str, about: str, several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table_of(f"{several} {options}", tmp_path, capsys)["about"] == f"{several}: {about}"


def test_the_network_named_is_the_one_billed(
    several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own layers and price of reliability; twice the noise costs half the joules where rho
    is 1.
    """
    deep, single = (
        table_of(f"{several} --architecture {kind}", tmp_path, capsys)["bill"]
        for kind in ("deep", "single")
    )
    assert "hidden" in deep["joules_by_layer"]
    assert list(single["joules_by_layer"]) == ["readout"]
    once, twice = (
        table_of(f"{several} --rho 1 --noise {noise}", tmp_path, capsys)["bill"] for noise in (1, 2)
    )
    assert once["rho"] == twice["rho"] == 1
    assert twice["joules_by_part"]["reliability"] == pytest.approx(
        once["joules_by_part"]["reliability"] / 2
    )


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (
            "--architecture depp",
            "'--architecture' = 'depp': not in the run's grid; did you mean 'deep'?",
        ),
        (
            "--architecture recurrent",
            "'--architecture' = 'recurrent': not in the run's grid; valid: single, deep",
        ),
        ("--method noise-aware", "'--method' = 'noise-aware': not in the run's grid; "),
        ("--rho 0.5", "'--rho' = 0.5: not in the run's grid; valid: 0, 1"),
        ("--key 4", "'--key' = 4: not in the run's grid; valid: 3, 5"),
        ("--noise 0", "'--noise' = 0.0: not in the run's grid; valid: 0.5, 1, 2"),
        (
            "--bits 2",
            "'--bits' = '2/2/2': no network of the run has these bits (weight/input/output); "
            "valid: 3/3/3",
        ),
    ],
)
def test_a_network_that_the_grid_does_not_name(
    option: str, complaint: str, several: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(f"{several} {option}", capsys).startswith(f"{several}: {complaint}")


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of one network with outputs of several formats, measured."""
    outputs = ["int4", "fp4-e2m1", "lloyd-4-per-neuron"]
    grid = {"bits": [4], "noise": [1], "output_format": outputs}
    measure = {"measure__stimuli": 8, "measure__reads": 100}
    study = study_of(grid=grid, train__steps=2, hardware__preset="in-memory-28nm", **measure)
    return store_answers(tmp_path_factory.mktemp("formats") / "run", study, work)


def test_the_bill_is_of_the_outputs_that_are_named(
    formats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its joules are those of the run, the grid's first format where none is named."""
    with open_run(formats) as results:
        expected = {row["output_format"]: row.per_read_j for row in results.rows}
    assert len(set(expected.values())) == 3
    for name, joules in expected.items():
        found = table_of(f"{formats} --output-format {name}", tmp_path, capsys)
        assert found["about"].endswith(f"noise x1, {name} outputs")
        assert found["bill"]["joules_per_read"] == pytest.approx(joules, rel=1e-12)
    first = table_of(str(formats), tmp_path, capsys)
    assert first["about"].endswith("noise x1, int4 outputs")
    complaint = refused(f"{formats} --output-format fp4-e3m0", capsys)
    assert "'--output-format' = 'fp4-e3m0': not in the run's grid" in complaint

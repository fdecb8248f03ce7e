"""Programs as folders: exact round trips, and refusals of damaged and foreign files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from circuittest import changed as changed_layer
from circuittest import deep_program, hardware_of, recurrent_program, single_program, some_stimuli
from safetensors.numpy import load_file

from stochsim.chip import Chip
from stochsim.program import (
    Layer,
    Quantizer,
    load_program,
    random_program,
    read_folder,
    single_layer,
    write_folder,
)
from stochsim.settings import SettingError, StochsimError

MADE = {"single": single_program, "deep": deep_program, "recurrent": recurrent_program}


def same(first, second):
    """Whether two programs are equal, arrays and their types too."""
    if dataclasses.is_dataclass(first):
        return type(first) is type(second) and all(
            same(value, getattr(second, name)) for name, value in vars(first).items()
        )
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[n], second[n]) for n in first)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return bool(first == second)


@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("kind", MADE)
def test_a_program_is_the_same_again(tmp_path, kind, bits):
    program = MADE[kind](bits)
    program.save(tmp_path / "a" / "program")
    again = load_program(tmp_path / "a" / "program")
    assert same(program, again)
    x = some_stimuli()
    codes = [Chip(one, hardware_of(one)).sample(x, 5, 3).codes for one in (program, again)]
    assert np.array_equal(*codes)


def test_every_field_is_kept(tmp_path):
    """Own widths, unsigned grids, activations, and floats to the last bit."""
    codes = np.array([[1, -7, 3], [0, 2, -1]], np.int8)
    reads, gives = Quantizer(3, 0.1 + 0.2, True), Quantizer(1, 1.3e-38)
    layer = Layer(
        codes,
        4,
        2.0 / 3,
        reads,
        gives,
        np.array([np.pi, -0.0]),
        np.array([0.0, 5e-324]),
        "sigmoid",
        True,
    )
    program = single_layer(layer, 0.5)
    program.save(tmp_path)
    assert same(load_program(tmp_path), program)
    wider = changed_layer(program, "readout", weight_bits=5)
    wider.save(tmp_path)  # replaces what stood there
    assert same(load_program(tmp_path), wider)
    assert not same(load_program(tmp_path), program)


def test_what_is_written(tmp_path):
    single_program().save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "program.json",
        "program.safetensors",
    ]
    head = json.loads((tmp_path / "program.json").read_text())
    assert (head["format"], head["version"], head["kind"]) == (
        "stochsim-program",
        2,
        "feed-forward",
    )
    arrays = load_file(tmp_path / "program.safetensors")
    assert {name: value.dtype.name for name, value in arrays.items()} == {
        "layers.readout.weight_codes": "int8",
        "layers.readout.bias": "float64",
        "layers.readout.sigma": "float64",
    }


def changed(folder, **fields):
    path = folder / "program.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "other"}, "has format 'other': 'stochsim-program' is expected"),
        ({"version": 1}, "version 1 of the format: this release reads version 2"),
        ({"kind": "tree"}, "is of kind 'tree'"),
        ({"sha256": "0" * 64}, "is damaged or of another program"),
        ({"sha256": None}, "no 'content' or no 'sha256'"),
        ({"content": []}, "no 'content' or no 'sha256'"),
        ({"content": {}}, r"'program\.layers' is missing"),
        ({"content": {"layers": [], "more": 1}}, r"unknown key 'program\.more'"),
    ],
)
def test_foreign_and_damaged_tables_are_refused(tmp_path, fields, message):
    single_program().save(tmp_path)
    changed(tmp_path, **fields)
    with pytest.raises(StochsimError, match=message):
        load_program(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weight_bits", 9, r"'layers\.readout\.weight_bits' = 9: should be an integer from 1 to 8"),
        ("weight_bits", 4.5, r"'layers\.readout\.weight_bits' = 4\.5: should be int"),
        (
            "weight_scale",
            -1.0,
            r"'layers\.readout\.weight_scale' = -1\.0: should be finite and above 0",
        ),
        ("activation", "rely", r"'layers\.readout\.activation' = 'rely': did you mean 'relu'"),
        ("input", {"bits": 3, "scale": 1.0}, r"'layers\.readout\.input\.unsigned' is missing"),
        ("own_width", 1, r"'layers\.readout\.own_width' = 1: should be bool"),
    ],
)
def test_fields_that_no_program_has_are_refused(tmp_path, name, value, message):
    single_program().save(tmp_path)
    layer = json.loads((tmp_path / "program.json").read_text())["content"]["layers"][0]
    changed(tmp_path, content={"layers": [{**layer, name: value}], "rho": 0.5})
    with pytest.raises(StochsimError, match=message):
        load_program(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "bits", "message"),
    [
        ("bias", np.nan, 4, r"bias' = nan: should be finite"),
        ("sigma", -0.5, 4, r"sigma' = -0\.5: should be at least 0"),
        ("sigma", np.inf, 4, r"sigma' = inf: should be finite"),
        ("weight_codes", -9, 4, r"weight_codes' = -9: should be from -8 to 7"),
        ("weight_codes", 8, 4, r"weight_codes' = 8: should be from -8 to 7"),
        ("weight_codes", 0, 1, r"weight_codes' = 0: should be -1 or 1 at one bit"),
        ("weight_codes", 2, 1, r"weight_codes' = 2: should be -1 or 1 at one bit"),
    ],
)
def test_values_that_no_layer_has_are_refused(tmp_path, field, value, bits, message):
    """In Python, and in a file whose checksum is that of the wrong values."""
    layer = single_program().readout
    ones = np.ones_like(layer.weight_codes)
    layer = dataclasses.replace(layer, weight_bits=bits, weight_codes=ones)
    single_layer(layer).save(tmp_path)
    load_program(tmp_path)
    array = getattr(layer, field).copy()
    array.flat[1] = value
    with pytest.raises(SettingError, match=f"'{message}"):
        dataclasses.replace(layer, **{field: array})
    stored = read_folder(tmp_path, ("feed-forward",))
    arrays = {**stored.arrays, f"layers.readout.{field}": array}
    write_folder(tmp_path, stored._replace(arrays=arrays))
    with pytest.raises(StochsimError, match=rf"'layers\.readout\.{message}"):
        load_program(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_codes": np.zeros((2, 0), np.int8)}, r"'weight_codes' = .* at least one of each"),
        ({"weight_codes": np.zeros(2, np.int8)}, r"'weight_codes' = .* \(neuron, input\)"),
        ({"weight_codes": np.ones((2, 3))}, r"'weight_codes' = .* numbers that int8 can hold"),
        ({"bias": np.zeros(3)}, r"'bias' = .* should have shape \(neuron\) = \(2,\)"),
        ({"sigma": np.zeros((1,))}, r"'sigma' = .* should have shape \(neuron\) = \(2,\)"),
        ({"bias": ["a", "b"]}, r"'bias' = .* numbers that float64 can hold"),
        ({"weight_bits": 9}, "'weight_bits' = 9: should be an integer from 1 to 8"),
        ({"weight_bits": True}, "'weight_bits' = True: should be an integer from 1 to 8"),
        ({"weight_scale": 0.0}, r"'weight_scale' = 0\.0: should be finite and above 0"),
        ({"weight_scale": np.nan}, "'weight_scale' = nan: should be finite and above 0"),
        ({"activation": "rely"}, "'activation' = 'rely': did you mean 'relu'"),
    ],
)
def test_what_no_layer_can_be_is_refused_where_it_is_built(changes, message):
    whole = {
        "weight_codes": np.ones((2, 3), np.int8),
        "weight_bits": 3,
        "weight_scale": 0.5,
        "input": Quantizer(3, 0.5),
        "output": Quantizer(3, 0.5),
        "bias": np.zeros(2),
        "sigma": np.zeros(2),
    }
    Layer(**whole)
    with pytest.raises(SettingError, match=message):
        Layer(**whole | changes)


@pytest.mark.parametrize(
    ("bits", "scale", "message"),
    [
        (0, 1.0, "'bits' = 0: should be an integer from 1 to 8"),
        (9, 1.0, "'bits' = 9: should be an integer from 1 to 8"),
        (4, -1.0, r"'scale' = -1\.0: should be finite and above 0"),
        (4, np.inf, "'scale' = inf: should be finite and above 0"),
        (4, "wide", "'scale' = 'wide': should be finite and above 0"),
    ],
)
def test_quantizers_that_cannot_be_are_refused(bits, scale, message):
    with pytest.raises(SettingError, match=message):
        Quantizer(bits, scale)


def test_numbers_of_numpy_become_those_of_python():
    """No product of narrow integers can overflow, and lists are arrays."""
    quantizer = Quantizer(np.uint8(8), np.float32(0.5))
    assert type(quantizer.bits) is int
    assert type(quantizer.scale) is float
    assert quantizer.levels == 256
    layer = Layer([[1, -2]], np.int64(3), 1, quantizer, quantizer, [0], [0.5])
    assert layer.weight_codes.dtype == np.int8
    assert layer.bias.dtype == layer.sigma.dtype == np.float64
    assert type(layer.weight_bits) is int


def test_missing_truncated_and_swapped_files_are_refused(tmp_path):
    with pytest.raises(StochsimError, match=r"program\.json: cannot be read"):
        load_program(tmp_path / "nowhere")
    single_program().save(tmp_path / "a")
    single_program(sigma=0.7).save(tmp_path / "b")
    (tmp_path / "a" / "program.safetensors").write_bytes(
        (tmp_path / "b" / "program.safetensors").read_bytes()
    )
    with pytest.raises(StochsimError, match="damaged or of another program"):
        load_program(tmp_path / "a")
    (tmp_path / "b" / "program.json").write_text("{")
    with pytest.raises(StochsimError, match="not valid JSON"):
        load_program(tmp_path / "b")
    (tmp_path / "a" / "program.safetensors").unlink()
    with pytest.raises(StochsimError, match=r"program\.safetensors: cannot be read"):
        load_program(tmp_path / "a")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StochsimError, match="cannot be written"):
        single_program().save(tmp_path / "file")


@pytest.mark.parametrize("bits", range(1, 9))
def test_unsigned_quantizers_have_every_value_from_0_on(bits):
    """All codes: value scale × integer, its nearest code, and edges at the halves; halves go to the
    even integer, at one bit up.
    """
    quantizer = Quantizer(bits, 0.25, unsigned=True)
    integers = np.arange(2**bits)
    codes = (quantizer.c_min + integers).astype(np.int8)
    assert np.array_equal(quantizer.integers(codes), integers)
    assert np.array_equal(quantizer.values(codes), 0.25 * integers.astype(np.float32))
    assert np.array_equal(quantizer.z + quantizer.step * codes, 0.25 * integers)
    assert np.array_equal(quantizer.codes(0.25 * integers), codes)
    assert np.array_equal(quantizer.codes(np.array([-5.0, 1e9])), codes[[0, -1]])
    halves = quantizer.integers(quantizer.codes(0.25 * (integers[:-1] + 0.5)))
    assert np.array_equal(halves, np.rint(integers[:-1] + 0.5) if bits > 1 else [1])
    assert quantizer.largest_integer == integers[-1]
    signed = Quantizer(bits, 0.25)
    assert signed.largest_integer == np.abs(signed.integers(codes.astype(int))).max()


def test_a_recurrent_program_refuses_unsigned_codes():
    program = recurrent_program()
    unsigned = Quantizer(3, 1.0, unsigned=True)
    with pytest.raises(StochsimError, match="signed codes"):
        changed_layer(program, "readout", input=unsigned)


def test_what_is_written_is_read_again(tmp_path, monkeypatch):
    """A disk that loses bytes, or gives others back, is found when a program is saved."""
    program, _ = random_program((6, 3), (4, 4, 4), 0.5)
    real = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: real(self, data[:-8]))
    with pytest.raises(StochsimError, match=r"damaged|not readable|not valid JSON"):
        program.save(tmp_path / "short")
    monkeypatch.undo()
    other, _ = random_program((6, 3), (4, 4, 4), 0.5, key=1)
    other.save(tmp_path / "other")
    kept = {one.name: one.read_bytes() for one in (tmp_path / "other").iterdir()}
    monkeypatch.setattr(
        Path, "write_bytes", lambda self, data: real(self, kept[self.name.removesuffix(".part")])
    )
    with pytest.raises(StochsimError, match="something else is read than was written"):
        program.save(tmp_path / "swapped")

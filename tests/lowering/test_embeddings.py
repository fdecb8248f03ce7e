"""Embeddings on the chip: a table of cells, of which every id reads one row."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conversiontest import QUIET, Calls, chip_of, seeded
from stattest import assert_mean
from torch import nn
from torch.nn import functional

from stochsim.energy import Operation, Operations
from stochsim.hardware import Adc, Array, Memory, Noise
from stochsim.lowering import ChipModule, convert, load_converted
from stochsim.lowering.layer_tables import call_tables, check_calls
from stochsim.program import Geometry, Program, Quantizer
from stochsim.settings import SettingError, StochsimError

ROWS, WIDTH = 11, 6


def ids_of(*shape: int, rows: int = ROWS) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, rows, shape))


def table(**options) -> nn.Module:
    return seeded(lambda: nn.Embedding(ROWS, WIDTH, **options))


def rows_by_hand(made: ChipModule, ids: torch.Tensor) -> np.ndarray:
    """Integers times scales, by an index into the codes."""
    (layer,) = made.program.layers.values()
    return layer.weight_codes.T[ids.numpy()] * layer.weight_scale


@pytest.mark.parametrize(
    "widths", [(1, 4, 1), (1, 4, 4), (2, 8, 2), (3, 4, 8), (4, 4, 4), (8, 1, 8)]
)
def test_values_are_the_rows_of_the_quantised_table(widths: tuple[int, int, int]) -> None:
    """The outputs' grid has all values of the weights': nothing is rounded twice."""
    ids = ids_of(40, 5)
    made = convert(table(), chip_of(*widths), ids)
    wanted = rows_by_hand(made, ids)
    assert np.array_equal(made(ids).numpy(), wanted.astype(np.float32))
    assert torch.equal(made.emulated(ids), made(ids))
    (layer,) = made.layers.values()
    assert layer.bits == (widths[0], 1, widths[2])


def test_fewer_output_bits_round_once_more() -> None:
    ids = ids_of(40, 5)
    made = convert(table(), chip_of(6, 4, 3), ids)
    step = float(made.layers["embedding"].output_grid.step().detach())
    inside = np.abs(rows_by_hand(made, ids)) <= 3 * step
    off = np.abs(made(ids).numpy() - rows_by_hand(made, ids))
    assert off[inside].max() <= step / 2 * (1 + 1e-6)


def test_scales_of_channels_are_those_of_the_columns() -> None:
    ids = ids_of(40, 5)
    module = table()
    with torch.no_grad():
        module.weight *= torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    made = convert(module, chip_of(4, 4, 8), ids, weight_scales="per-channel")
    (layer,) = made.layers.values()
    assert layer.weight_grid.scale().shape == (WIDTH,)
    step = float(layer.output_grid.step().detach())
    inside = np.abs(rows_by_hand(made, ids)) <= 127 * step
    off = np.abs(made(ids).numpy() - rows_by_hand(made, ids))
    assert inside.mean() > 0.9
    assert off[inside].max() <= step / 2 * (1 + 1e-6)


FORMS = {
    "one id": (lambda self, x: self.e(x[:, 0]), (30, 2)),
    "a sequence": (lambda self, x: self.e(x), (30, 5)),
    "a picture": (lambda self, x: self.e(x), (30, 2, 3)),
    "a function": (lambda self, x: functional.embedding(x, self.e.weight), (30, 5)),
    "stimuli last": (lambda self, x: self.e(x.t()).transpose(0, 1), (30, 5)),
    "computed ids": (lambda self, x: self.e(10 - x), (30, 5)),
}


@pytest.mark.parametrize("name", FORMS)
def test_ids_of_any_shape_are_read(name: str) -> None:
    forward, shape = FORMS[name]
    module = seeded(lambda: Calls(forward, e=nn.Embedding(ROWS, WIDTH)))
    ids = ids_of(*shape)
    made = convert(module, chip_of(8, 8, 8), ids, strict=True)
    step = float(next(iter(made.layers.values())).output_grid.step().detach())
    wanted = module(ids).detach()
    assert made(ids).shape == wanted.shape
    assert float((made(ids) - wanted).abs().max()) <= 8 * step
    assert made.sample(ids, 3, 0).shape == (30, 3, *wanted.shape[1:])


def test_codes_go_on_to_the_next_layer_and_places_stay_constants() -> None:
    module = seeded(
        lambda: Calls(
            lambda self, x: (
                self.last(self.e(x).flatten(1)) + self.places(torch.arange(3)).squeeze(1)
            ),
            e=nn.Embedding(ROWS, WIDTH),
            places=nn.Embedding(3, 1),
            last=nn.Linear(4 * WIDTH, 3),
        )
    )
    ids = ids_of(30, 4)
    made = convert(module, chip_of(8, 8, 8), ids, strict=True)
    assert list(made.layers) == ["e", "last"]
    assert made.layers["last"].input_grid is made.layers["e"].output_grid
    assert made.layers["last"].takes_codes


def network() -> nn.Module:
    """Four ids in, 24 values of the table, three outputs."""
    return seeded(
        lambda: nn.Sequential(nn.Embedding(ROWS, WIDTH), nn.Flatten(), nn.Linear(4 * WIDTH, 3))
    )


def counts_of(reads: int = 3, **parts) -> dict[str, Operations]:
    ids = ids_of(5, 4)
    return convert(network(), chip_of(4, 5, 5, **parts), ids).operations_by_layer(ids, reads)


def test_a_look_up_is_the_reading_of_rows() -> None:
    """No multiplication and no addition; ids of 11 rows have four bits."""
    draws = 5 * 3
    stored = 4 * (ROWS * WIDTH + 24 * 3)
    codes = 4 * 4 + 5 * 24 + 5 * 3
    counts = counts_of()
    assert counts["0"] == Operations(
        {
            Operation("adc", (5,)): draws * 24,
            Operation("weight_memory", (stored,)): 5 * 4 * WIDTH * 4,
            Operation("code_memory", (codes,)): draws * (4 * 4 + 5 * 24),
        }
    )
    assert counts["2"].count("multiply") == draws * 72
    read = counts_of(memory=Memory(weights_read="read"))
    assert read["0"].count("weight_memory") == draws * 4 * WIDTH * 4
    dithered = counts_of(noise=Noise(input_dither="stochastic"))
    assert dithered["0"].count("random") == 0


def test_cycles_and_multiply_adds_are_those_of_the_other_layer() -> None:
    ids = ids_of(5, 4)
    bill = convert(network(), chip_of(4, 5, 5), ids).bill(ids)
    assert bill.multiply_adds.on_chip == 72
    assert bill.cycles == {"0": 4, "2": 1}  # a row each


def test_rows_that_reads_choose_are_read_at_every_read() -> None:
    module = seeded(
        lambda: Calls(
            lambda self, x: self.e(self.a(x).argmax(-1)),
            a=nn.Linear(4, ROWS),
            e=nn.Embedding(ROWS, WIDTH),
        )
    )
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    noisy = chip_of(8, 8, 8, noise=Noise(read_sigma_lsb=3.0))
    made = convert(module, noisy, x)
    counts = made.operations_by_layer(x[:2], 7)
    assert counts["e"].count("weight_memory") == 2 * 7 * WIDTH * 8
    assert made.sample(x, 50, 0).std(1).max() > 0


def test_one_line_of_an_array_is_driven() -> None:
    """Three tiles of four lines are converted, as of any product; one line has a 1. Without noise
    the sums are those of a digital chip.
    """
    array = Array(rows=4, columns=16, cell_bits=1, cycle_bits=1, adc=Adc(bits=8, range="full"))
    ids = ids_of(30, 4)
    made = convert(table(), chip_of(4, 5, 5, array=array), ids)
    counts = made.operations_by_layer(ids[:5])["embedding"]
    assert counts.count("adc") == 5 * 4 * 3 * 4 * WIDTH
    assert counts.count("multiply") == 5 * 4 * 4 * WIDTH
    assert np.array_equal(made(ids).numpy(), rows_by_hand(made, ids).astype(np.float32))


def test_noise_of_weights_is_that_of_one_cell() -> None:
    """Its sd in steps of weights; the outputs' rounding adds a twelfth of a squared step."""
    ids = ids_of(20, 2)
    made = convert(table(), chip_of(4, 8, 8, noise=Noise(weight_sigma_lsb=0.5)), ids)
    fine = float(made.layers["embedding"].output_grid.step().detach())
    coarse = float(made.layers["embedding"].weight_grid.step().detach())
    rows = rows_by_hand(made, ids)
    inside = np.abs(rows) < 4 * coarse  # where no draw meets the grid's end
    off = (made.sample(ids, 400, 0) - rows[:, None]).swapaxes(1, 3)[inside.swapaxes(1, 2)]
    assert_mean(off**2, (0.5 * coarse) ** 2 + fine**2 / 12)


def test_files_have_the_table(tmp_path) -> None:
    ids = ids_of(30, 4)
    made = convert(network(), chip_of(4, 5, 5, noise=Noise(read_sigma_lsb=1.0)), ids)
    made.program.save(tmp_path)
    again = load_converted(tmp_path)
    assert again.layers["0"].geometry == made.layers["0"].geometry
    assert again.layers["0"].weight.shape == (ROWS, WIDTH)
    for one in (again, copy.deepcopy(made)):
        assert np.array_equal(one.sample(ids, 3, 7), made.sample(ids, 3, 7))
        assert one.bill(ids).per_read_j == made.bill(ids).per_read_j


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
def test_training_learns_the_rows_that_are_read(scales: str, tmp_path) -> None:
    """The gradient is torch's own for an embedding of the quantised table, straight through."""
    ids = ids_of(30, 4) % 7
    module = table(padding_idx=2)
    made = convert(module, chip_of(4, 5, 8), ids, weight_scales=scales)
    made.program.save(tmp_path)
    for one in (made, load_converted(tmp_path)):
        one.train()(ids).sum().backward()
        grad = one.layers["embedding"].weight.grad
        times = torch.bincount(ids.flatten(), minlength=ROWS).float()
        times[2] = 0.0  # the row of padding
        assert grad is not None
        assert grad.shape == (ROWS, WIDTH)
        inside = grad != 0  # values that are clipped have none
        wanted = times[:, None].expand(-1, WIDTH) * inside
        assert grad.numpy() == pytest.approx(wanted.numpy(), rel=1e-6, abs=0)
        assert float(inside[times > 0].float().mean()) > 0.8


def test_a_trained_table_is_read_by_the_chip(tmp_path) -> None:
    """Ids have no scale to learn: it is 1 after steps of an optimiser too, from files as well."""
    ids = ids_of(40, 4)
    made = convert(network(), chip_of(4, 5, 8), ids)
    made.program.save(tmp_path)
    for one in (made, load_converted(tmp_path)):
        before = one(ids)
        optimizer = torch.optim.Adam(one.parameters(), 0.05)
        for _ in range(3):
            optimizer.zero_grad()
            one.train()(ids).square().sum().backward()
            optimizer.step()
        assert not torch.equal(one.eval()(ids), before)
        assert float(one.layers["0"].input_grid.scale()) == 1.0
        assert torch.equal(one(ids), one.emulated(ids))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(ROWS, WIDTH), nn.Linear(WIDTH, ROWS)
        self.last.weight = self.words.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.words(ids).mean(1))
        return found


def test_a_tied_table_is_one_set_of_cells(tmp_path) -> None:
    ids = ids_of(40, 5)
    made = convert(seeded(Tied), chip_of(8, 8, 8), ids)
    made.program.save(tmp_path)
    for one in (made, load_converted(tmp_path), copy.deepcopy(made)):
        words, last = one.layers.values()
        assert words.weight is last.weight
        assert words.weight_grid is last.weight_grid
        assert [call.weights_of for call in one.program.wiring.calls] == [None, "words"]
        assert torch.equal(one(ids), made(ids))
    memory = [
        one.args for one in made.operations_by_layer(ids)["words"] if one.kind == "weight_memory"
    ]
    assert memory == [(8 * ROWS * WIDTH,)]
    made.learn_noise(0.5)
    assert [one.log_sigma.shape for one in made.layers.values()] == [(WIDTH,), (ROWS,)]
    made.train()(ids).sum().backward()


def test_a_tied_table_with_scales_of_channels_has_two_sets_of_cells(tmp_path) -> None:
    """Columns and rows have scales: codes differ. In training the parameter is one."""
    ids = ids_of(40, 5)
    made = convert(seeded(Tied), chip_of(8, 8, 8), ids, weight_scales="per-channel")
    words, last = made.layers.values()
    assert words.weight is last.weight
    assert [one.weight_grid.scale().shape for one in (words, last)] == [(WIDTH,), (ROWS,)]
    assert [call.weights_of for call in made.program.wiring.calls] == [None, None]
    made.program.save(tmp_path)
    assert torch.equal(load_converted(tmp_path)(ids), made(ids))


@pytest.mark.parametrize(("wrong", "near"), [(-1, 0), (11, 10), (300, 10)])
def test_ids_that_the_table_has_not_are_named(wrong: int, near: int) -> None:
    ids = ids_of(400, 4)
    made = convert(network(), QUIET, ids)
    rule = rf"the id {wrong}: should be a whole number from 0 to 10, .* the nearest is {near}"
    for place in (0, 399):
        other = ids.clone()
        other[place, 2] = wrong
        for call in (made, lambda x: made.sample(x, 1, 0), made.emulated):
            with pytest.raises(StochsimError, match=f"the layer '0' is given {rule}"):
                call(other)
        with pytest.raises(
            SettingError,
            match=rf"'examples': gives an embedding the id {wrong}: should be from 0 to 10, a row "
            rf"of its table '0.weight'; the nearest is {near}",
        ):
            convert(network(), QUIET, other)


def test_widths_of_inputs_are_one() -> None:
    ids = ids_of(30, 4)
    made = convert(network(), QUIET, ids, bits={"0": (3, 1, 6)})
    assert made.layers["0"].bits == (3, 1, 6)
    field = r"'bits\.0\.input_bits'"
    with pytest.raises(SettingError, match=f"{field} = 4: should be 1 for its inputs"):
        convert(network(), QUIET, ids, bits={"0": (3, 4, 6)})


def test_a_table_may_be_kept_in_float() -> None:
    ids = ids_of(30, 4)
    made = convert(network(), QUIET, ids, keep_float=["0"])
    assert list(made.layers) == ["2"]
    assert made.left_in_float[0].cost == "float32"
    with pytest.raises(StochsimError, match=r"one of Linear, .* and Embedding is needed"):
        convert(nn.ReLU(), QUIET, ids.float())


def test_a_program_says_what_a_table_needs() -> None:
    """Rows as the layer has inputs, which are zeros and a 1."""
    ids = ids_of(30, 4)
    program = convert(table(), QUIET, ids).program
    (layer,), (call,) = program.layers.values(), program.wiring.calls
    wrong = replace(
        program.wiring,
        nodes=(*program.wiring.nodes[:-1], call._replace(geometry=Geometry(lookup=5))),
    )
    with pytest.raises(SettingError, match="lookup' = 5: should be the layer's 11 inputs"):
        Program({"embedding": layer}, wrong)
    with pytest.raises(
        SettingError, match=r"embedding\.input' = .*: should be Quantizer\(1, 1.0, True\)"
    ):
        Program({"embedding": replace(layer, input=Quantizer(2, 1.0, True))}, program.wiring)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lookup", 4, r"weight_shape' = \[11, 6\]: should be \(row, neuron\) of 11 rows"),
        ("lookup", "x", "lookup' = 'x'"),
        ("padding_row", 11, "padding_row' = 11"),
        ("more", 1, "more"),
    ],
)
def test_files_of_wrong_tables_are_refused(field: str, value: object, message: str) -> None:
    made = convert(table(), QUIET, ids_of(30, 4))
    tables = call_tables(made.layers)
    layers = dict(made.program.layers)
    check_calls(tables, layers)
    tables[0]["geometry"][field] = value
    with pytest.raises(SettingError, match=message):
        check_calls(tables, layers)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lookup": -1}, "'lookup' = -1: should be an integer from 0"),
        ({"padding_row": 0}, "'padding_row' = 0: should be None without a 'lookup'"),
        ({"lookup": 3, "padding_row": 3}, "'padding_row' = 3: should be an integer from 0 to 2"),
        (
            {"lookup": 3, "kernel": (1,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)},
            "'lookup' = 3: should be 0 with a 'kernel'",
        ),
    ],
)
def test_tables_that_cannot_be_are_refused(given: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Geometry(**given)

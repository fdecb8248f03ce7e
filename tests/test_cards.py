"""Cards: what `print` shows of the main objects, line by line, and their representations."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from circuittest import PROGRAMS, small_float_circuit
from controltest import network_of
from conversiontest import QUIET, converted_small
from graphtest import SIGNED, UNSIGNED, residual
from madeanswers import Made
from shownbills import two_layers
from tinystudy import plan_of, store_answers, study_of

import stochsim as ss
from stochsim.chip import FloatChip
from stochsim.data.whitening import Whitening
from stochsim.energy import Operations
from stochsim.models import GaussianScaleMixtureModel, LinearGaussianModel, SparseCodingModel
from stochsim.posterior import Survival
from stochsim.program import Layer, float_deep, float_single, single_layer
from stochsim.settings import CARD_LINES, CARD_WIDTH, Settings


def program(sigma=(0.25, 0.5), rho: float = 0.0) -> ss.Program:
    codes = np.ones((2, 3), np.int8)
    return single_layer(
        Layer(codes, 4, 0.5, SIGNED, UNSIGNED, np.zeros(2), np.array(sigma), "relu"), rho
    )


def deep() -> ss.Program:
    return PROGRAMS["deep"](3)


def recurrent() -> ss.Program:
    return PROGRAMS["recurrent"](3)


def chip() -> ss.Chip:
    return ss.Chip(program(), ss.load_hardware("digital-45nm", bits=4), 0.5, chip_key=7)


def in_blocks():
    return ss.convert(
        torch.nn.Linear(40, 2),
        ss.load_hardware("digital-45nm", bits=4),
        torch.linspace(-1, 1, 80).reshape(2, 40),
        formats={"weights": "mxfp4", "inputs": "mxfp4"},
    )


def samples() -> ss.Samples:
    return chip().sample(np.ones((2, 3)), 5, 0)


def float_program():
    return float_single(np.array([[1.0, -2.0]]), np.zeros(1), np.full(1, 0.5))


def float_with_log_sigma():
    layer = small_float_circuit().layers["readout"]
    square = layer._replace(weight=np.eye(2))
    return float_deep((layer,), square, square)


def dataset(labels=None) -> ss.Dataset:
    whitening = Whitening(np.zeros(16), np.eye(16, 3), np.ones(3), False)
    values, sources = np.zeros((5, 3), np.float32), np.zeros(5, np.int64)
    return ss.Dataset(
        "patches", 4, values, values[:2].copy(), labels, None, ("a", "b"), sources, sources[:2],
        whitening, "made for tests"
    )  # fmt: skip


def operations() -> Operations:
    return two_layers().total_operations


def model() -> SparseCodingModel:
    return SparseCodingModel(np.ones((4, 3)), 0.5, 1.0)


def estimate() -> ss.Estimate:
    return ss.Estimate(0.9, 0.88, 0.92)


CARDS: dict[str, tuple[Callable[[], Any], str]] = {
    "program": (
        program,
        """program: feed-forward, 3 inputs -> 2 neurons
  layer    shape   weights  inputs  outputs  sigma
  readout  3 -> 2  4 bits   4 bits  4 bits   0.25 to 0.5""",
    ),
    "program whose sigma follows the stimulus": (
        deep,
        """program: log-sigma, 7 inputs -> 5 neurons
  layer      shape   weights  inputs  outputs  sigma
  hidden 1   7 -> 9  3 bits   3 bits  3 bits   none
  hidden 2   9 -> 6  3 bits   3 bits  3 bits   none
  log_sigma  6 -> 5  3 bits   3 bits  3 bits   none
  readout    6 -> 5  3 bits   3 bits  3 bits   by log_sigma""",
    ),
    "recurrent program": (
        recurrent,
        """program: recurrent, 7 inputs -> 5 neurons, 4 steps
  layer    shape   weights  inputs  outputs  sigma
  readout  7 -> 5  3 bits   3 bits  3 bits   0.3
  lateral  5 -> 5  3 bits   3 bits  3 bits   none""",
    ),
    "graph": (
        residual,
        """program: graph, stimuli of 4, 2 layers, 1 part in float
  layer   shape   weights  inputs  outputs  sigma
  first   4 -> 3  4 bits   4 bits  4 bits   none
  second  3 -> 4  4 bits   4 bits  4 bits   none""",
    ),
    "float program": (
        float_program,
        """float program: feed-forward, 2 inputs -> 1 neuron
  layer    shape   weights  sigma
  readout  2 -> 1  -2 to 1  0.5""",
    ),
    "float program with a log sigma": (
        float_with_log_sigma,
        """float program: feed-forward, 3 inputs -> 2 neurons
  layer      shape   weights  sigma
  hidden     3 -> 2  1        none
  log_sigma  2 -> 2  0 to 1   none
  readout    2 -> 2  0 to 1   by log_sigma""",
    ),
    "float circuit": (
        small_float_circuit,
        """float program: recurrent, 3 steps, 3 inputs -> 2 neurons
  layer    shape   weights   sigma
  readout  3 -> 2  1         1
  lateral  2 -> 2  0 to 0.5  none""",
    ),
    "chip": (
        chip,
        """chip: digital-45nm, chip key 7
  program  feed-forward, 3 inputs -> 2 neurons
  sigma    as trained × 0.5
  bits     4 of weights, 4 of inputs, 4 of outputs
  clock    1 GHz""",
    ),
    "float chip": (
        lambda: FloatChip(float_program(), 2.0),
        """float chip: no hardware, no quantisers
  program  feed-forward, 2 inputs -> 1 neuron
  sigma    as trained × 2""",
    ),
    "samples": (
        samples,
        """samples: 2 stimuli × 5 reads × 2 neurons
  codes   4 bits, -8 to 7
  values  1 to 2, in steps of 0.25 (units of the drive)
  energy  4.94 pJ per read""",
    ),
    "samples that were not counted": (
        lambda: ss.Samples(np.array([[[-8], [7]]], np.int8), Operations(), SIGNED),
        """samples: 1 stimulus × 2 reads × 1 neuron
  codes   4 bits, -8 to 7
  values  -2 to 1.75, in steps of 0.25 (units of the drive)
  energy  not counted""",
    ),
    "samples without a price": (
        lambda: ss.Chip(program(rho=0.5), QUIET).sample(np.ones((1, 3)), 1, 0),
        """samples: 1 stimulus × 1 read × 2 neurons
  codes   4 bits, -8 to 7
  values  1 to 1.5, in steps of 0.25 (units of the drive)
  energy  not priced: 'rho' = 0.5: has no default price: set reliability.e0_j (joules at """
        "σ = s), or…",
    ),
    "samples of pictures": (
        lambda: ss.Samples(None, Operations(), None, np.arange(24.0).reshape(1, 2, 3, 4)),
        """samples: 1 stimulus × 2 reads × 3 × 4 outputs
  codes   none: values are not quantised
  values  0 to 23
  energy  not counted""",
    ),
    "hardware": (
        lambda: ss.load_hardware("digital-45nm"),
        """hardware: digital-45nm
  about  Digital, 45 nm, 0.9 V: SRAM for weights and codes, noise from shift registers.
  bits   4 of weights, 4 of inputs, 4 of outputs
  clock  1 GHz""",
    ),
    "hardware with settings": (
        lambda: ss.load_hardware("digital-45nm", bits=2).replace(
            description="", noise={"read_sigma": 0.1, "dither": "stochastic"}, accumulator_bits=8
        ),
        """hardware: digital-45nm
  bits   2 of weights, 2 of inputs, 2 of outputs
  clock  1 GHz
  chip   accumulator_bits 8
  noise  read_sigma 0.1, dither stochastic""",
    ),
    "data": (
        dataset,
        """data: patches, 5 training and 2 held-out stimuli of 3 numbers
  pictures  4 × 4 pixels of 2 source images
  values    whitened: mean 0, variance 1, clipped at ±6
  labels    none
  credit    made for tests""",
    ),
    "labelled data": (
        lambda: dataset(np.array([1, 3, 3, 1, 0])),
        """data: patches, 5 training and 2 held-out stimuli of 3 numbers
  pictures  4 × 4 pixels of 2 source images
  values    whitened: mean 0, variance 1, clipped at ±6
  labels    3 classes
  credit    made for tests""",
    ),
    "operations": (
        operations,
        """operations: 8 kinds of operation
  operation                  count
  multiply (4, 8)            12,007
  add (16)                   12,000
  weight_memory (1,048,576)  3,000
  code_memory (800)          4,800
  random                     96
  … 3 more""",
    ),
    "converted module": (
        lambda: converted_small(QUIET)[0],
        """chip module: 4 layers on digital-45nm, 2 parts in float, chip key 0
  layer  shape          weights  inputs  outputs  activation
  0      3 × 1 × 3 × 3  4 bits   4 bits  4 bits   relu
  3      4 × 3 × 2 × 2  4 bits   4 bits  4 bits   tanh
  6      5 × 16         4 bits   4 bits  4 bits   sigmoid
  8      3 × 5          4 bits   4 bits  4 bits   identity""",
    ),
    "converted module in blocks": (
        in_blocks,
        """chip module: 1 layer on digital-45nm, 0 parts in float, chip key 0
  layer   shape   weights  inputs  outputs  activation
  linear  2 × 40  mxfp4    mxfp4   4 bits   identity""",
    ),
    "program in blocks": (
        lambda: in_blocks().program,
        """program: graph, stimuli of 40, 1 layer, 0 parts in float
  layer   shape    weights  inputs  outputs  sigma
  linear  40 -> 2  mxfp4    mxfp4   4 bits   none""",
    ),
    "model": (
        model,
        """model: sparse coding, 4 inputs, 3 neurons
  law            x ~ N(A r, s_x² I), p(r) ∝ exp(−Σ|r_i|/b); φ(r) = |r|/b
  noise_sd       0.5
  laplace_scale  1""",
    ),
    "model of contrasts": (
        lambda: GaussianScaleMixtureModel(np.ones((4, 3)), 0.5, 2.5, 1.5),
        """model: gaussian scale mixture, 4 inputs, 3 neurons
  law             x ~ N(z A r, s_x² I), r ~ N(0, I), z ~ Gamma(contrast_shape, contrast_rate) (Eche…
  noise_sd        0.5
  contrast_shape  2.5
  contrast_rate   1.5""",
    ),
    "study": (
        study_of,
        """study: linear gaussian on patches, chip digital-45nm
  model    linear gaussian, 8 neurons
  data     patches, 4 × 4 pixels, 8 components
  grid     architecture single; method quantisation-aware; bits 2, 4; rho 0; noise 0, 1; keys 0
  train    30 steps of 32 stimuli
  measure  8 stimuli × 100 reads""",
    ),
    "plan": (
        lambda: plan_of(grid__float=True, grid__keys=[0, 1]),
        """plan: 24 tasks for 12 cells
  tasks    2 decoder, 2 reference, 2 float, 4 network
  samples  2 prior, 4 float, 8 chip
  cells    8 on the chip, 4 in float or of controls
  keys     0, 1""",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CARDS)
def test_the_lines_of_a_card(name):
    make, expected = CARDS[name]
    assert str(make()) == expected
    assert f"{make()}" == expected


def test_the_card_of_results_says_what_is_done(tmp_path):
    folder = store_answers(
        tmp_path / "run",
        study_of(),
        Made(),
        skip=lambda task: task.label.endswith("noise x0"),
    )
    with ss.open_run(folder) as results:
        assert (
            str(results)
            == f"""results: {folder}
  study    linear gaussian on patches, chip digital-45nm
  tasks    9 of 11 done
  cells    2 of 4 finished
  measure  8 stimuli × 100 reads of each"""
        )


def sampling_quality() -> ss.SamplingQuality:
    survival = Survival(estimate(), "", *[estimate()] * 4)
    return ss.SamplingQuality(estimate(), survival, *[estimate()] * 3, {}, (8, 100, 64))


INSTANCES: dict[str, Callable[[], Any]] = {
    "Chip": chip,
    "Samples": samples,
    "Dataset": dataset,
    "Hardware": lambda: QUIET,
    "Program": recurrent,
    "Study": study_of,
    "Reference": lambda: LinearGaussianModel(np.eye(2), 0.5).reference(np.ones((3, 2)), 0),
    "TrainedNetwork": lambda: network_of("single"),
    "SamplingQuality": sampling_quality,
}
PAGES: dict[str, Callable[[], Any]] = {"Bill": two_layers}
"""What prints as more than a card."""

NUMBERS: dict[str, Callable[[], Any]] = {"Estimate": estimate}
"""What prints on one line, as a number does."""

CLASSES = {name: thing for name in ss.__all__ if inspect.isclass(thing := getattr(ss, name))}


def test_every_class_at_the_top_has_a_card_or_is_a_setting_a_number_or_an_error():
    known = {*INSTANCES, *PAGES, *NUMBERS}
    others = {name for name in CLASSES if not issubclass(CLASSES[name], Settings | Exception)}
    assert others - known == set()
    assert known <= CLASSES.keys()


@pytest.mark.parametrize("name", INSTANCES)
def test_what_is_exported_at_the_top_prints_a_card(name):
    found = INSTANCES[name]()
    assert type(found) is CLASSES[name]
    lines = str(found).splitlines()
    assert 3 <= len(lines) <= CARD_LINES
    assert max(map(len, lines)) <= CARD_WIDTH
    assert all("array(" not in line and " at 0x" not in line for line in lines)


@pytest.mark.parametrize("name", PAGES)
def test_what_prints_as_a_page_shows_no_arrays(name):
    found = PAGES[name]()
    assert type(found) is CLASSES[name]
    assert len(str(found).splitlines()) > 3
    assert all("array(" not in line and " at 0x" not in line for line in str(found).splitlines())


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_a_number_prints_on_one_line(name):
    found = NUMBERS[name]()
    assert type(found) is CLASSES[name]
    assert str(found) == "0.90 [0.88, 0.92]"


HOLD_ARRAYS = {
    "program": (
        lambda: program(),
        "Program(layers={'readout': Layer(weight_codes=<2 × 3 int8>, weight_bits=4, weight_scal…}, "
        "wiring=FeedForward(), rho=0.0)",
    ),
    "layer": (
        lambda: program().readout,
        "Layer(weight_codes=<2 × 3 int8>, weight_bits=4, weight_scale=0.5, input=Quantizer(bits=4, "
        "scale=0.25, unsigned=False), output=Quantizer(bits=4, scale=0.25, unsigned=True), "
        "bias=<2 float64>, sigma=<2 float64>, activation='relu', own_width=False, "
        "zero_points=None, block_size=None, weight_book=None, block_scales='fp16')",
    ),
    "recurrent wiring": (
        lambda: recurrent().wiring,
        "Recurrent(table=<8 × 5 float64>, steps=4, radius=0.9)",
    ),
    "wiring with a log sigma": (lambda: deep().wiring, "LogSigmaHead(base=<5 float64>)"),
    "float program": (
        float_program,
        "FloatProgram(layers={'readout': FloatLayer(weight=<1 × 2 float64>, bias=<1 float64>)}, "
        "wiring=FloatFeedForward(sigma=<1 float64>), rho=0.0)",
    ),
    "float circuit": (
        lambda: small_float_circuit().wiring,
        "FloatRecurrent(time_step=0.25, shrink=<2 float64>, width=<2 float64>, sigma=<2 float64>, "
        "steps=3)",
    ),
    "samples": (
        lambda: ss.Samples(np.zeros((1, 2, 3), np.int8), Operations(), SIGNED),
        "Samples(codes=<1 × 2 × 3 int8>, operations={}, quantizer=Quantizer(bits=4, scale=0.25, "
        "unsigned=False), independent=True, period=None)",
    ),
    "data": (
        dataset,
        "Dataset(name='patches', size=4, train=<5 × 3 float32>, held_out=<2 × 3 float32>, "
        "train_labels=None, held_out_labels=None, source_images=('a', 'b'), "
        "train_source=<5 int64>, held_out_source=<2 int64>, whitening=Whitening(mean=<16 float64>, "
        "basis=<16 × 3 float64>, sd=<3 …, credit='made for tests')",
    ),
}


@pytest.mark.parametrize("name", HOLD_ARRAYS)
def test_a_representation_is_one_line_without_the_contents_of_arrays(name):
    make, expected = HOLD_ARRAYS[name]
    assert repr(make()) == expected


def test_the_representation_of_a_graph_is_one_line_too():
    found = repr(residual().wiring)
    assert found.startswith("Graph(nodes=(LayerCall(name='a', reads='x', layer='first', ")
    assert found.endswith("stimulus='x', result='sum', shape=(4,), dtype='float32', stored=None)")
    assert "array" not in found
    assert "\n" not in found


def test_the_representation_of_a_converted_module_is_that_of_torch():
    module = converted_small(QUIET)[0]
    assert repr(module).splitlines()[0] == "ChipModule("
    assert "(network): Network(" in repr(module)

"""Public doors that take an integer or a real number, each as a function of that number; and what
an answer is in plain values, so that two answers can be compared to the last bit.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from arraytest import array_of
from circuittest import PROGRAMS, hardware_of, small_float_circuit, some_stimuli
from conversiontest import chip_of
from graphtest import SIGNED, UNSIGNED, X, residual
from tinystudy import study_of

import stochsim as ss
from stochsim.accounting import Bill, Meter, layer_cycles
from stochsim.chip import FloatChip, bill_of_inputs
from stochsim.data import evaluation_stimuli
from stochsim.energy import (
    Energy,
    Operation,
    Operations,
    ReliabilityLaw,
    format_energy,
    price,
    reliability_law,
)
from stochsim.hardware import (
    Adc,
    Array,
    Noise,
    RandomSource,
    Reliability,
    Tiling,
    Timing,
    bit_error_rate,
    device,
    nodal_conductance,
    nodal_shares,
    relative_drop,
)
from stochsim.keys import fold_in, generator
from stochsim.networks import ArchitectureSettings, NetworkSettings
from stochsim.posterior import (
    PosteriorDistance,
    Survival,
    blind_draws,
    cliff,
    effective_samples,
    expected_gaussian_kl,
    mean_estimate,
    thin_to_ess,
    unit_directions,
)
from stochsim.program import (
    FloatCall,
    Geometry,
    Layer,
    Quantizer,
    feed_forward_workload,
    float_single,
    log_sigma_workload,
    random_program,
    recurrent_workload,
    single_layer,
)
from stochsim.search.search_settings import SearchSettings
from stochsim.settings import Settings
from stochsim.studies.plan import plan_study
from stochsim.training import TrainSettings

DIGITAL = ss.load_hardware("digital-45nm")
STIMULI = some_stimuli()


class Door(NamedTuple):
    """A call as a function of one of its numbers; value: a valid one.

    refuses: whether truth values, text and arrays are a SettingError there; whole: whether numbers
    that are not whole are one too.
    """

    call: Callable[[Any], Any]
    value: int | float
    refuses: bool = True
    whole: bool = True


def answer_of(found: Any) -> Any:
    """An answer in lists of text, equal for equal answers alone; a number of NumPy in it is told
    from Python's.
    """
    if isinstance(found, torch.Tensor):
        return answer_of(found.detach().cpu().numpy())
    if isinstance(found, np.ndarray) and found.ndim:
        return [str(found.dtype), str(found.shape), found.tobytes().hex()]
    if isinstance(found, Settings):
        return [repr(found), str(found.to_table())]
    if isinstance(found, Mapping):
        return [[answer_of(name), answer_of(value)] for name, value in found.items()]
    if dataclasses.is_dataclass(found):
        fields = [getattr(found, one.name) for one in dataclasses.fields(found)]
        return [type(found).__name__, *map(answer_of, fields)]
    if isinstance(found, tuple | list):
        return [type(found).__name__, *map(answer_of, found)]
    return repr(found)


def _codes(found: ss.Samples) -> Any:
    """Codes or values of samples, and the operations that were counted."""
    arrays = found.values if found.codes is None else found.codes
    return arrays, dict(found.operations), found.counted


@cache
def _chip(kind: str) -> ss.Chip:
    if kind == "graph":
        return ss.Chip(residual(), ss.load_hardware("digital-45nm", bits=4))
    if kind == "array":
        program = dataclasses.replace(PROGRAMS["single"](3), rho=1.0)
        return ss.Chip(program, hardware_of(program, array=array_of(Adc(bits=6), rows=4)))
    if kind == "register":
        program = dataclasses.replace(PROGRAMS["recurrent"](3), rho=1.0)
        source = RandomSource(lfsr_bits=31)
        return ss.Chip(program, hardware_of(program, random=source))
    program = dataclasses.replace(PROGRAMS[kind](3), rho=1.0)
    return ss.Chip(program, hardware_of(program))


def _stimuli(kind: str) -> np.ndarray:
    return X if kind == "graph" else STIMULI


def _chip_doors() -> dict[str, Door]:
    doors = {}
    for kind in ("single", "deep", "recurrent", "graph", "array"):
        x = _stimuli(kind)

        def bill(reads: Any, kind: str = kind, x: Any = x) -> Any:
            found = _chip(kind).bill(x, reads)
            return found, str(found), found.to_json()

        doors |= {
            f"{kind}: sample(reads)": Door(
                lambda n, kind=kind, x=x: _codes(_chip(kind).sample(x, n, 0)), 100
            ),
            f"{kind}: bill(reads)": Door(bill, 100),
            f"{kind}: operations(reads)": Door(
                lambda n, kind=kind, x=x: dict(_chip(kind).operations(x, n)), 100
            ),
            f"{kind}: workload(reads)": Door(
                lambda n, kind=kind, x=x: _chip(kind).workload(n, x=x), 100
            ),
        }
    return doors


def _program() -> ss.Program:
    return dataclasses.replace(PROGRAMS["single"](3), rho=1.0)


def _noisy_array(chip_key: Any) -> Any:
    array = array_of(Adc(bits=6, offset_sigma_lsb=1.0), rows=4)
    chip = ss.Chip(_program(), hardware_of(_program(), array=array), chip_key=chip_key)
    return chip.chip_key, chip.sample(STIMULI, 3, 0).codes


def _layer(**changes: Any) -> Layer:
    given = {
        "weight_codes": np.ones((2, 3), np.int8),
        "weight_bits": 4,
        "weight_scale": 0.5,
        "input": SIGNED,
        "output": UNSIGNED,
        "bias": np.zeros(2),
        "sigma": np.zeros(2),
        **changes,
    }
    return Layer(**given)


def _float_program(rho: Any) -> Any:
    return float_single(np.eye(2), np.ones(2), np.ones(2), rho)


def _geometry(n: Any) -> Geometry:
    return Geometry((n, 2), (n, 1), ((n, n), (0, n)), (1, n), n)


def _graph(macs: Any) -> Any:
    wiring = residual().wiring
    calls = (*wiring.nodes[:2], FloatCall("sum", ("b", "x"), sum, "sum", macs=macs))
    return dataclasses.replace(wiring, nodes=calls).nodes


def _of_given_inputs(reads: Any) -> Any:
    program, integers = random_program((5, 4, 3), (4, 4, 4), 0.3, stimuli=3)
    return bill_of_inputs(program, DIGITAL, integers, reads).to_json()


def _random(n: Any) -> Any:
    return random_program((n, 3), (4, 4, 4), 0.3, key=n, stimuli=n)


def _metered(n: Any) -> Any:
    meter = Meter(n, n)
    for per in (0, 1, 2):
        meter.add("a", "multiply", n, n, n, per=type(next(iter(meter._times)))(per))
    return dict(meter.total)


def _bill(n: Any) -> Any:
    counts = {
        "a": Operations({Operation("multiply", (4, 4)): 1e6, Operation("reliability", (0.5,)): 3})
    }
    found = Bill(DIGITAL, counts, {"a": n}, n, n, n - n)
    return found, found.to_json(), str(found)


@cache
def _converted() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3)).eval(), torch.randn(16, 4)


def _conversion(**options: Any) -> Any:
    module, x = _converted()
    chip = chip_of(noise=Noise(read_sigma_lsb=0.4))
    return ss.convert(module, chip, x, **options)


@cache
def _made() -> Any:
    """The conversion that doors which change nothing of it share."""
    return _conversion()


def _in_training(key: Any) -> Any:
    module = _conversion(key=3).train()
    return module(_converted()[1], key=key)


def _planned(**changes: Any) -> Any:
    study = study_of(**changes)
    plan = plan_study(study, DIGITAL)
    return study, sorted(plan.tasks), [answer_of(cell.values) for cell in plan.cells]


@cache
def _reference() -> ss.Reference:
    model = ss.build_model(ss.LinearGaussian(neurons=2, noise_sd=0.5), np.eye(2))
    return model.reference(np.array([[1.0, 0.0], [0.0, 1.0]]), 0)


def _distance(**numbers: Any) -> Any:
    found = _reference()
    sets = (found.subset(0, 100), found.subset(1, 100))
    to_posterior = PosteriorDistance(sets, found.mean, found.sd, **numbers)
    return to_posterior.distance(found.subset(2, 100))


def _survived() -> Survival:
    found = ss.Estimate(0.95, 0.93, 0.97)
    return Survival(found, "", *[found] * 4)


@cache
def _slow() -> np.ndarray:
    """Reads (stimulus, read, neuron) of which each comes twice."""
    return np.repeat(generator(0, "slow").normal(size=(2, 400, 2)), 2, axis=1)


@cache
def _started() -> ss.TrainedNetwork:
    return _network()


def _network(**options: Any) -> ss.TrainedNetwork:
    given = {"steps": 3, "key": 0, **options}
    model = ss.LinearGaussian(neurons=3, noise_sd=0.5)
    return ss.train(model, generator(0, "stimuli").normal(size=(64, 4)), **given)


def _state(network: ss.TrainedNetwork) -> Any:
    return list(network.network.state_dict().values()), network.decoder, network.rho


def _trained(**options: Any) -> Any:
    return _state(_network(**options))


def _built() -> Any:
    return ss.build_model(ss.SparseCoding(neurons=2, noise_sd=0.5, laplace_scale=1.0), np.eye(2))


CHIPS: dict[str, Door] = _chip_doors() | {
    "sample(key)": Door(lambda n: _codes(_chip("single").sample(STIMULI, 3, n)), 100),
    "sample(first_stimulus)": Door(
        lambda n: _codes(_chip("single").sample(STIMULI, 3, 0, first_stimulus=n)), 100
    ),
    "sample(first_read)": Door(
        lambda n: _codes(_chip("single").sample(STIMULI, 3, 0, first_read=n)), 100
    ),
    "sample(steps_between_reads)": Door(
        lambda n: _codes(_chip("recurrent").sample(STIMULI, 3, 0, steps_between_reads=n)), 100
    ),
    "bill(steps_between_reads)": Door(
        lambda n: _chip("recurrent").bill(STIMULI, 3, steps_between_reads=n).to_json(), 100
    ),
    "operations(steps_between_reads)": Door(
        lambda n: dict(_chip("recurrent").operations(STIMULI, 3, steps_between_reads=n)), 100
    ),
    "workload(steps_between_reads)": Door(
        lambda n: _chip("recurrent").workload(3, steps_between_reads=n), 100
    ),
    "register_period(steps_between_reads)": Door(
        lambda n: _chip("register").register_period(n), 100
    ),
    "Chip(chip_key)": Door(_noisy_array, 100),
    "FloatChip.sample(reads)": Door(
        lambda n: FloatChip(small_float_circuit()).sample(np.ones((2, 3)), n, 0).values, 100
    ),
    "FloatChip.sample(key)": Door(
        lambda n: FloatChip(small_float_circuit()).sample(np.ones((2, 3)), 3, n).values, 100
    ),
    "FloatChip.sample(first_stimulus)": Door(
        lambda n: FloatChip(small_float_circuit()).sample(np.ones((2, 3)), 3, 0, n).values, 100
    ),
    "FloatChip.sample(first_read)": Door(
        lambda n: FloatChip(small_float_circuit()).sample(np.ones((2, 3)), 3, 0, 0, n).values, 100
    ),
    "bill_of_inputs(reads)": Door(_of_given_inputs, 100),
}

PROGRAMS_AND_COUNTS: dict[str, Door] = {
    "Quantizer(bits)": Door(lambda n: (Quantizer(n, 0.5), Quantizer(n, 0.5).levels), 8),
    "Layer(weight_bits)": Door(lambda n: (_layer(weight_bits=n), _layer(weight_bits=n).shape), 8),
    "Geometry": Door(_geometry, 2, False),
    "Graph(shape)": Door(lambda n: dataclasses.replace(residual().wiring, shape=(n, n)).shape, 100),
    "Recurrent(steps)": Door(
        lambda n: dataclasses.replace(PROGRAMS["recurrent"](3).wiring, steps=n), 100
    ),
    "FloatRecurrent(steps)": Door(lambda n: small_float_circuit(steps=n).wiring, 100),
    "random_program": Door(_random, 100, False),
    "random_program(widths)": Door(lambda n: random_program((3, 3), (n, n, n), 0.3), 8),
    "feed_forward_workload(reads)": Door(
        lambda n: feed_forward_workload(
            list(_chip("single").workload().uses), Noise(input_dither="stochastic"), n
        ),
        100,
    ),
    "log_sigma_workload(reads)": Door(
        lambda n: log_sigma_workload(PROGRAMS["deep"](3).shapes, Noise(), n), 100
    ),
    "recurrent_workload": Door(
        lambda n: recurrent_workload(n, PROGRAMS["recurrent"](3).shapes, Noise(), n, n), 100
    ),
    "Operation(args)": Door(lambda n: Operation("multiply", (n, n)), 100, whole=False),
    "Operations(counts)": Door(
        lambda n: dict(Operations({Operation("cell"): n})), 100, whole=False
    ),
    "operations * number": Door(
        lambda n: dict(Operations({Operation("cell"): 3}) * n), 100, whole=False
    ),
    "number * operations": Door(lambda n: dict(n * Operations({Operation("cell"): 3})), 100, False),
    "Energy(joules)": Door(lambda n: Energy({"add": n}), 100, whole=False),
    "energy / number": Door(lambda n: Energy({"add": 1.0}) / n, 100, whole=False),
    "format_energy(digits)": Door(lambda n: format_energy(1.23456789e-9, n), 5),
    "price.energy_j(args)": Door(
        lambda n: price("adc-zigzag-28nm").energy_j((n,)), 100, whole=False
    ),
    "price.flags(args)": Door(lambda n: price("adc-zigzag-28nm").flags((n,)), 100, False),
    "price.with_parameters": Door(
        lambda n: price("adc-accelergy").with_parameters(frequency_hz=n).energy_j((8,)),
        100,
        whole=False,
    ),
    "Meter": Door(_metered, 100),
    "Bill": Door(_bill, 100, False),
    "Bill(reads)": Door(lambda n: Bill(DIGITAL, {}, {}, 1, n), 100),
    "Bill(stimuli)": Door(lambda n: Bill(DIGITAL, {}, {}, n), 100),
    "fold_in(key)": Door(lambda n: fold_in(n, "a"), 100, False),
    "fold_in(name)": Door(lambda n: fold_in(0, "a", n), 100, False),
    "generator": Door(lambda n: generator(n, n).integers(0, 2**63, 3), 100, False),
}

SETTINGS: dict[str, Door] = {
    "load_hardware(bits)": Door(lambda n: ss.load_hardware("digital-45nm", bits=n), 4),
    "with_precision": Door(lambda n: DIGITAL.with_precision(n, n, n), 4),
    "with_": Door(lambda n: DIGITAL.with_({"timing.multipliers": n}), 100),
    "with_(a section)": Door(
        lambda n: ss.load_hardware("rram-array").with_({"array.adc.bits": n, "array.rows": n}), 6
    ),
    "replace": Door(lambda n: DIGITAL.replace(accumulator_bits=n, timing={"multipliers": n}), 8),
    "Precision": Door(lambda n: ss.Precision(weight_bits=n, input_bits=n, output_bits=n), 4),
    "Timing": Door(lambda n: Timing(multipliers=n, clock_hz=n), 100),
    "Adc": Door(lambda n: Adc(bits=n, cycles=n), 8),
    "Array": Door(lambda n: Array(rows=n, columns=n, adc={"bits": 8, "cycles": n}), 100),
    "Array.slices and cycles": Door(
        lambda n: (Array().slices(n), Array().cycles(n), Array().magnitude_bits(n)), 8
    ),
    "Array.tiling": Door(lambda n: Array().tiling(n, 5, 4), 100),
    "Tiling": Door(lambda n: Tiling(n, 5, 10, 10), 100),
    "Array.tiles": Door(lambda n: Array().tiles(n), 100),
    "Array.check_widths": Door(lambda n: Array().check_widths(n, n), 8),
    "RandomSource": Door(lambda n: RandomSource(random_bits_per_code=n, neurons_per_source=n), 100),
    "accumulator_width": Door(lambda n: DIGITAL.accumulator_width(n), 100),
    "layer_cycles": Door(
        lambda n: layer_cycles(_layer().shape, DIGITAL.with_({"timing.multipliers": n})), 2
    ),
    "price parameters": Door(
        lambda n: ss.load_hardware("rram-array").with_price("adc", "adc-accelergy", frequency_hz=n),
        100,
        whole=False,
    ),
    "SparseCoding": Door(lambda n: ss.SparseCoding(neurons=n, noise_sd=n, laplace_scale=n), 100),
    "TrainSettings": Door(lambda n: TrainSettings(steps=n, batch=n), 100),
    "NetworkSettings": Door(lambda n: NetworkSettings(inputs=n, neurons=n), 100),
    "ArchitectureSettings": Door(lambda n: ArchitectureSettings(kind="recurrent", steps=n), 100),
    "Study(bits)": Door(lambda n: _planned(grid__bits=[2, n]), 4),
    "Study(keys)": Door(lambda n: _planned(grid__keys=[0, n]), 100),
    "Study(rho)": Door(lambda n: _planned(grid__rho=[n]), 1, whole=False),
    "Study(measure)": Door(lambda n: _planned(measure__reads=n, measure__directions=n), 100),
    "Study(model)": Door(lambda n: _planned(model__neurons=n), 8),
    "Study(layer_bits)": Door(
        lambda n: _planned(
            grid__architecture=["recurrent"], network__layer_bits={"lateral": n}, grid__bits=[2, 4]
        ),
        4,
    ),
    "SearchSettings": Door(
        lambda n: SearchSettings(
            architecture="deep", bits=[2, n], layer_bits={"hidden": [3, n]}, reads=[n]
        ),
        4,
    ),
}

DATA_AND_NETWORKS: dict[str, Door] = {
    "load_dataset(size, components)": Door(
        lambda n: dataclasses.replace(ss.load_dataset("digits", n, n, 0), name="digits"), 8
    ),
    "load_dataset(key)": Door(lambda n: ss.load_dataset("digits", 8, 4, n), 100),
    "evaluation_stimuli(count)": Door(
        lambda n: evaluation_stimuli(ss.load_dataset("digits", 8, 4, 0), n, 0), 100
    ),
    "evaluation_stimuli(key)": Door(
        lambda n: evaluation_stimuli(ss.load_dataset("digits", 8, 4, 0), 8, n), 100, False
    ),
    "convert(key)": Door(lambda n: _conversion(key=n).sample(_converted()[1], 2, 0), 100),
    "convert(chip_key)": Door(lambda n: _conversion(chip_key=n).chip_key, 100),
    "convert(bits)": Door(lambda n: _conversion(bits={"0": (n, n, n)}).layers["0"].bits, 4),
    "converted.sample(reads)": Door(lambda n: _made().sample(_converted()[1], n, 0), 100),
    "converted.sample(key)": Door(lambda n: _made().sample(_converted()[1], 3, n), 100),
    "converted.bill(reads)": Door(lambda n: _made().bill(_converted()[1], n).to_json(), 100),
    "converted(key)": Door(lambda n: _made()(_converted()[1], key=n), 100),
    "converted(first_stimulus)": Door(lambda n: _made()(_converted()[1], first_stimulus=n), 100),
    "converted(key), in training": Door(_in_training, 100),
    "Reference.subset(which)": Door(lambda n: _reference().subset(n, 100), 7),
    "Reference.subset(n)": Door(lambda n: _reference().subset(1, n), 100),
    "Reference.compare(key, directions)": Door(
        lambda n: _reference().compare(_reference().subset(2, 100), key=n, directions=n), 100
    ),
    "model.reference(key)": Door(lambda n: _built().reference(np.ones((1, 2)), n), 100),
    "model.reference(first_stimulus)": Door(
        lambda n: _built().reference(np.ones((1, 2)), 0, first_stimulus=n), 100
    ),
    "model.sample(count)": Door(lambda n: _built().sample(n, 0), 100, False),
    "model.sample(key)": Door(lambda n: _built().sample(3, n), 100, False),
    "PosteriorDistance(directions)": Door(lambda n: _distance(directions=n), 127),
    "PosteriorDistance(key)": Door(lambda n: _distance(key=n), 100, False),
    "unit_directions": Door(lambda n: unit_directions(n, 3, n), 100, False),
    "blind_draws": Door(lambda n: blind_draws(_reference().draws, n, n), 100, False),
    "cliff": Door(lambda n: cliff([n, 2], [_survived(), _survived()]), 8),
    "thin_to_ess(reads)": Door(lambda n: thin_to_ess(_slow(), n)[1], 100),
    "effective_samples(period)": Door(lambda n: effective_samples(_slow(), False, n), 100),
    "expected_gaussian_kl": Door(lambda n: expected_gaussian_kl(n, 200), 60),
    "expected_gaussian_kl(reads)": Door(lambda n: expected_gaussian_kl(3, n, n), 100),
    "train(key)": Door(lambda n: _trained(key=n), 100),
    "train(steps)": Door(lambda n: _trained(steps=n), 3),
    "train(rho)": Door(lambda n: (_trained(rho=n), _network(rho=n).rho), 1, whole=False),
    "network.quantise(bits)": Door(lambda n: _state(_started().quantise(n, 0)), 4),
    "network.quantise(key)": Door(lambda n: _state(_started().quantise(4, n)), 100),
    "network.sample(reads)": Door(lambda n: _started().sample(np.ones((2, 4)), n, 0).values, 100),
    "network.sample(key)": Door(lambda n: _started().sample(np.ones((2, 4)), 3, n).values, 100),
    "mean_estimate(key)": Door(lambda n: mean_estimate(np.arange(5.0), n), 100, False),
}

INTEGERS = CHIPS | PROGRAMS_AND_COUNTS | SETTINGS | DATA_AND_NETWORKS

REALS: dict[str, Door] = {
    "FloatCall(macs)": Door(lambda n: _graph(n)[-1].macs, 0.5),
    "Chip(sigma_scale)": Door(
        lambda v: _codes(ss.Chip(_program(), hardware_of(_program()), v).sample(STIMULI, 3, 0)),
        0.5,
    ),
    "FloatChip(sigma_scale)": Door(
        lambda v: FloatChip(small_float_circuit(), v).sample(np.ones((2, 3)), 3, 0).values, 0.5
    ),
    "bill(rho)": Door(lambda v: _chip("single").bill(STIMULI, 3, v).to_json(), 1.0),
    "Bill(rho)": Door(lambda v: Bill(DIGITAL, {}, {}, rho=v), 0.5),
    "Quantizer(scale)": Door(lambda v: Quantizer(4, v), 0.5),
    "Layer(weight_scale)": Door(lambda v: _layer(weight_scale=v).weight_scale, 0.5),
    "Program(rho)": Door(lambda v: single_layer(_layer(), v).rho, 0.5),
    "FloatProgram(rho)": Door(
        lambda v: float_single(np.eye(2), np.ones(2), np.ones(2), v).rho, 0.5
    ),
    "Recurrent(radius)": Door(
        lambda v: dataclasses.replace(PROGRAMS["recurrent"](3).wiring, radius=v).radius, 0.5
    ),
    "FloatRecurrent(time_step)": Door(
        lambda v: small_float_circuit(time_step=v).wiring.time_step, 0.5
    ),
    "Operation(args)": Door(lambda v: Operation("reliability", (v,)), 0.5),
    "Operations(counts)": Door(lambda v: dict(Operations({Operation("cell"): v})), 0.5),
    "operations * number": Door(lambda v: dict(Operations({Operation("cell"): 0.1}) * v), 0.5),
    "Energy(joules)": Door(lambda v: Energy({"add": v}), 0.5),
    "energy / number": Door(lambda v: Energy({"add": 0.1}) / v, 0.5),
    "format_energy": Door(lambda v: format_energy(v), 0.5),
    "price.energy_j(voltage_v)": Door(lambda v: price("adc-zigzag-28nm").energy_j((8,), v), 0.5),
    "price.times": Door(lambda v: price("adc-zigzag-28nm").times(v, "half").energy_j((8,)), 0.5),
    "reliability_law": Door(lambda v: reliability_law(v, 0.9, v, v), 0.5),
    "ReliabilityLaw": Door(
        lambda v: (ReliabilityLaw(v, v), ReliabilityLaw(1, 0.1).energy_j(v)), 0.5
    ),
    "Reliability.operation": Door(lambda v: Reliability(s=0.3).operation(v), 0.5),
    "Reliability": Door(lambda v: Reliability(s=v, e0_j=v), 0.5),
    "Noise": Door(lambda v: Noise(read_sigma=v), 0.5),
    "Noise.read_sigma_drive": Door(lambda v: Noise(read_sigma_lsb=0.1).read_sigma_drive(v), 0.5),
    "Noise.weight_sigma_value": Door(
        lambda v: Noise(weight_sigma_lsb=0.1).weight_sigma_value(v), 0.5
    ),
    "with_": Door(lambda v: DIGITAL.with_({"noise.read_sigma": v}), 0.5),
    "Adc(inl_lsb)": Door(lambda v: Adc(bits=2, inl_lsb=[0.0, v, 0.0]), 0.5),
    "bit_error_rate": Door(lambda v: bit_error_rate(0.9, v), 0.5),
    "bit_error_rate(voltage)": Door(lambda v: bit_error_rate(v), 0.5),
    "nodal_conductance": Door(lambda v: nodal_conductance(np.full((2, 2), 1e-3), v), 0.5),
    "nodal_shares": Door(lambda v: nodal_shares(np.full((2, 2), 1e-3), v)[0], 0.5),
    "relative_drop": Door(lambda v: relative_drop(np.full((2, 2), 1e-3), v), 0.5),
    "device.age": Door(lambda v: device("pcm-nandakumar").age(v), 4096.0),
    "SparseCoding": Door(lambda v: ss.SparseCoding(neurons=3, noise_sd=v, laplace_scale=v), 0.5),
    "Study(noise)": Door(lambda v: _planned(grid__noise=[0, v]), 0.5),
    "Meter.add": Door(lambda v: _added(v), 0.5),
}


def _added(count: Any) -> Any:
    meter = Meter(3, 5)
    meter.add("a", "cell", count)
    return dict(meter.total)

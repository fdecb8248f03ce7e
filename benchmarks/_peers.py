"""Other simulators of analog arrays, where the user has them installed: the same noisy product, in
their own words.

They are asked for 8-bit inputs and outputs with noise on the outputs (aihwkit) and on the weights
(CrossSim has no noise on outputs). One that is not there, or fails, is named in one line and stops
nothing.
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import torch
from _product_races import NoisyWork, noisy_by_chip, noisy_work
from _speed import Race, seconds

LEVELS = 2**8 - 2
LONGEST_CALL_S = 2.0
WEIGHT_SIGMA = 2.0  # in weight codes


def aihwkit_way(work: NoisyWork) -> Callable[[], object]:
    """A linear layer on one torch tile as large as the weights, in evaluation mode."""
    neurons, inputs = work.w_codes.shape
    config = importlib.import_module("aihwkit.simulator.configs").TorchInferenceRPUConfig()
    config.mapping.max_input_size = config.mapping.max_output_size = 0  # no cutting into tiles
    config.forward.inp_res = config.forward.out_res = 1 / LEVELS
    config.forward.out_noise = work.sigma_lsb / LEVELS
    if work.weight_sigma > 0:
        enums = importlib.import_module("aihwkit.simulator.parameters.enums")
        config.forward.w_noise_type = enums.WeightNoiseType.ADDITIVE_CONSTANT
        config.forward.w_noise = work.weight_sigma / 127
    layer = importlib.import_module("aihwkit.nn").AnalogLinear(
        inputs, neurons, bias=False, rpu_config=config
    )
    layer.set_weights(torch.tensor(work.w_codes / 127, dtype=torch.float32))
    layer.eval()
    x = torch.tensor(work.x)

    def run() -> torch.Tensor:
        with torch.no_grad():
            output: torch.Tensor = layer(x)
        return output

    return run


def crosssim_way(work: NoisyWork) -> Callable[[], object]:
    """A core that holds the weights in one array: 8-bit converters on both sides, noise on every
    cell at every read where asked for.
    """
    simulator = importlib.import_module("simulator")
    parameters = simulator.CrossSimParameters()
    parameters.core.rows_max, parameters.core.cols_max = work.w_codes.shape
    for model, name in (
        (parameters.xbar.dac.mvm, "SignMagnitudeDAC"),
        (parameters.xbar.adc.mvm, "SignMagnitudeADC"),
    ):
        model.bits = 8
        model.model = name
    parameters.xbar.adc.mvm.adc_range_option = "MAX"  # else a calibrated range must be given
    if work.weight_sigma > 0:
        noise = parameters.xbar.device.read_noise
        noise.enable = True
        noise.model = "NormalIndependentDevice"
        noise.magnitude = work.weight_sigma / 127
    core = simulator.AnalogCore(work.w_codes / 127.0, params=parameters)
    columns = np.ascontiguousarray(work.x.T)
    return lambda: core.matmul(columns)


PEERS = (("aihwkit", "aihwkit", aihwkit_way), ("CrossSim", "simulator", crosssim_way))
"""Name, the package it installs, and its way."""


def peer_races() -> Iterator[Race]:
    """Our chip against each simulator that is there and runs, without and with weight noise; prints
    a line for each that does not.
    """
    for name, package, way in PEERS:
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not installed")
            continue
        for label, weight_sigma in (("", 0.0), (" and weights", WEIGHT_SIGMA)):
            work = noisy_work(weight_sigma)
            try:
                theirs = way(work)
                taken_s = seconds(theirs)
            except Exception as error:  # whatever it is, it is theirs
                print(f"{name}: could not run: {type(error).__name__}: {error}")
                break
            if taken_s > LONGEST_CALL_S:
                print(
                    f"{name}, noise on outputs{label}: one call takes {taken_s:.3g} s, too long "
                    f"for a race"
                )
                continue
            title = f"noisy product, 8 bits, noise on outputs{label}, beside {name}"
            yield Race(
                title, work.x.size * len(work.w_codes), "product", noisy_by_chip(work), theirs, name
            )

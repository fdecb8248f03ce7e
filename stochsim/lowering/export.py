"""Trained networks as programs: their own methods, and what is refused."""

from stochsim.networks import usual_torch
from stochsim.program import FloatProgram, Program
from stochsim.settings import SettingError
from stochsim.training import TrainedNetwork


@usual_torch()
def to_program(trained: TrainedNetwork) -> Program:
    """The program of a quantised network; raises StochsimError for a float one, or one whose widths
    are still being learned.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> full = ss.train(ss.LinearGaussian(neurons=4, noise_sd=0.5), data.train, steps=20, key=0)
    >>> ss.to_program(full.quantise(bits=4, key=0)).layers["readout"].weight_codes.shape
    (4, 8)
    """
    _check_trained(trained)
    return trained.network.program(trained.rho)


@usual_torch()
def float_program(trained: TrainedNetwork) -> FloatProgram:
    """The program of a float network; raises StochsimError for a quantised one.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    >>> full = ss.train(model, data.train, steps=20, key=0)
    >>> from stochsim.lowering import float_program
    >>> print(float_program(full))
    float program: feed-forward, 8 inputs -> 4 neurons
      layer    shape   weights          sigma
      readout  8 -> 4  -0.745 to 0.966  0.475 to 0.527
    """
    _check_trained(trained)
    return trained.network.float_program(trained.rho)


def _check_trained(trained: object) -> None:
    """Raise SettingError for what is no TrainedNetwork."""
    if not isinstance(trained, TrainedNetwork):
        rule = "should be a TrainedNetwork, as train(…) and quantise(…) give one"
        raise SettingError.of("trained", trained, rule)

"""Controls: samples that lack one thing that a trained network has, or that come from something
else, to be measured as the network's are.

All of a network's controls are made of samples of that network, so that they exist for every
architecture. What needs torch or Numba is loaded where it is used: a study names controls before
anything runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stochsim.keys import fold_in, generator
from stochsim.models import GaussianScaleMixture, ModelSettings
from stochsim.networks import ArchitectureSettings
from stochsim.settings import SettingError, check_choice, check_real, check_whole, finite_array
from stochsim.training import TrainSettings

if TYPE_CHECKING:
    from stochsim.training import TrainedNetwork

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Control:
    """What a control is, in one line; by_network: made of samples of a network, else the same
    for every architecture and rho.
    """

    text: str
    by_network: bool = True


CONTROLS = {
    "shared-sigma": Control(
        "one noise level for all neurons and stimuli, at equal total cost of reliability"
    ),
    "shuffled-sigma": Control("the noise of another stimulus around this one's mean"),
    "no-noise": Control("the same network with no noise"),
    "untrained": Control("the same architecture before training"),
    "vae": Control(
        "a float32 variational autoencoder: two hidden layers of 256, mean and log sd heads",
        by_network=False,
    ),
    "langevin": Control(
        "a hand-wired Langevin circuit with tied weights, of the learned circuit's number of steps",
        by_network=False,
    ),
}


@dataclass(frozen=True)
class ControlSamples:
    """values (stimulus, read, neuron) float32; sigma (stimulus, neuron) of factorised Gaussian
    answers, else None; facts to report.
    """

    values: Floats
    sigma: Floats | None = None
    facts: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ControlCase:
    """What controls are made from: a network, and the stimuli (stimulus, input) that are answered.

    trained: the float network that is controlled, or, where the control is no network's, any with
    the decoder of the posterior that it is compared with. key: that of the network's reads, so that
    the two can be compared as pairs. train_stimuli (stimulus, input) and settings: what a control
    that is trained itself is trained on. circuit: whose steps a hand-wired circuit takes
    (None: those of a recurrent network by default).
    """

    trained: "TrainedNetwork"
    model: ModelSettings
    stimuli: Floats
    reads: int
    key: int
    train_stimuli: Floats
    settings: TrainSettings
    circuit: ArchitectureSettings | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        """Raises SettingError for what are no stimuli, reads and no key."""
        for name in ("stimuli", "train_stimuli"):
            found = finite_array(name, getattr(self, name), "stimulus, input")
            object.__setattr__(self, name, found)
        object.__setattr__(self, "reads", check_whole("reads", self.reads, 1, 2**31))
        object.__setattr__(self, "key", check_whole("key", self.key, 0, 2**64))


def check_control(name: str, model: ModelSettings | None = None) -> None:
    """Raise SettingError for a name that is no control's, or one that knows nothing of this
    model.
    """
    check_choice("control", name, CONTROLS)
    if name == "langevin" and isinstance(model, GaussianScaleMixture):
        rule = "no circuit is wired for this model, whose gradient is not linear in r"
        raise SettingError.of(("control", "model.kind"), (name, model.kind), rule)


def control_samples(name: str, case: ControlCase) -> ControlSamples:
    """Samples of the control `name`, `case.reads` for each of its stimuli.

    Raises SettingError for an unknown name, or one that knows nothing of the case's model.
    """
    check_control(name, case.model)
    return _MAKERS[name](case)


def derangement(count: int, key: int) -> NDArray[np.intp]:
    """A permutation (count,) without a fixed point: one cycle through all, in a drawn order.

    Raises SettingError for fewer than two.
    """
    count = check_whole("stimuli", count, 0, 2**31)
    if count < 2:
        rule = "should be at least 2, so that noise can be swapped between them"
        raise SettingError.of("stimuli", count, rule)
    order = generator(key, "derangement").permutation(count)
    partner = np.empty(count, np.intp)
    partner[order] = np.roll(order, 1)
    return partner


def power_mean(spreads: Floats, rho: float) -> float:
    """The spread that all of `spreads` (any shape) would have at equal total cost: (mean of
    spread^-rho)^(-1/rho), at rho = 0 the geometric mean.
    """
    log = np.log(np.asarray(spreads, np.float64))
    rho = float(check_real("rho", rho))
    return float(np.exp(log.mean() if rho == 0 else -np.log(np.exp(-rho * log).mean()) / rho))


def _network_samples(
    case: ControlCase, trained: "TrainedNetwork", sigma_scale: float = 1.0
) -> Floats:
    """Samples (stimulus, read, neuron) float32 of a float network."""
    from stochsim.chip import FloatChip
    from stochsim.lowering import float_program

    chip = FloatChip(float_program(trained), sigma_scale)
    return chip.sample(case.stimuli, case.reads, case.key).values


def _moments(case: ControlCase, trained: "TrainedNetwork") -> tuple[Floats, Floats] | None:
    """Mean and sigma, (stimulus, neuron) each, of a feed-forward network; None of a circuit."""
    from stochsim.chip import FloatChip
    from stochsim.lowering import float_program

    program = float_program(trained)
    if program.wiring.is_recurrent:
        return None
    mean, sigma = FloatChip(program).moments(np.asarray(case.stimuli, np.float64))
    return mean, np.broadcast_to(sigma, mean.shape)


def _split(case: ControlCase) -> tuple[Floats, Floats, Floats | None]:
    """The network's reads as mean (stimulus, 1, neuron), that of the reads where no closed form is
    known, and residuals (stimulus, read, neuron); sigma (stimulus, neuron) where it is known.
    """
    values = _network_samples(case, case.trained)
    known = _moments(case, case.trained)
    mean = (
        values.mean(axis=1, keepdims=True, dtype=np.float64) if known is None else known[0][:, None]
    )
    return mean, values - mean, None if known is None else known[1]


def _priced_spreads(residuals: Floats, circuit: bool) -> Floats:
    """The spreads that C_rho is a price on, (stimulus, neuron), of residuals (stimulus, read,
    neuron): the sd of every neuron, or for a circuit roots of its covariance's eigenvalues.
    """
    if not circuit:
        return np.sqrt(np.square(residuals).mean(axis=1))
    covariance = np.einsum("sri,srj->sij", residuals, residuals) / residuals.shape[1]
    return np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 1e-12))


def _shared_sigma(case: ControlCase) -> ControlSamples:
    """Residuals in units of their sd, all times one number such that the mean cost stays."""
    mean, residuals, sigma = _split(case)
    circuit = sigma is None
    rho = case.trained.rho
    unit = residuals / (_priced_spreads(residuals, False) if sigma is None else sigma)[:, None]
    before = _priced_spreads(residuals, True) if sigma is None else sigma
    after = _priced_spreads(unit, True) if circuit else np.ones(1)
    shared = power_mean(before, rho) / power_mean(after, rho)
    values = (mean + shared * unit).astype(np.float32)
    return ControlSamples(
        values, None if circuit else np.full(mean[:, 0].shape, shared), {"shared_sigma": shared}
    )


def _shuffled_sigma(case: ControlCase) -> ControlSamples:
    mean, residuals, sigma = _split(case)
    partner = derangement(len(mean), case.key)
    return ControlSamples(
        (mean + residuals[partner]).astype(np.float32), None if sigma is None else sigma[partner]
    )


def _no_noise(case: ControlCase) -> ControlSamples:
    values = _network_samples(case, case.trained, sigma_scale=0.0)
    return ControlSamples(values, np.zeros(values[:, 0].shape))


def _untrained(case: ControlCase) -> ControlSamples:
    from stochsim.controls.vae import untrained

    network = untrained(case.trained, fold_in(case.key, "untrained"))
    moments = _moments(case, network)
    return ControlSamples(_network_samples(case, network), None if moments is None else moments[1])


def _vae(case: ControlCase) -> ControlSamples:
    from stochsim.controls.vae import encoder_moments, train_encoder

    key = fold_in(case.key, "vae")
    encoder = train_encoder(
        case.trained, case.train_stimuli, case.model, case.settings, key, case.progress
    )
    mean, sigma = encoder_moments(encoder, case.stimuli)
    normal = generator(key, "reads").standard_normal((len(mean), case.reads, mean.shape[1]))
    values = (mean[:, None] + sigma[:, None] * normal).astype(np.float32)
    return ControlSamples(
        values, sigma, {f"train_{name}_nat": value for name, value in encoder.result.terms.items()}
    )


def _langevin(case: ControlCase) -> ControlSamples:
    from stochsim.chip import FloatChip
    from stochsim.controls.langevin import langevin_circuit

    assert not isinstance(case.model, GaussianScaleMixture)  # check_control refuses it
    steps_of = case.circuit or ArchitectureSettings(kind="recurrent")
    circuit = langevin_circuit(case.trained.decoder_array, case.model, steps_of)
    values = FloatChip(circuit.program).sample(case.stimuli, case.reads, case.key).values
    return ControlSamples(
        values, None, {"step": circuit.step, "spectral_radius": circuit.program.radius}
    )


_MAKERS: dict[str, Callable[[ControlCase], Any]] = {
    "shared-sigma": _shared_sigma,
    "shuffled-sigma": _shuffled_sigma,
    "no-noise": _no_noise,
    "untrained": _untrained,
    "vae": _vae,
    "langevin": _langevin,
}

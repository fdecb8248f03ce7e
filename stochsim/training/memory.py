"""Memory that a training takes at its peak (no torch here: studies ask before they load it)."""

PARAMETER_BYTES = 24.0
"""Of a number that is learned: itself, its gradient, Adam's moments, in float32."""
KEPT_BYTES = 32.0
"""Of a response of one stimulus of a batch, kept for the gradient."""
CIRCUIT_BYTES = 320.0
"""Of a pair of neurons of a circuit, whose covariance is solved for."""


def training_bytes(parameters: float, batch: int, kept: float, circuit: int = 0) -> float:
    """Bytes of a training of so many parameters, where a step keeps `kept` numbers of each of its
    `batch` stimuli; circuit: its neurons, 0 without one.
    """
    return PARAMETER_BYTES * parameters + KEPT_BYTES * batch * kept + CIRCUIT_BYTES * circuit**2

"""Which elements of a dictionary a network uses.

The rule: an element is used if the norm of its column of the decoder is at least a tenth of the
largest. Below that it adds next to nothing to a stimulus, and its neuron's posterior is the prior.
Correlations that measure how well spreads are told apart are taken within the used elements:
across all of them two clusters, used and unused, would correlate by themselves.
"""

import numpy as np
from numpy.typing import NDArray

from stochsim.settings import SettingError, finite_array

UNUSED_NORM = 0.1
"""An element whose norm is below this share of the largest is not used."""


def used_elements(decoder: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether each element of a decoder (input, neuron) is used: (neuron,).

    Raises SettingError for another shape, and values that are not finite.

    >>> import numpy as np
    >>> from stochsim.studies import used_elements
    >>> used_elements(np.array([[3.0, 0.1, 1.0], [4.0, 0.2, 0.0]]))
    array([ True, False,  True])
    """
    decoder = finite_array("decoder", decoder, "input, neuron")
    if not decoder.size:
        raise SettingError.of("decoder", decoder, "should have at least one element")
    norms = np.linalg.norm(decoder, axis=0)
    return np.asarray(norms >= UNUSED_NORM * norms.max())

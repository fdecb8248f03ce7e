"""One point of a study: its samples, measured and billed; the result is JSON values."""

import base64
import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.accounting import Bill
from stochsim.keys import fold_in
from stochsim.posterior import Estimate, PlainReads, Reads
from stochsim.studies.custom.axis_targets import hardware_at
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.custom.data import fixed, without_torch_warning
from stochsim.studies.custom.measures import Evidence
from stochsim.studies.custom.subjects import Asked

Floats = NDArray[np.floating]
BOOTSTRAP_KEY = 0
"""Of the intervals: the same stimuli are drawn at all points, so that points are compared in
pairs.
"""


def measured(study: CustomStudy, point: Mapping[str, Any]) -> dict[str, Any]:
    """What a point gives: estimates by measure, numbers by stimulus, and the bill of a read.

    Raises StochsimError for a point that cannot be run or measured.
    """
    key = fold_in(int(point.get("key", study.key)), "reads")
    reads = int(point.get("reads", study.reads))
    asked = Asked(point, hardware_at(study.hardware, point), study.data, reads, key)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with without_torch_warning():
            samples, bill = study.subject.reads(asked)
    evidence = Evidence(
        _fixed_reads(samples),
        fixed(study.data.truth),
        study.reference,
        study.against_at(asked),
        fixed(study.data.stimuli),
        BOOTSTRAP_KEY,
    )
    taken = {one.name: one.take(evidence) for one in study.measures}
    return {
        "point": dict(point),
        "measures": {name: _estimate(one) for name, (_, one) in taken.items()},
        "per_stimulus": {name: packed(array) for name, (array, _) in taken.items()},
        "bill": None if bill is None else _bill(bill),
        "warnings": [str(one.message) for one in said if issubclass(one.category, UserWarning)],
    }


def _fixed_reads(samples: Reads) -> Reads:
    """Reads whose values no measure can change, for the next measure has them too."""
    if isinstance(samples, PlainReads):
        return dataclasses.replace(samples, values=fixed(samples.values))
    values = samples.values
    if isinstance(values, np.ndarray) and values is samples.values:  # kept, not made anew
        values.flags.writeable = False
    return samples


def packed(array: Floats) -> dict[str, Any]:
    """An array of float64 as JSON values."""
    found = np.ascontiguousarray(array, "<f8")
    return {"shape": list(found.shape), "base64": base64.b64encode(found.tobytes()).decode()}


def unpacked(table: Mapping[str, Any]) -> Floats:
    """The array that `packed` took apart.

    >>> import numpy as np
    >>> from stochsim.studies.custom.points import packed, unpacked
    >>> unpacked(packed(np.arange(3.0)))
    array([0., 1., 2.])
    """
    return np.frombuffer(base64.b64decode(table["base64"]), "<f8").reshape(table["shape"])


def _estimate(found: Estimate) -> dict[str, Any]:
    if not found.available:
        return {"note": found.reason}
    return {"value": found.value, "low": found.low, "high": found.high}


def _bill(bill: Bill) -> dict[str, Any]:
    return {
        "joules_per_read": bill.per_read_j,
        "seconds_per_read": bill.seconds,
        "parts_j": dict(bill.energy.joules),
        "ranges": [list(one) for one in bill.interval.ranges],
        "flags": list(bill.flags),
    }

"""A user's data as arrays: stimuli, and what is true of each."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stochsim.settings import SettingError
from stochsim.studies.custom.fingerprint import as_array, is_tensor

_NAMES = ("stimuli", "truth", "examples", "reference", "against")


@dataclass(frozen=True, eq=False)
class StudyData:
    """stimuli (stimulus, …), or a tuple or dict of arrays of a module with several inputs; truth
    (stimulus, …), None where nothing is known; examples (example, …) that grids are fitted on, and
    draws (stimulus, draw, neuron) of a reference, where they came along.
    """

    stimuli: Any
    truth: Any = None
    examples: Any = None
    reference: Any = None
    against: Any = None

    @property
    def count(self) -> int:
        """How many stimuli there are."""
        return len(_first(self.stimuli))


def fixed(value: Any) -> Any:
    """Arrays as ones that a function of the user's cannot change, for other points and measures
    have them too; anything else as it is.
    """
    if isinstance(value, tuple):
        return tuple(map(fixed, value))
    if isinstance(value, dict):
        return {name: fixed(one) for name, one in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    found = value.view()
    found.flags.writeable = False
    return found


@contextlib.contextmanager
def without_torch_warning() -> Iterator[None]:
    """While torch makes tensors of `fixed` arrays, of which it warns."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        yield


def study_data(given: Any) -> StudyData:
    """Data as arrays: of an array (stimulus, …), a pair (stimuli, truth), a dict of arrays named
    stimuli, truth, examples, reference and against, and a DataLoader or other iterable of batches,
    each a pair or stimuli alone.

    Raises SettingError for anything else, no stimuli, and arrays of different length.

    >>> import numpy as np
    >>> from stochsim.studies import study_data
    >>> study_data((np.zeros((5, 2)), np.arange(5))).count
    5
    """
    if given is None:
        rule = "arrays (stimuli, truth), a dict of them, or batches as of a DataLoader"
        raise SettingError.missing("data", rule)
    if isinstance(given, StudyData):
        found = given
    elif isinstance(given, Mapping):
        found = _named(given)
    elif isinstance(given, tuple) and len(given) == 2:
        found = StudyData(*map(_plain, given))
    elif isinstance(given, np.ndarray) or is_tensor(given):
        found = StudyData(_plain(given))
    elif isinstance(given, Iterable) and not isinstance(given, str | bytes):
        found = _of_batches(given)
    else:
        rule = "should be arrays (stimuli, truth), a dict of them, or batches as of a DataLoader"
        raise SettingError.of("data", given, rule)
    _check(found)
    return found


def _named(given: Mapping[str, Any]) -> StudyData:
    for name in given:
        if name not in _NAMES:
            raise SettingError.unknown(str(name), _NAMES, section=("data",))
    if "stimuli" not in given:
        raise SettingError.missing("stimuli", section=("data",))
    return StudyData(**{name: _plain(one) for name, one in given.items()})


def _of_batches(given: Iterable[Any]) -> StudyData:
    rule = "should give batches (stimuli, truth), or stimuli alone, of one shape but the first axis"
    batches = [one if isinstance(one, tuple | list) else (one,) for one in given]
    if not batches or any(len(one) not in (1, 2) or len(one) != len(batches[0]) for one in batches):
        raise SettingError.of("data", given, rule)
    try:
        rows = [
            [np.asarray(_plain(one)) for one in column] for column in zip(*batches, strict=True)
        ]
        return StudyData(*map(np.concatenate, rows))
    except (ValueError, TypeError):
        raise SettingError.of("data", given, rule) from None


def _plain(value: Any) -> Any:
    """Arrays in place of tensors, in tuples and dicts too."""
    if is_tensor(value):
        return as_array(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if not isinstance(value, list):
        return value
    try:
        return np.asarray(value)
    except ValueError:
        rule = "has rows of unequal length: should be an array"
        raise SettingError.of("data", value, rule) from None


def _first(stimuli: Any) -> Any:
    while isinstance(stimuli, tuple | Mapping):
        stimuli = next(iter(stimuli.values() if isinstance(stimuli, Mapping) else stimuli))
    return stimuli


def _check(found: StudyData) -> None:
    first = _first(found.stimuli)
    is_array = isinstance(first, np.ndarray) and first.dtype.kind in "biuf"
    if not is_array or first.ndim < 1 or not len(first):
        rule = "should be an array (stimulus, …) of numbers with one stimulus or more"
        raise SettingError.of("stimuli", found.stimuli, rule, section=("data",))
    for name in ("truth", "reference", "against"):
        one = getattr(found, name)
        if one is not None and (np.ndim(one) < 1 or len(one) != found.count):
            rule = f"should have a row for each of the {found.count} stimuli"
            raise SettingError.of(name, one, rule, section=("data",))

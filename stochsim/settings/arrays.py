"""Arrays that a call is given, as NumPy arrays of real numbers; an error names the argument, what
was given and its axes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.settings.errors import SettingError
from stochsim.settings.largest import LARGEST

_SINGLE, _DOUBLE = 4, 8  # bytes
_UNLIKE = "rows of unequal length, or no numbers"


def real_array(name: str, value: Any, rule: str) -> NDArray[Any]:
    """An array, a list or a torch tensor as an array of real numbers that NumPy and torch both
    compute with: integers as they are, floats of 32 or 64 bits in the machine's byte order.

    Raises SettingError of this name and rule for anything else, and for masked entries.
    """
    if hasattr(value, "detach"):  # a tensor, which may be on a device, with a gradient, in bfloat16
        value = _of_tensor(name, value, rule)
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise SettingError.of(name, value, "has masked entries: fill or leave them out")
        value = value.data
    array = _as_array(value)
    if array is None:
        raise SettingError.of(name, value, f"{_UNLIKE}: {rule}")
    if array.dtype.kind not in "fiu":
        if array.ndim == 0 and not callable(getattr(value, "values", len)):  # samples
            rule = f"{rule}; give its `values`"
        raise SettingError.of(name, array if array.ndim else value, rule_of_reals(rule))
    if array.dtype.kind == "f" and array.itemsize not in (_SINGLE, _DOUBLE):
        return array.astype(np.float32 if array.itemsize < _SINGLE else np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def rule_of_reals(rule: str) -> str:
    """A rule about an array, such as "should be (stimulus, input)", with what its values are."""
    if "numbers" in rule or "integers" in rule:
        return rule
    opening = "should be "
    if rule.startswith(opening):
        return f"{opening}real numbers {rule.removeprefix(opening)}"
    return f"{opening}real numbers: {rule}"


def _as_array(value: Any) -> NDArray[Any] | None:
    try:
        found = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError):
        return None
    return found.view(np.ndarray)  # np.matrix multiplies in a way of its own


def _of_tensor(name: str, value: Any, rule: str) -> Any:
    try:
        plain = value.detach().cpu()
        return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()
    except (RuntimeError, NotImplementedError, TypeError, AttributeError):
        raise SettingError.of(name, rule=f"is a tensor without values: {rule}") from None


def shaped_array(
    name: str, value: Any, axes: str, sizes: Sequence[int | None] = ()
) -> NDArray[Any]:
    """`value` as real numbers with these axes, "stimulus, read, neuron", or "…, neuron" where any
    may stand before them; sizes: of each named axis, None for any, and all any where none is given.

    Raises SettingError for anything else; NaN and infinities are taken.
    """
    names = [one for one in axes.split(", ") if one != "…"]
    wanted = tuple(sizes) or (None,) * len(names)
    rule = f"should be ({axes})"
    if None not in wanted:
        rule = f"{rule} = {wanted}"
    elif sizes:
        known = zip(names, wanted, strict=True)
        texts = [axis if size is None else f"{axis} = {size}" for axis, size in known]
        rule = f"should be ({', '.join(texts)})"
    array = real_array(name, value, rule)
    last = array.shape[array.ndim - len(wanted) :] if axes.startswith("…") else array.shape
    if len(last) != len(wanted) or any(
        one not in (None, own) for one, own in zip(wanted, last, strict=True)
    ):
        raise SettingError.of(name, array, rule)
    return array


def finite_array(
    name: str, value: Any, axes: str, sizes: Sequence[int | None] = ()
) -> NDArray[Any]:
    """As `shaped_array`, in floats; raises SettingError for NaN and infinities too."""
    return finite(name, shaped_array(name, value, axes, sizes))


def bounded_array(
    name: str, value: Any, axes: str, sizes: Sequence[int | None] = ()
) -> NDArray[Any]:
    """As `finite_array`; raises SettingError for a number above LARGEST in size too."""
    array = finite_array(name, value, axes, sizes)
    largest = np.abs(array).max(initial=0.0)
    if largest > LARGEST:
        raise SettingError.of(name, float(largest), f"should be at most {LARGEST:g} in size")
    return array


def finite(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The numbers in floats; raises SettingError for NaN and infinities."""
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    if not np.isfinite(array).all():
        raise SettingError.of(name, rule="holds NaN or Inf: should be finite")
    return array

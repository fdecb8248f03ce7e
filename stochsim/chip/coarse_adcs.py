"""A warning of ADCs whose steps are coarse against the partial sums that they convert."""

import warnings
from collections.abc import Iterable, Mapping

from stochsim.accounting import AdcUse, coarse_adcs, coarse_card
from stochsim.chip.layer_on_chip import LayerOnChip
from stochsim.settings import levels_to_user


class CoarseAdcWarning(UserWarning):
    """Fewer than 8 steps of an array's ADCs lie within ±1 sd of a layer's partial sums."""


def adc_uses(layers: Iterable[LayerOnChip]) -> dict[str, AdcUse]:
    """How the ADCs of each layer stand against its partial sums, by the layer's name; of several
    groups of channels the coarsest, with the largest share that one of them clips. Layers that
    have seen no data are left out.
    """
    found: dict[str, AdcUse] = {}
    for layer in layers:
        use = layer.product.adc_use
        if use is None:
            continue
        known = found.get(layer.name, use)
        least = min(known, use, key=lambda one: one.fineness)
        found[layer.name] = least.with_clipping_of(known).with_clipping_of(use)
    return found


def adc_rows(uses: Mapping[str, AdcUse]) -> list[tuple[str, str]]:
    """Rows of a chip's card about its ADCs: of the coarsest layer, and of the one that clips most
    where that is another.
    """
    if not uses:
        return [("ADCs", "not compared with any data yet")]
    name = min(uses, key=lambda one: uses[one].fineness)
    clips = max(uses, key=lambda one: uses[one].clipped)
    coarse = coarse_card(uses)
    rows = [("ADCs", f"{name}: {uses[name].brief}")]
    if uses[clips].clipped > uses[name].clipped:
        rows.append(("clipping", f"{clips}: {uses[clips].brief}"))
    return [*rows, ("warning", coarse)] if coarse else rows


class CoarseAdcWatch:
    """Warns, once, of a chip whose ADCs are coarse."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._has_warned = False

    def see(self, uses: dict[str, AdcUse]) -> None:
        """Look at the ADCs of all layers."""
        flag = "" if self._has_warned else coarse_adcs(uses)
        if flag:
            self._has_warned = True
            warnings.warn(f"{self.name}: {flag}", CoarseAdcWarning, stacklevel=levels_to_user())

"""Tables of chip files, an heir's with its base's: what is merged, and what is not inherited."""

from typing import Any


def are_texts(sources: object) -> bool:
    """Whether these are sources as a chip file has them: a list of texts."""
    return isinstance(sources, list) and all(isinstance(each, str) for each in sources)


def with_prices_kept(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A base's table without the parameters of prices that `own` replaces by others, and without
    own prices that nothing names any more.
    """
    before = base.get("prices")
    after = own.get("prices")
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return base
    kept = dict(before)
    if isinstance(before.get("parameters"), dict):
        kept["parameters"] = {
            kind: values
            for kind, values in before["parameters"].items()
            if after.get(kind) in (None, before.get(kind))
        }
    if isinstance(before.get("own"), dict):
        kept["own"] = _own_prices_kept(before, after)
    return {**base, "prices": kept}


def _own_prices_kept(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in (before | after).values() if isinstance(name, str)]
    anew = own_prices(after)
    return {name: one for name, one in before["own"].items() if name in names or name in anew}


def own_prices(prices: object) -> dict[str, Any]:
    """The own prices of a table of prices; {} where there is none."""
    found = prices.get("own") if isinstance(prices, dict) else None
    return found if isinstance(found, dict) else {}


def joined(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Both tables as one, key by key, those of `own` first."""
    both = {
        key: joined(base[key], own[key])
        for key in own
        if isinstance(base.get(key), dict) and isinstance(own[key], dict)
    }
    return {**base, **own, **both}

"""Errors of settings without effect."""

from stochsim.settings import NOT_SHOWN, SettingError


def unused(field: str, owner: str, value: object = NOT_SHOWN) -> SettingError:
    """The error of a setting without effect, whose `owner` the grid does not have."""
    return SettingError.of(field, value, f"belongs to {owner}, which the grid does not have")

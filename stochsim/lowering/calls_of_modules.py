"""Whether a module can be called with the arguments that the examples are."""

import inspect

import torch

from stochsim.lowering.signature import Inputs
from stochsim.lowering.trees import Branch
from stochsim.settings import SettingError, StochsimError


def names_of_arguments(module: torch.nn.Module) -> tuple[str, ...]:
    """Of those that may be given by position."""
    try:
        taken = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return ()
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(one.name for one in taken if one.kind in places)


def check_call(module: torch.nn.Module, inputs: Inputs) -> None:
    """Raise StochsimError for a module that cannot be called with these arguments."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return
    found = dict.fromkeys(inputs.arguments)
    try:
        signature.bind(**found) if inputs.is_named else signature.bind(*found.values())
    except TypeError as error:
        kind = type(module).__name__
        names = _needed(signature)
        if len(names) > 1 and not isinstance(inputs.tree, Branch):
            raise _takes_several(kind, names) from None
        raise SettingError.of("examples", rule=f"do not fit {kind}.forward: {error}") from None


def _needed(signature: inspect.Signature) -> list[str]:
    """The arguments that have no default."""
    skipped = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = (one for one in signature.parameters.values() if one.kind not in skipped)
    return [one.name for one in own if one.default is one.empty]


def _takes_several(kind: str, names: list[str]) -> StochsimError:
    """The error of one tensor for a module of several inputs."""
    keyed = ", ".join(f"'{name}': {name}" for name in names)
    how = f"a tuple, ({', '.join(names)}), or a dict, {{{keyed}}}"
    return StochsimError(
        f"{kind} takes {len(names)} inputs, {', '.join(names)}: give examples as {how}"
    )

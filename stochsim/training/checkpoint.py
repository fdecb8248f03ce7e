"""Checkpoints: safetensors for the arrays, JSON in its header for the settings."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stochsim.networks import FeedForward, NetworkSettings
from stochsim.settings import StochsimError

_FORMAT = "stochsim-network-1"


def save_network(path: Path, network: FeedForward, decoder: torch.Tensor, notes: dict[str, object]) -> None:
    """Write network, decoder (input, neuron) and notes (any JSON) to one file."""
    tensors = {f"network.{name}": value.detach().contiguous() for name, value in network.state_dict().items()}
    tensors["decoder"] = decoder.detach().contiguous()
    header = {"format": _FORMAT, "settings": json.dumps(network.settings.to_table()), "notes": json.dumps(notes)}
    save_file(tensors, path, metadata=header)


def load_network(path: Path) -> tuple[FeedForward, torch.Tensor, dict[str, object]]:
    """Network, decoder and notes of a checkpoint; raises StochsimError for a file that is damaged or of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
    except (SafetensorError, OSError) as error:
        raise StochsimError(f"{path}: not a readable checkpoint ({error})") from None
    if header.get("format") != _FORMAT:
        raise StochsimError(f"{path}: format '{header.get('format')}' where '{_FORMAT}' is expected")
    network = FeedForward(NetworkSettings.from_table(json.loads(header["settings"]), str(path)))
    decoder = tensors.pop("decoder")
    network.load_state_dict({name.removeprefix("network."): value for name, value in tensors.items()})
    network.eval()
    return network, decoder, json.loads(header["notes"])


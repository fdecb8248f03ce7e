"""Checkpoints: safetensors for the arrays, JSON in its header for the settings."""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stochsim.networks import NetworkSettings, build_network
from stochsim.settings import StochsimError
from stochsim.training.loop import TrainResult
from stochsim.training.procedures import Trained

_FORMAT = "stochsim-network-1"


def save_network(path: Path, trained: Trained) -> None:
    """Write network, decoder (input, neuron), rho and what the training left to one file."""
    tensors = {
        f"network.{name}": value.detach().contiguous()
        for name, value in trained.network.state_dict().items()
    }
    tensors["decoder"] = trained.decoder.detach().contiguous()
    # What the key determines only: two trainings of one key write the same bytes.
    facts = {name: value for name, value in asdict(trained.result).items() if name != "seconds"}
    settings = trained.network.settings.to_table()
    header = {"format": _FORMAT, "settings": settings, "rho": trained.rho, "result": facts}
    save_file(
        tensors, path, metadata={"header": json.dumps(header, sort_keys=True)}
    )  # one entry: safetensors shuffles them


def load_network(path: Path) -> Trained:
    """What save_network wrote; raises StochsimError for a file that is damaged or of another
    kind.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("header", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - safe_open is no mapping
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise StochsimError(f"{path}: not a readable checkpoint ({error})") from None
    if header.get("format") != _FORMAT:
        raise StochsimError(
            f"{path}: format '{header.get('format')}' where '{_FORMAT}' is expected"
        )
    network = build_network(NetworkSettings.from_table(header["settings"], str(path)))
    decoder = tensors.pop("decoder")
    network.load_state_dict(
        {name.removeprefix("network."): value for name, value in tensors.items()}
    )
    network.eval()
    return Trained(
        network, decoder, header["rho"], TrainResult(**header["result"], seconds=float("nan"))
    )

"""The networks of the atlas, and its data: one decoder, one reference, a float network for each
architecture and key, trained once and kept beside the study's data.
"""

import os
from pathlib import Path

import numpy as np

import stochsim as ss
from stochsim.data import evaluation_stimuli

MODEL = ss.SparseCoding(neurons=24, noise_sd=0.5, laplace_scale=1.0)
STEPS = 600
STIMULI = 24
DRAWS = 800
FOLDER = Path(os.environ.get("ATLAS_NETWORKS", "runs/atlas_networks"))


def network(architecture: str, key: int) -> ss.TrainedNetwork:
    """A float network that samples the posterior of the first one's decoder."""
    path = FOLDER / f"{architecture}_{key}.safetensors"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        decoder = None if (architecture, key) == ("single", 0) else first().decoder_array
        made = ss.train(
            MODEL, _data().train, key, architecture=architecture, decoder=decoder, steps=STEPS
        )
        partial = path.with_suffix(f".{os.getpid()}.safetensors")
        made.save(partial)
        partial.replace(path)  # whole or not there, for workers side by side
    return ss.load_network(path)


def first() -> ss.TrainedNetwork:
    """The network whose decoder all others share."""
    return network("single", 0)


def write_data(path: Path) -> None:
    """Stimuli, spread evenly over contrast, and draws of each one's posterior (Gibbs)."""
    data = _data()
    stimuli = data.held_out[evaluation_stimuli(data, STIMULI, 0)]
    reference = first().reference(stimuli, key=0)
    draws = reference.draws[:, :DRAWS]
    np.savez(path, stimuli=stimuli, reference=draws, examples=data.train)


def _data() -> ss.Dataset:
    return ss.load_dataset("patches", size=8, components=16, key=0)

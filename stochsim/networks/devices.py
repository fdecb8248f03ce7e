"""What torch can train on besides the processor."""

import torch


def cuda_device() -> str | None:
    """Name of the CUDA device that `device = "cuda"` trains on; None where torch sees none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None

"""torch in forked processes: on one thread, as torch's own DataLoader sets its workers.

torch's first operation of some size would wait there for ever for OpenMP's threads (see
`stochsim_kernels.forked`). A child that knows better may ask for more by `torch.set_num_threads`.
"""

import os

import torch
from stochsim_kernels.forked import openmp_is_lost


def one_thread_without_openmp() -> None:
    """In a process that was forked from one with OpenMP."""
    if openmp_is_lost():
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_thread_without_openmp)
one_thread_without_openmp()

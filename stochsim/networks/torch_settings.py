"""torch as networks of this package need it, whatever the caller has set."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def usual_torch() -> Iterator[None]:
    """float32, on the processor unless said, without autocast and outside of inference mode; the
    caller's settings are back afterwards. As a decorator, too.
    """
    before = torch.get_default_dtype()
    with contextlib.ExitStack() as stack:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":  # entered for need only: it slows every call
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(torch.inference_mode(False))
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Networks of this size train fastest on one thread, and the result must not depend on the
    number (Numba changes torch's).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""Networks this small are fastest on one thread."""

import pytest

from stochsim.networks import one_thread


@pytest.fixture(autouse=True)
def _one_thread():
    with one_thread():
        yield

"""The judge of hostile files finds out a loader that runs code, or that fails with errors of its
own.
"""

from pathlib import Path
from typing import Any

import pytest
from hostilevalues import judged, texts
from torch import fx, nn

from stochsim.settings import StochsimError


def test_a_loader_that_generates_source_is_found_out(canary: Path) -> None:
    """The way that converted networks were read until now: names of a file in a GraphModule."""

    def vulnerable(table: dict[str, Any]) -> None:
        graph = fx.Graph()
        node = graph.create_node("placeholder", table["target"], (), {}, name="x")
        graph.output(node)
        try:
            fx.GraphModule(nn.Module(), graph)
        except SyntaxError:
            raise StochsimError("not a graph") from None

    assert judged(lambda: vulnerable({"target": "x"}), canary, "x") == "loaded"
    harmful = {"target": f"x={texts(canary)[0]}"}
    assert harmful["target"] in texts(canary)
    with pytest.raises(AssertionError, match="the canary was made by"):
        judged(lambda: vulnerable(harmful), canary, harmful)


def test_a_loader_with_errors_of_its_own_is_found_out(canary: Path) -> None:
    with pytest.raises(AssertionError, match="KeyError"):
        judged(lambda: {}["missing"], canary, "a table")

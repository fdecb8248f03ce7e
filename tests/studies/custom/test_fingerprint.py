"""Content hashes: equal for equal content, another for whatever changes an answer, and refused for
what has no content.
"""

import functools
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.settings import SettingError
from stochsim.studies import fingerprint

SCALE = 2.0


def helper(x):
    return x + 1


def with_helper(x):
    return helper(x) * SCALE


def made_with(step):
    return lambda x: x + step


def with_default(step):
    def moved(x, by=step):
        return x + by

    return moved


class One:
    def value(self):
        return 1


class Two:
    def value(self):
        return 2


def derived(base):
    class Derived(base):
        pass

    return Derived


class Net(torch.nn.Module):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(3, 2)
        self.factor = factor

    def forward(self, x):
        return with_helper(self.linear(x)) * self.factor


PAIRS = {
    "text": ("a", "b"),
    "a number and its text": (1, "1"),
    "whole and real": (1, 1.0),
    "truth and number": (True, 1),
    "lists": ([1, 2], [2, 1]),
    "nested": ([[1], 2], [[1, 2]]),
    "list and tuple": ([1], (1,)),
    "dicts": ({"a": 1}, {"a": 2}),
    "arrays": (np.arange(4), np.arange(4).reshape(2, 2)),
    "types of arrays": (np.zeros(2, np.int64), np.zeros(2, np.float64)),
    "functions": (lambda x: x + 1, lambda x: x + 2),
    "closures": (made_with(1), made_with(2)),
    "defaults": (with_default(1), with_default(2)),
    "bases": (derived(One), derived(Two)),
    "objects of classes": (derived(One)(), derived(Two)()),
    "arguments": (functools.partial(helper, 1), functools.partial(helper, 2)),
    "library functions": (np.mean, np.median),
    "attributes of a module": (Net(1.0), Net(2.0)),
    "modules of torch": (torch.nn.ReLU(), torch.nn.Tanh()),
    "chips": (ss.load_hardware("digital-45nm"), ss.load_hardware("rram-array")),
    "paths": (Path("a"), Path("b")),
    "generators": (np.random.default_rng(0), np.random.default_rng(1)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_other_content_has_another_hash(name):
    one, other = PAIRS[name]
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)


def test_equal_content_has_one_hash():
    assert fingerprint(Net()) == fingerprint(Net())
    assert fingerprint(np.arange(6)[::2]) == fingerprint(np.array([0, 2, 4]))
    assert fingerprint(torch.arange(3.0)) == fingerprint(np.arange(3, dtype=np.float32))
    assert fingerprint({1, 2, 3}) == fingerprint({3, 2, 1})


def test_one_weight_moved_is_another_network():
    before, moved = Net(), Net()
    with torch.no_grad():
        moved.linear.weight[1, 2] += 1e-7
    assert fingerprint(before) != fingerprint(moved)
    assert fingerprint(before) != fingerprint(before.eval().requires_grad_(False).train(False))


def test_what_a_function_calls_belongs_to_it(monkeypatch):
    before = fingerprint(with_helper), fingerprint(Net())
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    changed = fingerprint(with_helper), fingerprint(Net())
    assert before[0] != changed[0]
    assert before[1] != changed[1]
    monkeypatch.undo()
    monkeypatch.setattr(sys.modules[__name__], "helper", made_with(1))
    assert fingerprint(with_helper) != before[0]


def test_functions_of_code_that_no_module_holds_are_the_users():
    """As in a notebook, or a page that is run."""
    found = []
    for number in (1, 2):
        namespace = {"__name__": "a_page"}
        exec(f"def f(x):\n    return x + {number}", namespace)
        found.append(fingerprint(namespace["f"]))
    assert found[0] != found[1]


def test_an_attribute_of_the_name_of_a_global_is_none(monkeypatch):
    """`self.linear` looks up nothing global."""
    before = fingerprint(Net)
    monkeypatch.setattr(sys.modules[__name__], "linear", 3, raising=False)
    assert fingerprint(Net) == before


def test_objects_that_lead_to_themselves_have_a_hash():
    circle = SimpleNamespace(name="a")
    circle.own = circle
    assert fingerprint(circle) == fingerprint(circle)


SCRIPT = """
import numpy as np
from stochsim.studies import fingerprint
def f(x, a=3):
    return np.mean(x) + a
print(fingerprint([f, np.arange(3), {"a": 1.5, "b": {"x", "y", "z"}}]))
"""


def test_another_process_has_the_same_hash(tmp_path):
    (tmp_path / "one.py").write_text(SCRIPT)
    found = [
        subprocess.run(
            [sys.executable, tmp_path / "one.py"], capture_output=True, check=True, text=True
        ).stdout
        for _ in range(2)
    ]
    assert len(found[0].strip()) == 24
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "value", [threading.Lock(), (one for one in range(3)), np.array([object()]), object()]
)
def test_what_has_no_content_is_refused(value):
    with pytest.raises(SettingError, match=r"'network\.a\[0\]'.*cannot be hashed"):
        fingerprint(SimpleNamespace(a=[value]), "network")

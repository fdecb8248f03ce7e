"""Content hashes of a user's own objects: of functions their source, of networks their weights."""

import dataclasses
import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import tempfile
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from stochsim.settings import SettingError, Settings

_LIBRARIES = tuple(
    str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")
)
_HASHED_ELSEWHERE = ("stochsim", "stochsim_kernels")
"""Packages whose versions are in the hash of every task."""


def fingerprint(value: Any, name: str = "value") -> str:
    """A content hash of a value, 24 hexadecimal digits: equal in every process where the value is
    the same.

    Of numbers, text, arrays, tensors, lists, tuples, sets, dicts and paths their content; of a
    function its source text, defaults, closure, and the global names that it uses, functions of the
    user's among them; of what an installed package has its name and the package's version; of a
    torch module its class and all that hangs on it, weights and plain attributes; so of any object.
    name: the field that an error names. Raises SettingError for what has no content that could be
    hashed (open files, generators, locks).

    >>> import numpy as np
    >>> from stochsim.studies import fingerprint
    >>> fingerprint(np.arange(3)) == fingerprint(np.array([0, 1, 2]))
    True
    >>> fingerprint({"steps": 100}) == fingerprint({"steps": 101})
    False
    """
    digest = _Digest()
    digest.add(value, name)
    return digest.hexdigest()


class _Digest:
    """A hash that values are added to, each object once."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._met: dict[int, tuple[int, Any]] = {}  # objects are kept, so that no id is used twice

    def hexdigest(self) -> str:
        return self._hash.hexdigest()[:24]

    def write(self, *parts: str | bytes) -> None:
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            self._hash.update(f"{len(data)}:".encode() + data)

    def add(self, value: Any, name: str) -> None:
        """Add a value; `name` is where it stands."""
        if value is None or isinstance(value, bool | int | float | complex | str):
            self.write(type(value).__name__, repr(value))
        elif isinstance(value, bytes | bytearray):
            self.write("bytes", bytes(value))
        elif id(value) in self._met:
            self.write("met", str(self._met[id(value)][0]))
        else:
            self._met[id(value)] = (len(self._met), value)
            self._add_object(value, name)

    def _add_object(self, value: Any, name: str) -> None:
        for kinds, add in _KINDS:
            if isinstance(value, kinds):
                add(self, value, name)
                return
        if is_tensor(value):
            self._array(as_array(value), name)
        elif saves := _saved_by(value):
            self._files(saves)
        elif callable(value) and hasattr(value, "__name__") and _is_library(value):
            self.write("library", *_library_name(value))
        else:
            self._state(value, name)

    def _array(self, value: Any, name: str) -> None:
        array = np.asarray(value)
        if array.dtype.hasobject:
            rule = "cannot be hashed: an array of Python objects; give numbers or text"
            raise SettingError.of(name, value, rule)
        self.write("array", array.dtype.str, repr(array.shape), array.tobytes())

    def _files(self, saves: Callable[[Path], Any]) -> None:
        """What is written: files by name, and their bytes."""
        with tempfile.TemporaryDirectory() as folder:
            saves(Path(folder) / "saved.safetensors")
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    self.write(path.name, path.read_bytes())

    def _items(self, value: Iterable[Any], name: str) -> None:
        self.write(type(value).__name__)
        for number, one in enumerate(value):
            self.add(one, f"{name}[{number}]")
        self.write("end")

    def _set(self, value: Iterable[Any], name: str) -> None:
        self.write("set", *sorted(fingerprint(one, name) for one in value))

    def _mapping(self, value: Mapping[Any, Any], name: str) -> None:
        self.write("mapping")
        for key, one in value.items():
            self.add(key, name)
            self.add(one, f"{name}.{key}")
        self.write("end")

    def _path(self, value: PurePath, name: str) -> None:
        self.write("path", str(value))

    def _partial(self, value: functools.partial[Any], name: str) -> None:
        self._items((value.func, value.args, value.keywords), name)

    def _method(self, value: types.MethodType, name: str) -> None:
        self._items((value.__func__, value.__self__), name)

    def _module(self, value: types.ModuleType, name: str) -> None:
        if _is_library(value):
            self.write("library", *_library_name(value))
        else:
            self.write("module", _source(value, name))

    def _function(self, value: types.FunctionType, name: str) -> None:
        if _is_library(value):
            self.write("library", *_library_name(value))
            return
        self.write("function", _source(value, name))
        self.add(value.__defaults__, name)
        self.add(value.__kwdefaults__, name)
        for variable, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            self.write(variable)
            self.add(_content(cell), f"{name}: {variable}")
        self._globals(value.__code__, value.__globals__, name)

    def _globals(self, code: types.CodeType, known: Mapping[str, Any], name: str) -> None:
        """The global names that code uses; builtins belong to Python's version."""
        for variable in sorted(set(_names_of(code)) & set(known)):
            self.write(variable)
            self.add(known[variable], f"{name}: {variable}")

    def _class(self, value: type, name: str) -> None:
        if _is_library(value):
            self.write("library", *_library_name(value))
            return
        self.write("class", value.__qualname__, _source(value, name))
        for base in value.__bases__:
            self.add(base, name)
        for attribute, one in sorted(vars(value).items()):
            function = getattr(one, "__func__", getattr(one, "fget", one))
            if isinstance(function, types.FunctionType):
                self.add(function, f"{name}.{attribute}")

    def _state(self, value: Any, name: str) -> None:
        """The class of an object and all that hangs on it."""
        found = _state_of(value)
        if found is None:
            rule = (
                "cannot be hashed, and a result could not be told from that of another one: give "
                "numbers, text, arrays, functions or modules"
            )
            raise SettingError.of(name, value, rule)
        self.write("object")
        self.add(type(value), name)
        self._mapping(found, name)


_KINDS: tuple[tuple[Any, Callable[[_Digest, Any, str], None]], ...] = (
    ((np.ndarray, np.generic), _Digest._array),
    ((list, tuple), _Digest._items),
    ((set, frozenset), _Digest._set),
    (Mapping, _Digest._mapping),
    (PurePath, _Digest._path),
    (functools.partial, _Digest._partial),
    (types.MethodType, _Digest._method),
    (types.ModuleType, _Digest._module),
    (types.FunctionType, _Digest._function),
    (type, _Digest._class),
)


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch, which need not be loaded for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_array(tensor: Any) -> np.ndarray:
    """The numbers of a tensor of torch, (…); those that NumPy lacks (bfloat16) in float32."""
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    try:
        found: np.ndarray = plain.numpy()
    except TypeError:
        found = plain.float().numpy()
    return found


def _saved_by(value: Any) -> Callable[[Path], Any] | None:
    """How an object of this package is saved, a converted network by its program: what is saved is
    what it computes, without what it remembers of its use; None of all others.
    """
    if not type(value).__module__.startswith("stochsim."):
        return None
    found = value.program if hasattr(value, "left_in_float") else value
    saves: Callable[[Path], Any] | None = getattr(found, "save", None)
    return saves


def _state_of(value: Any) -> dict[str, Any] | None:
    """What hangs on an object, by name; None of one that has nothing that could be looked at."""
    if isinstance(value, np.random.Generator):
        return dict(value.bit_generator.state)
    if isinstance(value, Settings):
        return value.to_table()
    if dataclasses.is_dataclass(value):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    found = getattr(value, "__dict__", None)
    return dict(found) if isinstance(found, dict) else None


def _source(value: Any, name: str) -> str:
    """The source text of a function, class or module; the code of a lambda, or of a function that
    was typed at a prompt.
    """
    code = getattr(value, "__code__", None)
    if code is not None and code.co_name == "<lambda>":  # several may stand on one line
        return "".join(map(repr, _plain_code(code)))
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        if code is None:
            rule = "cannot be hashed: its source text is not to be had; define it in a file"
            raise SettingError.of(name, value, rule) from None
        return "".join(map(repr, _plain_code(code)))


def _plain_code(code: types.CodeType) -> Iterator[Any]:
    yield from (code.co_code, code.co_names, code.co_varnames)
    for one in code.co_consts:
        yield from _plain_code(one) if isinstance(one, types.CodeType) else (one,)


def _names_of(code: types.CodeType) -> Iterator[str]:
    """The global names that code, and the functions inside it, look up."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _names_of(one)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return None


def _is_library(value: Any) -> bool:
    """Whether a function, class or module is Python's, of an installed package, or of this one."""
    is_module = isinstance(value, types.ModuleType)
    name = value.__name__ if is_module else getattr(value, "__module__", None)
    if name is None:
        return True
    if name.partition(".")[0] in _HASHED_ELSEWHERE:
        return True
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:  # Python's own, or typed at a prompt or made by exec
        return getattr(getattr(module, "__spec__", None), "origin", "") in ("built-in", "frozen")
    return str(Path(file).resolve()).startswith(_LIBRARIES)


def _library_name(value: Any) -> tuple[str, str, str]:
    """(module, name in it, version of its package)."""
    is_module = isinstance(value, types.ModuleType)
    module = value.__name__ if is_module else str(getattr(value, "__module__", ""))
    name = "" if is_module else str(getattr(value, "__qualname__", repr(value)))
    package = sys.modules.get(module.partition(".")[0])
    return module, name, str(getattr(package, "__version__", ""))

"""Imports of the project as they stand in its sources, and the circles that they make."""

import ast
from collections.abc import Iterator
from pathlib import Path


def sources(root: Path) -> list[Path]:
    return sorted(
        path for top in ("stochsim", "kernels", "benchmarks") for path in (root / top).rglob("*.py")
    )


def module_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[1:] if parts[0] == "kernels" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """The package (or base module) of stochsim that a module belongs to."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "stochsim" else parts[0]


def imports(path: Path, root: Path) -> Iterator[str]:
    """Full names of all that a file imports; `from a import b` is a.b, and relative imports are
    made absolute.
    """
    package = module_of(path, root).split(".")[: None if path.name == "__init__.py" else -1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
            named = node.args[:1]
            yield from (one.value for one in named if isinstance(one, ast.Constant))


def called_name(node: ast.Call) -> str:
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def is_module(name: str, root: Path) -> bool:
    top = root / "kernels" if name.startswith("stochsim_kernels") else root
    place = top / Path(*name.split("."))
    return any(place.glob("*.py")) or place.with_suffix(".py").exists()


def target_of(name: str, root: Path) -> str:
    """The package that an imported name belongs to: `stochsim.Hardware` is a name of the top door,
    `stochsim.hardware` a package.
    """
    package = package_of(name)
    return package if is_module(package, root) else package.split(".")[0]


def module_arrows(root: Path) -> dict[str, set[str]]:
    """Modules of stochsim and the kernels that each module imports; a name of a door is the module
    that the door's stub takes it from.
    """
    arrows = {}
    for path in sources(root):
        module = module_of(path, root)
        targets = {home_of(name, root) for name in imports(path, root)}
        arrows[module] = {one for one in targets if one and one != module}
    return arrows


def home_of(name: str, root: Path) -> str:
    """The module in which an imported name stands; empty for other projects' names."""
    if name.split(".")[0] not in ("stochsim", "stochsim_kernels"):
        return ""
    if is_module(name, root):
        return name
    module, _, last = name.rpartition(".")
    stub = root / Path(*module.split(".")) / "__init__.pyi"
    return door_names(stub).get(last, module)


def door_names(stub: Path) -> dict[str, str]:
    """Names that a door offers, and the full name of the module that each is taken from."""
    if not stub.exists():
        return {}
    package = ".".join(stub.parent.parts[stub.parent.parts.index("stochsim") :])
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module or alias.name for node in found for alias in node.names}
    return {name: f"{package}.{home}" for name, home in homes.items()}


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components of more than one module (Tarjan's algorithm, by reach)."""
    reach = {module: reached(module, arrows) for module in arrows}
    groups = [{one for one in reach[module] if module in reach.get(one, ())} for module in arrows]
    unique = {frozenset(group | {module}) for module, group in zip(arrows, groups, strict=True)}
    return sorted((set(group) for group in unique if len(group) > 1), key=sorted)


def reached(module: str, arrows: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        more = arrows.get(waiting.pop(), set()) - seen
        seen |= more
        waiting += more
    return seen

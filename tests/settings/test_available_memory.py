"""The memory that a container leaves to a process, from files as the kernel writes them."""

from pathlib import Path

import pytest

from stochsim.settings.available_memory import available_bytes, bytes_of_groups

GIB = 2**30
NO_LIMIT = 2**62
V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def group(folder: Path, names: tuple[str, str, str], limit: object, use: int, cached: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{use}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {cached}\nfile 7\n")


def own(tmp_path: Path, text: str) -> Path:
    (tmp_path / "own").write_text(text)
    return tmp_path / "own"


def test_a_container_of_version_2_sees_its_own_limit_at_the_root(tmp_path: Path) -> None:
    """2 GiB of which 1 is used; a quarter of that is cache, which is given back."""
    group(tmp_path, V2, 2 * GIB, GIB, GIB // 4)
    assert bytes_of_groups(tmp_path, own(tmp_path, "0::/\n")) == 2 * GIB - 3 * GIB // 4


def test_the_least_of_a_group_and_those_around_it_holds(tmp_path: Path) -> None:
    group(tmp_path / "a" / "b", V2, "max", GIB, 0)
    group(tmp_path / "a", V2, 3 * GIB, GIB, 0)
    group(tmp_path, V2, 8 * GIB, GIB, 0)
    assert bytes_of_groups(tmp_path, own(tmp_path, "0::/a/b\n")) == 2 * GIB


@pytest.mark.parametrize("path", ["/docker/1f", "/"])
def test_version_1_is_read_with_and_without_the_path_of_the_host(tmp_path: Path, path: str) -> None:
    group(tmp_path / "memory", V1, 4 * GIB, GIB, 0)
    text = f"12:cpu,cpuacct:/x\n5:memory:{path}\n"
    assert bytes_of_groups(tmp_path, own(tmp_path, text)) == 3 * GIB


def test_no_limit_and_no_groups_limit_nothing(tmp_path: Path) -> None:
    assert bytes_of_groups(tmp_path, tmp_path / "none") == NO_LIMIT
    group(tmp_path, V2, "max", GIB, 0)
    assert bytes_of_groups(tmp_path, own(tmp_path, "0::/\n")) == NO_LIMIT
    group(tmp_path / "memory", V1, 9223372036854771712, GIB, 0)  # "unlimited" of version 1
    assert bytes_of_groups(tmp_path, own(tmp_path, "5:memory:/\n")) >= NO_LIMIT // 2


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    group(tmp_path, V2, GIB, 2 * GIB, 0)
    assert bytes_of_groups(tmp_path, own(tmp_path, "0::/\n")) == 0


def test_what_is_available_is_no_more_than_the_groups_allow() -> None:
    assert 0 < available_bytes() <= NO_LIMIT

"""Files made wrong: in their bytes, in what they hold, or in both with a sum that agrees."""

import hashlib
import json
import sqlite3
import tempfile
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from _fuzz_files import Files
from _fuzz_values import TEXT, Random, array_mutant, mutant
from safetensors.numpy import load, save

TOKENS = (
    *(b"[" * 5_000, b"{" * 5_000, b"9" * 400, b"1e400", b"-1e400", b"nan", b"inf", b"\x00"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xe9", "é".encode("latin-1"), b"\x1b[2J", b"'''", b'"""'),
    *(b"\r\n", b"\n", b";", b"\t", b",,", b"=", b"#", b"a.b.c", b"__class__", b"/dev/zero"),
    *(b"1_000", b"0x10", b"1979-05-27", b"true", b"\xf0\x9f\x92\xa9", b"A" * 10_000),
)


def _bytes_mutant(data: bytes, random: Random) -> bytes:
    place = int(random.integers(len(data) + 1))
    end = min(len(data), place + int(random.integers(1, 40)))
    way = int(random.integers(7))
    if way == 0 and place < len(data):
        return (
            data[:place] + bytes([data[place] ^ (1 << int(random.integers(8)))]) + data[place + 1 :]
        )
    if way == 1:
        return data[:place]
    if way == 2:
        return data[:place] + data[end:]
    if way == 3:
        return data[:end] + data[place:end] * int(random.integers(1, 5)) + data[end:]
    if way == 4:
        return data[:place] + TOKENS[int(random.integers(len(TOKENS)))] + data[end:]
    if way == 5:
        return _in_another_encoding(data, random)
    lines = data.split(b"\n")
    chosen = int(random.integers(len(lines)))
    return b"\n".join([*lines[:chosen], *lines[chosen + 1 :], lines[chosen]])


def _in_another_encoding(data: bytes, random: Random) -> bytes:
    text = data.decode("utf-8", errors="replace")
    names = ("utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252")
    name = names[int(random.integers(len(names)))]
    return (text + "é").encode(name, errors="replace")


def _table_bytes(data: bytes, suffix: str, random: Random) -> bytes:
    """A table of TOML or JSON with one value changed, taken away or added."""
    table = tomllib.loads(data.decode()) if suffix == ".toml" else json.loads(data)
    changed = mutant(table, random)
    if suffix == ".toml":
        return tomli_w.dumps(changed).encode()
    return json.dumps(changed).encode()


def _safetensors_bytes(data: bytes, random: Random) -> bytes:
    """Another array in place of one, or another head; with a sum that agrees."""
    arrays = dict(load(data))
    head = _head_of(data)
    name = sorted(arrays)[int(random.integers(len(arrays)))] if arrays else ""
    way = int(random.integers(4))
    if way == 0 and name:
        arrays[name] = np.ascontiguousarray(array_mutant(arrays[name], random))
    elif way == 1 and name:
        del arrays[name]
    elif way == 2:
        arrays[TEXT[int(random.integers(len(TEXT)))] or "x"] = np.zeros(2)
    plain = save(arrays)
    if head is None:
        return plain
    if way == 3:
        head["content"] = mutant(head["content"], random)
    head["sha256"] = hashlib.sha256(plain).hexdigest()
    return save(arrays, metadata={"head": json.dumps(head)})


def _head_of(data: bytes) -> dict[str, Any] | None:
    length = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("head")
    found: dict[str, Any] | None = None if text is None else json.loads(text)
    return found


def _store_bytes(data: bytes, random: Random) -> bytes:
    """A store with one value of one row changed, and a checksum that agrees."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        path.write_bytes(data)
        with closing(sqlite3.connect(path)) as store, store:
            table, key = (("results", "hash"), ("about", "name"))[int(random.integers(2))]
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            column = columns[int(random.integers(len(columns)))]
            rows = store.execute(f"SELECT {key}, {column} FROM {table}").fetchall()
            name, value = rows[int(random.integers(len(rows)))]
            store.execute(
                f"UPDATE {table} SET {column} = ? WHERE {key} = ?",
                (_stored_mutant(value, random), name),
            )
            if random.random() < 0.8:
                _mend_checksums(store, table, key)
        return path.read_bytes()


def _stored_mutant(value: Any, random: Random) -> Any:
    if isinstance(value, str) and value[:1] in "[{":
        return json.dumps(mutant(json.loads(value), random), default=str)
    found = mutant(value, random)
    return found if isinstance(found, str | float | bytes | None) else str(found)


def _mend_checksums(store: sqlite3.Connection, table: str, key: str) -> None:
    for *whole, _ in store.execute(f"SELECT * FROM {table}").fetchall():
        checksum = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
        store.execute(f"UPDATE {table} SET checksum = ? WHERE {key} = ?", (checksum, whole[0]))


def mutated(files: Files, random: Random) -> Files:
    """The files with one of them made wrong: in its bytes, or in what it holds."""
    found = dict(files)
    name = sorted(files)[int(random.integers(len(files)))]
    data = files[name]
    suffix = Path(name).suffix
    is_arrays = suffix == ".safetensors" or data[8:9] == b"{"
    try:
        if random.random() < 0.35:
            found[name] = _bytes_mutant(data, random)
        elif suffix in (".toml", ".json"):
            found[name] = _table_bytes(data, suffix, random)
        elif is_arrays:
            found[name] = _safetensors_bytes(data, random)
        elif suffix == ".sqlite":
            found[name] = _store_bytes(data, random)
        else:
            found[name] = _bytes_mutant(data, random)
        if suffix == ".safetensors" and "program.json" in found:
            _mend_head(found, random)
    except Exception:
        found[name] = _bytes_mutant(data, random)  # what the format cannot say
    return found


def _mend_head(files: Files, random: Random) -> None:
    """The head of a program says the sum of its arrays again, save now and then."""
    if random.random() < 0.9:
        head = json.loads(files["program.json"])
        head["sha256"] = hashlib.sha256(files["program.safetensors"]).hexdigest()
        files["program.json"] = json.dumps(head).encode()

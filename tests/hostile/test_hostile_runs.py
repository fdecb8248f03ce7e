"""Stores of runs with hostile text and values in every column run nothing."""

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import tinystudy
from hostilefiles import all_judged
from hostilevalues import dumped, judged, texts, variants

from stochsim.studies import open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tinystudy.study_of(grid__noise=[1], grid__bits=[2], train__steps=2)
    return tinystudy.store_answers(
        tmp_path_factory.mktemp("hostile") / "run", study, tinystudy.work
    )


def changed_store(run: Path, folder: Path, table: str, name: str, column: str, text: Any) -> Path:
    """A copy of a run with one value changed, and a checksum that agrees."""
    folder.mkdir(exist_ok=True)
    path = folder / "store.sqlite"
    path.write_bytes((run / "store.sqlite").read_bytes())
    if not (folder / "artifacts").exists():
        (folder / "artifacts").symlink_to(run / "artifacts")
    key = "hash" if table == "results" else "name"
    with contextlib.closing(sqlite3.connect(path)) as store, store:
        store.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (text, name))
        for *whole, _ in store.execute(f"SELECT * FROM {table}").fetchall():
            checksum = hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
            store.execute(f"UPDATE {table} SET checksum = ? WHERE {key} = ?", (checksum, whole[0]))
    return folder


def read_run(folder: Path) -> None:
    with open_run(folder) as results:
        results.store.check_artifacts()
        for task in sorted(results.store.hashes()):
            results.store.row(task)


def test_facts_of_runs(run: Path, tmp_path: Path, canary: Path) -> None:
    with open_run(run) as results:
        about = {name: json.loads(text) for name, text in results.store.about().items()}

    def act(table: Any) -> None:
        for name, value in table.items():
            if value != about.get(name):
                text = dumped(value).decode()
                read_run(changed_store(run, tmp_path / "run", "about", name, "value", text))

    cases = [table for table in variants(about, canary, 2) if set(table) == set(about)]
    all_judged(cases, act, canary, 100)


def test_rows_of_runs(run: Path, tmp_path: Path, canary: Path) -> None:
    """Names of artifacts that lead elsewhere, and results that are no table."""
    rows = tinystudy.stored_rows(run)
    task, row = next((task, row) for task, row in rows.items() if row[5])
    outside = tmp_path / "elsewhere"
    outside.write_bytes((run / "artifacts" / row[5]).read_bytes())
    names = [*texts(canary), f"../../{outside.name}", str(outside)]
    for column in ("artifact", "result"):
        for text in names:
            if "\x00" in text or (column == "artifact" and text == ""):
                continue

            def act(t: str = text, c: str = column) -> None:
                read_run(changed_store(run, tmp_path / "run", "results", task, c, t))

            assert judged(act, canary, (column, text)) == "refused"

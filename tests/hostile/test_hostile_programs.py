"""Saved programs with hostile text and values at every place run nothing, and end in a
StochsimError or a program that works.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from circuittest import deep_program, format_program, recurrent_program, single_program
from hostilefiles import HERE, all_judged, run_program, written_program
from hostilevalues import tensors_of, variants, with_header


@pytest.mark.parametrize("make", [single_program, deep_program, recurrent_program, format_program])
def test_programs(make: Any, tmp_path: Path, canary: Path) -> None:
    make(3).save(tmp_path)
    head = json.loads((tmp_path / "program.json").read_bytes())
    data = (tmp_path / "program.safetensors").read_bytes()

    def act(table: Any) -> None:
        run_program(written_program(tmp_path, table, data))

    act(head)
    all_judged(variants(head, canary, 2 * HERE), act, canary, 200)


@pytest.mark.parametrize("make", [single_program, deep_program, recurrent_program])
def test_arrays_of_programs(make: Any, tmp_path: Path, canary: Path) -> None:
    make(3).save(tmp_path)
    head = json.loads((tmp_path / "program.json").read_bytes())
    header, numbers = tensors_of((tmp_path / "program.safetensors").read_bytes())

    def act(table: Any) -> None:
        data = with_header(table, numbers)
        whole = {**head, "sha256": hashlib.sha256(data).hexdigest()}
        run_program(written_program(tmp_path, whole, data))

    act(header)
    all_judged(variants(header, canary, 3), act, canary, 20)

"""What the tests share: the demo tables, golden values, and what must be there for a test to run."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest
import unimse

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def golden() -> pathlib.Path:
    return ROOT / "data/golden"


def named(variable: str) -> pathlib.Path:
    """The file that a variable of the environment names; without it the test is skipped."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"needs {variable}")
    return pathlib.Path(path)


@pytest.fixture(scope="session")
def binary() -> pathlib.Path:
    """The binary `unimse`, which the package is compared with."""
    return named("UNIMSE_BINARY")


@pytest.fixture(scope="session")
def wheel() -> pathlib.Path:
    """The built wheel."""
    return named("UNIMSE_WHEEL")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The demo corpora as files."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    unimse.demo(folder)
    return folder


@pytest.fixture(scope="session")
def tables(data: pathlib.Path) -> pathlib.Path:
    """The demo corpora as tables."""
    folder = data.parent / "tables"
    unimse.ingest(data, folder)
    return folder


def unit_rows(rows: int, dim: int, seed: int) -> np.ndarray:
    """Random directions, float32 [rows, dim]."""
    values = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)

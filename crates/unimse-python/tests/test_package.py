"""The package as a whole: how long it takes to import, what it says of itself, types, the wheel."""

from __future__ import annotations

import inspect
import os
import pathlib
import subprocess
import sys
import time
import zipfile

import pytest
import unimse

ROOT = pathlib.Path(__file__).resolve().parents[3]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


def test_import_takes_less_than_three_tenths_of_a_second_and_loads_no_other_package() -> None:
    code = "import time; start = time.perf_counter(); import unimse, sys; print(time.perf_counter() - start); print(*sys.modules)"
    seconds = []
    for _ in range(3):
        said = run(sys.executable, "-c", code).stdout.splitlines()
        seconds.append(float(said[0]))
        loaded = {name.partition(".")[0] for name in said[1].split()}
        assert loaded.isdisjoint({"numpy", "pandas", "pyarrow", "polars", "sklearn", "torch"})
    assert min(seconds) < 0.3


def test_everything_public_is_documented() -> None:
    named = [(name, getattr(unimse, name)) for name in unimse.__all__ if name not in ("__version__", "Encoder", "Predictor")]
    named += [(name, getattr(unimse.metrics, name)) for name in unimse.metrics.__all__]
    for owner in (unimse.Table, unimse.Donors, unimse.Grammar, unimse.Label, unimse.Run):
        members = vars(owner).items()
        named += [(f"{owner.__name__}.{name}", member) for name, member in members if not name.startswith("_")]
    bare = [name for name, member in named if not inspect.getdoc(member)]
    assert not [name for name in bare if not name.startswith("Run.")], bare


def test_errors_are_those_of_python_too() -> None:
    assert issubclass(unimse.InputError, (unimse.UnimseError, ValueError))
    assert issubclass(unimse.FileError, (unimse.UnimseError, OSError))
    with pytest.raises(ValueError, match="^unknown convention `x`, expected one of: mmsa, mult, mag$"):
        unimse.metrics.sentiment([1.0], [1.0], convention="x")  # type: ignore[arg-type]
    with pytest.raises(OSError, match="nowhere"):
        unimse.read_pickle("nowhere")


def test_what_needs_torch_says_so_where_there_is_none() -> None:
    hidden = "import sys; sys.modules['torch'] = None; import unimse; "
    said = run(sys.executable, "-c", hidden + "unimse.Predictor").stderr.splitlines()[-1]
    assert said.startswith("ImportError: unimse.torch needs torch 2.11, found none that can be imported (")
    assert said.endswith("); pip install 'unimse[torch]'")
    said = run(sys.executable, "-c", hidden + "unimse.Nothing").stderr.splitlines()[-1]
    assert said == "AttributeError: module 'unimse' has no attribute 'Nothing'"


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_types(checker: str, tmp_path: pathlib.Path) -> None:
    """Stubs, package and what a user writes are sound; what the stubs forbid is found."""
    pytest.importorskip(checker)
    sources = ROOT / "crates/unimse-python/python/unimse"
    use = tmp_path / "use.py"
    use.write_text(USE)
    if checker == "mypy":
        options = ["--cache-dir", str(tmp_path / "cache"), "--config-file", str(ROOT / "pyproject.toml")]
        check = run(sys.executable, "-m", "mypy", *options, str(sources), cwd=ROOT)
        wrong = run(sys.executable, "-m", "mypy", *options, str(use), env=os.environ | {"MYPYPATH": str(sources.parent)})
    else:
        check = run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", str(ROOT / "pyproject.toml"))
        if "error" in check.stderr and "npm" in check.stderr:
            pytest.skip("pyright needs its npm package, which cannot be fetched")
        wrong = run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(use), cwd=sources.parent)
    assert check.returncode == 0, check.stdout + check.stderr
    lines = [line for line in wrong.stdout.splitlines() if "use.py:" in line and "error" in line]
    assert len(lines) == 1 and "use.py:5:" in lines[0], wrong.stdout + wrong.stderr


USE = """import numpy as np
import unimse
scores = unimse.metrics.sentiment([1.0], np.zeros(1))
mae: float = scores["metrics"]["mae"]
wrong: str = scores["n"]
"""


def test_the_wheel_is_small_and_of_one_build_for_every_python(wheel: pathlib.Path) -> None:
    assert "-cp310-abi3-manylinux_2_" in wheel.name
    assert wheel.stat().st_size < 10 * 2**20
    names = zipfile.ZipFile(wheel).namelist()
    for file in ("py.typed", "_native.pyi", "_native.abi3.so", "sklearn.py"):
        assert f"unimse/{file}" in names
    assert [name for name in names if ".so" in name] == ["unimse/_native.abi3.so"]


def test_auditwheel_agrees_with_the_tag(wheel: pathlib.Path) -> None:
    pytest.importorskip("auditwheel")
    shown = run(sys.executable, "-m", "auditwheel", "show", str(wheel))
    assert shown.returncode == 0, shown.stderr
    tag = wheel.stem.rpartition("-")[2].split(".")[0]
    assert f'"{tag}"' in " ".join(shown.stdout.split()), shown.stdout


def test_a_call_that_ends_at_once_does_not_wait_for_the_watch() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        unimse.metrics.bootstrap([1.0, 2.0], [1.5, 2.0], metric="mae", resamples=10)
        return time.perf_counter() - start

    # the watch looks every 50 ms; that of a call on a busy machine says nothing, the fastest of twenty does
    assert min(seconds() for _ in range(20)) < 0.05

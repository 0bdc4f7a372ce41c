"""The examples run as they are written."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


def test_the_example_with_pandas(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    ran = subprocess.run([sys.executable, EXAMPLES / "labels_with_pandas.py"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "positive,1.6,joy" in ran.stdout


def test_the_notebook_from_ingest_to_plots(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for package in ("ipykernel", "matplotlib", "pandas", "pyarrow", "sklearn"):
        pytest.importorskip(package)
    # the kernel of this interpreter, not of one that the user has registered
    kernel = tmp_path / "jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    argv = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(f'{{"argv": {argv}, "display_name": "Python 3", "language": "python"}}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    notebook = nbformat.read(EXAMPLES / "demo.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "commit it without outputs"
    (tmp_path / "work").mkdir()
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path / "work")}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    plots = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(plots) == 2
    assert not [output for output in outputs if output.output_type == "error"]
    assert os.environ["JUPYTER_PATH"]

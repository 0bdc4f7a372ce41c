"""UniMSE in Python: universal labels, donors, metrics, formats and corpora of multimodal sentiment analysis and emotion recognition.

Tables go in and out by Arrow's PyCapsule interface, so pandas, polars, pyarrow and DuckDB are all at home and none must be there; arrays are
numpy's. Long work gives up the interpreter's lock and ends at Ctrl-C. Training needs the binary `unimse`, which this package does not hold.
`Predictor` and `Encoder` compute with the torch that is installed (`pip install unimse[torch]`), which is imported with the first of them.
"""

from typing import TYPE_CHECKING, Any

from . import metrics
from ._native import VERSION as __version__
from .data import demo, doctor, ingest, read_pickle
from .errors import FileError, InputError, UnimseError
from .labels import Donors, Grammar, Label, Table, unify
from .runs import Run, load_run

if TYPE_CHECKING:
    from .torch import Encoder, Predictor

__all__ = [
    "Donors",
    "Encoder",
    "FileError",
    "Grammar",
    "InputError",
    "Label",
    "Predictor",
    "Run",
    "Table",
    "UnimseError",
    "__version__",
    "demo",
    "doctor",
    "ingest",
    "load_run",
    "metrics",
    "read_pickle",
    "unify",
]


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is asked for."""
    if name in ("Encoder", "Predictor"):
        from . import torch

        return getattr(torch, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

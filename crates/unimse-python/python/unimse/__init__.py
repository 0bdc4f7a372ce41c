"""UniMSE in Python: universal labels, donors, metrics, formats and corpora of multimodal sentiment analysis and emotion recognition.

Tables go in and out by Arrow's PyCapsule interface, so pandas, polars, pyarrow and DuckDB are all at home and none must be there; arrays are
numpy's. Long work gives up the interpreter's lock and ends at Ctrl-C. Training needs the binary `unimse`, which this package does not hold.
"""

from . import metrics
from ._native import VERSION as __version__
from .data import demo, doctor, ingest, read_pickle
from .errors import FileError, InputError, UnimseError
from .labels import Donors, Grammar, Label, Table, unify
from .runs import Run, load_run

__all__ = [
    "Donors",
    "FileError",
    "Grammar",
    "InputError",
    "Label",
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

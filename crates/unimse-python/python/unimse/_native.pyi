"""Signatures of the native half. Functions are documented where the package names them, classes here and at run time."""

import os
from collections.abc import Callable, Iterable
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt

from .types import ArrowTable, EmotionScores, Finding, Interval, Numbers, Results, Scores, Summary

VERSION: str

@final
class Table:
    """A table with Arrow's PyCapsule interface: give it to `pyarrow.table`, `polars.DataFrame`, `duckdb.from_arrow`, `pandas.DataFrame.from_arrow`."""

    def __arrow_c_schema__(self) -> object: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    @property
    def column_names(self) -> list[str]: ...
    def to_pyarrow(self) -> Any:
        """A `pyarrow.Table` on the same memory."""
    def to_polars(self) -> Any:
        """A `polars.DataFrame`."""
    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, by way of pyarrow."""
    def __len__(self) -> int: ...

@final
class Donors:
    """Rows that are kept, to be asked for the nearest of them by cosine; exact."""

    def __new__(
        cls,
        embeddings: npt.NDArray[np.float32],
        *,
        polarity: Iterable[str] | None = None,
        groups: Iterable[object] | None = None,
    ) -> Donors: ...
    def nearest(
        self,
        embeddings: npt.NDArray[np.float32],
        k: int = 1,
        *,
        polarity: Iterable[str] | None = None,
        groups: Iterable[object] | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The k nearest rows of each query, the best first: indices int64 [queries, k], -1 where there is none, and cosines float32
        [queries, k], NaN there. Ties go to the lower index."""
    @property
    def dim(self) -> int: ...
    def __len__(self) -> int: ...

@final
class Labeller:
    """Donors that are parsed once and kept; `unimse.stream.Labeller` puts tables of pyarrow before it."""

    def __new__(cls, donors: ArrowTable, min_similarity: float | None = None) -> Labeller: ...
    def __call__(self, block: ArrowTable) -> Table: ...
    def __len__(self) -> int: ...

@final
class Label:
    """The values of a universal label; None where one is not known. Text and back by the default grammar."""

    def __new__(
        cls, polarity: str, intensity: float | None = None, meld: str | None = None, iemocap: str | None = None
    ) -> Label: ...
    @property
    def polarity(self) -> Literal["negative", "neutral", "positive"]: ...
    @property
    def intensity(self) -> float | None: ...
    @property
    def meld(self) -> str | None: ...
    @property
    def iemocap(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Grammar:
    """The language of labels: which columns there are and how an intensity is printed."""

    def __new__(
        cls, fields: list[str] | None = None, *, form: Literal["fields", "triple"] = "fields", decimals: int = 1
    ) -> Grammar: ...
    @property
    def fields(self) -> list[str]: ...
    @property
    def form(self) -> Literal["fields", "triple"]: ...
    @property
    def decimals(self) -> int: ...
    def format(self, label: Label) -> str:
        """The text of a label; what it gives is parsed without repairs."""
    def parse(self, text: str) -> tuple[Label, list[str]]:
        """The label in any text, and what had to be repaired to read it.

        Raises InputError where not even a polarity can be told."""
    def intensity_values(self, polarity: str) -> list[float]:
        """The intensities that can be printed beside a polarity, ascending."""

def unify(
    table: ArrowTable,
    embeddings: npt.NDArray[np.float32],
    *,
    donors: str = "train",
    queries: str = "train+dev",
    min_similarity: float | None = None,
    seed: int = 1,
) -> Table: ...
def sentiment(truth: Numbers, prediction: Numbers, *, convention: str = "mmsa") -> Scores: ...
def emotion(truth: Iterable[str], prediction: Iterable[str], *, labels: str | Iterable[str]) -> EmotionScores: ...
def bootstrap(
    truth: Numbers,
    prediction: Numbers,
    *,
    metric: str,
    groups: Iterable[object] | None = None,
    convention: str = "mmsa",
    labels: str | Iterable[str] | None = None,
    resamples: int = 1000,
    seed: int = 1,
    method: str = "percentile",
) -> Interval: ...
def read_pickle(path: str | os.PathLike[str], *, bytes_as_text: bool = False) -> Any: ...
def ingest(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    features: dict[str, str | os.PathLike[str]] | None = None,
    progress: Callable[[str], object] | None = None,
) -> list[Summary]: ...
def doctor(data: str | os.PathLike[str]) -> list[Finding]: ...
def demo(out: str | os.PathLike[str]) -> None: ...
def results(run: str | os.PathLike[str]) -> Results: ...
def seeds(run: str | os.PathLike[str]) -> list[tuple[int, os.PathLike[str]]]: ...
def json_lines(table: ArrowTable) -> bytes:
    """The rows of a table as JSON lines; what is null there is null here."""

def answer_table(table: ArrowTable, lines: bytes) -> Table:
    """The answers to the rows of `table`, one JSON line a row, as columns, and behind them the table's own."""

"""Types of arguments and results, for type checkers: nothing here runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Protocol, TypedDict, Union

__all__ = [
    "Answer",
    "ArrowTable",
    "ClassScores",
    "CorpusResults",
    "EmotionScores",
    "Finding",
    "Interval",
    "Numbers",
    "Results",
    "Scores",
    "SplitScores",
    "Summary",
]


class ArrowTable(Protocol):
    """A table with Arrow's PyCapsule interface, as of pandas, polars, pyarrow and DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


#: Numbers in a list, a numpy array, or a column of pandas, polars or pyarrow.
Numbers = Union[Iterable[float], Any]

Polarity = Literal["negative", "neutral", "positive"]
Split = Literal["train", "dev", "test"]


class Scores(TypedDict):
    """Metrics of one comparison, shares between 0 and 1."""

    n: int
    """Rows compared."""
    metrics: dict[str, float]
    undefined: dict[str, str]
    """Metrics without a value, with the reason."""


class ClassScores(TypedDict):
    """Metrics of one class, each between 0 and 1; 0 where its denominator is."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    """Rows whose truth it is."""


class EmotionScores(TypedDict):
    """Metrics of a classification."""

    scores: Scores
    per_class: list[ClassScores]
    """In the order of `labels`."""
    confusion: list[list[int]]
    """Counts [truth][prediction]."""
    labels: list[str]


class Interval(TypedDict, total=False):
    """A value with its 95 % interval; what is not there is undefined."""

    estimate: float
    low: float
    high: float
    undefined: str
    """Why there are no bounds."""


class Summary(TypedDict):
    """What one written table holds."""

    corpus: str
    split: Split
    utterances: int
    dialogues: int
    audio: int
    """Utterances with audio."""
    video: int
    audio_dim: int | None
    """Features a step."""
    video_dim: int | None
    labels: dict[str, int]
    notes: list[str]
    synthetic: bool


class Finding(TypedDict):
    """One observation about a data folder."""

    code: str
    severity: Literal["error", "warning", "info"]
    file: str
    """Relative to the data folder."""
    rows: list[str]
    message: str
    advice: str


class SplitScores(TypedDict, total=False):
    """Scores on one split; `docs/schema/results.schema.json` has every key."""

    n: int
    metrics: dict[str, float]
    """Of several seeds the means."""
    undefined: dict[str, str]
    sd: dict[str, float]
    intervals: dict[str, Interval]
    per_class: list[ClassScores]
    baselines: dict[str, Any]


class CorpusResults(TypedDict, total=False):
    """The scores of one corpus."""

    task: Literal["sentiment", "emotion"]
    dev: SplitScores
    test: SplitScores


class _Always(TypedDict):
    schema: int
    synthetic: bool
    corpora: dict[str, CorpusResults]


class Results(_Always, total=False):
    """`results.json` of a run; `docs/schema/results.schema.json` has every key."""

    leaky: bool
    donors: str
    seeds: list[int]
    fields: list[str]
    trained_on: list[str]
    preset: str
    backbone: str


class Classes(TypedDict):
    """A class and the probability of every class."""

    label: str
    probabilities: dict[str, float]


class Intensity(TypedDict):
    """A score in [-3, 3]; 10 % of its distribution lie below `low`, 10 % above `high`."""

    value: float
    low: float
    high: float


class _Answered(TypedDict):
    text: str
    polarity: Classes
    disagreements: list[str]


class Answer(_Answered, total=False):
    """What a model says of a row; the row's own columns stand beside. `docs/schema/answer.schema.json` has every key."""

    intensity: Intensity
    meld: Classes
    iemocap: Classes
    non_finite: dict[str, int]
    input: dict[str, Any]

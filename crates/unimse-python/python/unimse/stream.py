"""Universal labels for more utterances than fit in memory, block by block against donors that are kept. Needs pyarrow.

A block may come from anywhere: a Parquet file, an actor of Ray (`unimse.ray`), a partition of Spark:
`frame.mapInArrow(labeller.map_in_arrow, from_arrow_schema(labeller.schema))`. So may those that are embedded or answered
(`embedding_in_arrow`, `prediction_in_arrow`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ._native import split
from .errors import InputError
from .labels import unify

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .torch import Encoder, Predictor

__all__ = ["Labeller", "embedded", "embedding_in_arrow", "prediction_in_arrow"]

#: What `unify` reads of a table.
MUST = ("corpus", "split", "utterance_id", "dialogue_id")
MAY = ("score", "polarity", "emotion", "meld", "iemocap")


class Labeller:
    """Labels tables against donors that are kept; the rows of a table neither lend nor see each other.

    It holds the donors, their embeddings once, and room for the embeddings of the largest table so far; a call reads the text columns of
    the donors again and labels one table at a time, whatever thread it comes from. So what a row gets depends on the donors and on itself, and not on how rows are divided into tables: it is what
    `unify(everything, queries="test")` gives it, with donors of the split train and rows of the split test.
    """

    def __init__(self, donors: Any, *, min_similarity: float | None = None) -> None:
        """Takes the donors.

        Args:
            donors: A `pyarrow.Table` with the columns that `unify` reads and `embedding`, float32 lists of one length and of unit norm.
                Every row lends, whatever its split.
            min_similarity: A nearest donor of a smaller cosine lends nothing.

        Raises:
            InputError: As of `unify`; a column that is missing or of another type; lists of unequal length.
        """
        self._min_similarity = min_similarity
        self._has_polarity = "polarity" in donors.column_names
        self._donors = _samples(donors, "train")
        self._lent = _fields(self._donors)
        self._rows = _embeddings(donors)  # the last of them are the donors'
        self._lock = threading.Lock()  # of _rows
        labels = unify(self._donors, self._rows, queries="test", min_similarity=min_similarity)
        self.schema = labels.to_pyarrow().schema
        """Of the tables that come back, as of `unify`."""

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_rows": self._rows[-len(self._donors) :]}
        del state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def __call__(self, block: Any) -> Any:
        """The labels of a `pyarrow.Table`, row by row, with the split that it has.

        Raises:
            InputError: As of `unify`; another number of dimensions than the donors'; a field that a row has and no donor.
        """
        import pyarrow as pa

        if not len(block):
            return self.schema.empty_table()
        if ("polarity" in block.column_names) != self._has_polarity:
            raise InputError("column polarity: expected in the donors and in the rows that ask, or in neither")
        samples = _samples(block, "test")
        splits = _splits(block)
        # with such a field one row would decide what becomes of the others of its block
        for field in sorted(_fields(samples) - self._lent):
            raise InputError(f"{field}: the rows that ask have it and no donor has")
        embeddings = _embeddings(block)
        # the block first: errors count its rows
        table = pa.concat_tables([samples, self._donors])
        with self._lock:
            labels = unify(table, self._before_donors(embeddings), queries="test", min_similarity=self._min_similarity)
        asked = labels.to_pyarrow().slice(0, len(block))
        place = self.schema.get_field_index("split")
        return asked.set_column(place, self.schema.field(place), splits)

    def _before_donors(self, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The rows of a block and after them those of the donors, which are copied only for a block larger than all before it."""
        import numpy as np

        rows, dim = embeddings.shape
        donors = len(self._donors)
        if dim != self._rows.shape[1]:
            raise InputError(f"embedding: expected {self._rows.shape[1]} dimensions, found {dim}")
        if len(self._rows) < rows + donors:
            grown = np.empty((rows + donors, dim), np.float32)
            grown[rows:] = self._rows[-donors:]
            self._rows = grown
        both = self._rows[-(rows + donors) :]
        both[:rows] = embeddings
        return both

    def map_in_arrow(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Record batches in, record batches out: what `mapInArrow` of Spark takes."""
        import pyarrow as pa

        for batch in batches:
            yield from self(pa.Table.from_batches([batch])).to_batches()


def _samples(table: Any, to: str) -> Any:
    """The columns that `unify` reads, of one type each, all rows of the split `to`."""
    import pyarrow as pa

    for name in MUST:
        if name not in table.column_names:
            raise InputError(f"column {name} is missing")
    columns: dict[str, Any] = {}
    for name in (*MUST, *MAY):
        if name == "split":
            columns[name] = pa.repeat(pa.scalar(to), len(table))
        elif name in table.column_names:
            columns[name] = _column(table, name)
        elif name != "polarity":
            columns[name] = pa.nulls(len(table), pa.float32() if name == "score" else pa.string())
    return pa.table(columns)


def _column(table: Any, name: str) -> Any:
    """A column as text, or the score as float32; of the types that `unify` takes."""
    import pyarrow as pa

    column = table[name]
    kind, of = column.type, pa.types
    if name == "score":
        fits = of.is_integer(kind) or of.is_floating(kind) or of.is_decimal(kind)
    else:
        words = kind.value_type if of.is_dictionary(kind) else kind
        fits = str(words) in ("string", "large_string", "string_view")
    if not fits and not of.is_null(kind):
        raise InputError(f"column {name}: expected {'numbers' if name == 'score' else 'text'}, found {kind}")
    try:
        return column.cast(pa.float32() if name == "score" else pa.string())
    except pa.ArrowException as error:
        raise InputError(f"column {name}: {error}") from error


def _splits(table: Any) -> Any:
    """The splits of the rows, each by the name that `unify` gives it."""
    import pyarrow as pa

    words = _column(table, "split").to_pylist()
    names: dict[str, str] = {}
    for row, word in enumerate(words, 1):
        if word is None:
            raise InputError(f"row {row}: column split: expected a value, found null")
        if word not in names:
            try:
                names[word] = split(word)
            except InputError as error:
                raise InputError(f"row {row}: column split: {error}") from error
    return pa.array([names[word] for word in words], pa.string())


def _fields(samples: Any) -> frozenset[str]:
    """The fields that any row has, its polarity known or not: `unify` takes them for present in all rows."""
    import pyarrow.compute as pc

    def has(name: str, corpus: str) -> bool:
        column = samples[name]
        if name == "emotion":
            column = column.filter(pc.call_function("equal", [samples["corpus"], corpus]))
        return bool(column.null_count < len(column))

    columns = {"intensity": ("score",), "meld": ("meld", "emotion"), "iemocap": ("iemocap", "emotion")}
    return frozenset(field for field, names in columns.items() if any(has(name, field) for name in names))


def _embeddings(table: Any) -> npt.NDArray[np.float32]:
    """The column `embedding` as a matrix [rows, dim]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "embedding" not in table.column_names:
        raise InputError("column embedding is missing")
    column = table["embedding"].combine_chunks()
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not pa.types.is_float32(kind.value_type):
        raise InputError(f"column embedding: expected lists of float32, found {kind}")
    values, lengths = column.flatten(), pc.call_function("list_value_length", [column]).unique().to_pylist()
    if len(lengths) != 1 or column.null_count or values.null_count:
        raise InputError(f"column embedding: expected lists of one length without nulls, found lengths {lengths}")
    matrix: npt.NDArray[np.float32] = values.to_numpy().reshape(len(column), lengths[0])
    return matrix


def embedded(encoder: Encoder, block: Any) -> Any:
    """A `pyarrow.Table` with the embeddings of its column `text` behind the others, as `embedding`, float32 lists of unit norm.

    Raises:
        InputError: No column `text` of text; null in it; a column `embedding`, which would be there twice.
    """
    import pyarrow as pa

    if "text" not in block.column_names:
        raise InputError("column text is missing")
    if "embedding" in block.column_names:
        raise InputError("column embedding: expected none, it is what comes back")
    texts = _column(block, "text")
    if texts.null_count:
        raise InputError(f"column text: expected a value in every row, found {texts.null_count} null")
    rows = encoder(texts)
    ends = range(0, rows.size + 1, encoder.dim)
    # lists of any length: Spark knows no others
    return block.append_column("embedding", pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(rows.ravel())))


#: Record batches in, record batches out: what `mapInArrow` of Spark takes.
Batches = Callable[[Iterable[Any]], Iterator[Any]]


def embedding_in_arrow(encoder: Encoder) -> Batches:
    """What adds `embedding` to record batches (`embedded`). The encoder is loaded again, once, in every process that it travels to."""

    def embed(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        for batch in batches:
            yield from embedded(encoder, pa.Table.from_batches([batch])).to_batches()

    return embed


def prediction_in_arrow(predictor: Predictor) -> Batches:
    """What answers record batches with the columns that a `Predictor` gives. A partition is answered as one table, so a dialogue must lie in
    one (`frame.repartition("dialogue_id")`), and a partition must fit in memory."""

    def predict(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        whole = list(batches)
        if whole:
            yield from predictor(pa.Table.from_batches(whole)).to_pyarrow().to_batches()

    return predict

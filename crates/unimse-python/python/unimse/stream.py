"""Universal labels for more utterances than fit in memory, block by block against donors that are kept. Needs pyarrow.

A block may come from anywhere: a Parquet file, an actor of Ray (`unimse.ray`), a partition of Spark:
`frame.mapInArrow(labeller.map_in_arrow, from_arrow_schema(labeller.schema))`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .labels import unify

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Labeller"]

#: What `unify` reads of a table.
MUST = ("corpus", "split", "utterance_id", "dialogue_id")
MAY = ("score", "polarity", "emotion", "meld", "iemocap")
FIELDS = ("intensity", "meld", "iemocap")


class Labeller:
    """Labels tables against donors that are kept; the rows of a table neither lend nor see each other.

    So what a row gets depends on the donors and on itself, and not on how rows are divided into tables: it is what
    `unify(everything, queries="test")` gives it, with donors of the split train and rows of the split test.
    """

    def __init__(self, donors: Any, *, min_similarity: float | None = None) -> None:
        """Takes the donors.

        Args:
            donors: A `pyarrow.Table` with the columns that `unify` reads and `embedding`, float32 lists of one length and of unit norm.
                Every row lends, whatever its split.
            min_similarity: A nearest donor of a smaller cosine lends nothing.

        Raises:
            InputError: As of `unify`; a column that is missing; lists of unequal length.
        """
        self._min_similarity = min_similarity
        self._has_polarity = "polarity" in donors.column_names
        self._donors = _samples(donors, "train")
        self._embeddings = _embeddings(donors)
        labels = unify(self._donors, self._embeddings, queries="test").to_pyarrow()
        self._lent = frozenset(field for field in FIELDS if "gold" in labels[f"{field}_source"].unique().to_pylist())
        self.schema = labels.schema
        """Of the tables that come back, as of `unify`."""

    def __call__(self, block: Any) -> Any:
        """The labels of a `pyarrow.Table`, row by row, with the split that it has.

        Raises:
            InputError: As of `unify`; another number of dimensions than the donors'; a gold field that no donor has.
        """
        import numpy as np
        import pyarrow as pa

        if not len(block):
            return self.schema.empty_table()
        if ("polarity" in block.column_names) != self._has_polarity:
            raise InputError("column polarity: expected in the donors and in the rows that ask, or in neither")
        embeddings = _embeddings(block)
        if embeddings.shape[1] != self._embeddings.shape[1]:
            raise InputError(f"embedding: expected {self._embeddings.shape[1]} dimensions, found {embeddings.shape[1]}")
        table = pa.concat_tables([self._donors, _samples(block, "test")])
        rows = np.concatenate([self._embeddings, embeddings])
        labels = unify(table, rows, queries="test", min_similarity=self._min_similarity).to_pyarrow()
        labels = labels.slice(len(self._donors))
        for field in FIELDS:
            # with such a field rows of one block would decide what becomes of those of another
            if field not in self._lent and "gold" in labels[f"{field}_source"].unique().to_pylist():
                raise InputError(f"{field}: the rows that ask have it and no donor has")
        place = labels.schema.get_field_index("split")
        return labels.set_column(place, labels.schema.field(place), block["split"].cast(pa.string()))

    def map_in_arrow(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Record batches in, record batches out: what `mapInArrow` of Spark takes."""
        import pyarrow as pa

        for batch in batches:
            yield from self(pa.Table.from_batches([batch])).to_batches()


def _samples(table: Any, split: str) -> Any:
    """The columns that `unify` reads, of one type each, all rows of one split."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in (*MUST, *MAY):
        kind = pa.float32() if name == "score" else pa.string()
        if name == "split":
            columns[name] = pa.repeat(pa.scalar(split), len(table))
        elif name in table.column_names:
            columns[name] = table[name].cast(kind)
        elif name in MUST:
            raise InputError(f"column {name} is missing")
        elif name != "polarity":
            columns[name] = pa.nulls(len(table), kind)
    return pa.table(columns)


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

"""Universal labels for more utterances than fit in memory, block by block against donors that are kept. Needs pyarrow.

A block may come from anywhere: a Parquet file, an actor of Ray (`unimse.ray`), a partition of Spark:
`frame.mapInArrow(labeller.map_in_arrow, from_arrow_schema(labeller.schema))`. So may those that are embedded or answered
(`embedding_in_arrow`, `prediction_in_arrow`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from . import _native
from .errors import InputError

if TYPE_CHECKING:
    from .torch import Encoder, Predictor

__all__ = ["Labeller", "embedded", "embedding_in_arrow", "prediction_in_arrow"]

class Labeller:
    """Labels tables against donors that are kept; the rows of a table neither lend nor see each other.

    It holds the donors, parsed once, their embeddings, and room for those of the largest table so far, and labels one table at a time, whatever
    thread it comes from. So what a row gets depends on the donors and on itself, and not on how rows are divided into tables: it is what
    `unify(everything, queries="test")` gives it, with donors of the split train and rows of the split test.
    """

    schema: Any
    """Of the tables that come back, as of `unify`."""

    def __init__(self, donors: Any, *, min_similarity: float | None = None) -> None:
        """Takes the donors.

        Args:
            donors: A `pyarrow.Table` with the columns that `unify` reads and `embedding`, float32 lists of one length and of unit norm.
                Every row lends, whatever its split.
            min_similarity: A nearest donor of a smaller cosine lends nothing.

        Raises:
            InputError: As of `unify`; a column that is missing or of another type; lists of unequal length.
        """
        self._native = _native.Labeller(donors, min_similarity)
        self.schema = self(donors.slice(0, 0)).schema

    def __call__(self, block: Any) -> Any:
        """The labels of a `pyarrow.Table`, row by row, with the split that it has.

        Raises:
            InputError: As of `unify`; another number of dimensions than the donors'; a field that a row has and no donor.
            KeyboardInterrupt: Ctrl-C, between blocks of some 16,000 rows.
        """
        return self._native(block).to_pyarrow()

    def map_in_arrow(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Record batches in, record batches out: what `mapInArrow` of Spark takes."""
        import pyarrow as pa

        for batch in batches:
            yield from self(pa.Table.from_batches([batch])).to_batches()


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
    texts, kind = block["text"], block["text"].type
    words = kind.value_type if pa.types.is_dictionary(kind) else kind
    if str(words) not in ("string", "large_string", "string_view", "null"):
        raise InputError(f"column text: expected text, found {kind}")
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

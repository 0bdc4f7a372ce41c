"""Universal labels: what a corpus lacks, lent by the most similar text of the same polarity (UniMSE, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from . import _native
from ._native import Donors, Grammar, Label, Table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .types import ArrowTable

__all__ = ["Donors", "Grammar", "Label", "Table", "unify"]


def unify(
    table: ArrowTable,
    embeddings: npt.NDArray[np.float32],
    *,
    donors: Literal["train", "all", "none", "random", "shuffled"] = "train",
    queries: Literal["train+dev", "all", "test"] = "train+dev",
    min_similarity: float | None = None,
    seed: int = 1,
) -> Table:
    """Gives every row of a table its universal label, with the provenance of each field.

    A field that the corpus gives stays (source `gold`). A neutral row follows the rule: intensity 0, emotion neutral (`rule`). Any other
    field comes from the row whose embedding is nearest by cosine, among the rows that have the field, share the polarity and are of another
    dialogue or video (`donor`); ties go to the lowest (corpus, utterance_id). Where there is none the field is null (`missing`). The
    search is exact, and its result is the same for any number of threads.

    Args:
        table: One row an utterance. Columns `corpus`, `split` (train, dev or valid, test), `utterance_id` and `dialogue_id`, all text;
            `score`, a number in [-3, 3] or null; `polarity`, text or null for a row that neither gives nor takes, by default the sign of
            the score; `emotion`, text, for rows of the corpora `meld` and `iemocap`; `meld` and `iemocap`, the emotions of any corpus. The
            tables that `ingest` writes have them.
        embeddings: float32 [rows, dim], rows of unit length in the order of the table, from any sentence encoder. Nothing may write to it
            meanwhile.
        donors: Who lends: `train` rows; `all` rows, as the official release does it, which leaks labels of test rows; nobody (`none`); or
            the controls `random` and `shuffled`.
        queries: Who takes: `train+dev` rows; `all`, a diagnostic that no training may read; `test` rows alone, as `unimse.stream` does it.
        min_similarity: A nearest row of a smaller cosine lends nothing.
        seed: Of the two controls.

    Returns:
        One row a row of `table`, in its order: `corpus, utterance_id, split, polarity`, then for each of intensity, meld and iemocap the
        value and `<field>_source, <field>_donor_corpus, <field>_donor_id, <field>_similarity` (cosine) and `<field>_margin` (to the
        second nearest).

    Raises:
        InputError: A column or value that cannot be used, by name and row; an embedding that is no unit row.
        TypeError: No table, or no float32 matrix.
        KeyboardInterrupt: Ctrl-C, between blocks of some 16,000 rows.
    """
    return _native.unify(
        table, embeddings, donors=donors, queries=queries, min_similarity=min_similarity, seed=seed
    )

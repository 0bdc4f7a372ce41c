"""What needs a model: answers of a trained run, sentence embeddings. Needs `pip install unimse[torch]`.

It computes with the torch that is installed, of release 2.11: the same libraries, threads (`torch.set_num_threads`) and device. Objects may be
shared by threads, whose calls wait for each other, and used in processes that were forked, as the workers of a DataLoader are.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Union, overload

from . import _native
from .errors import InputError
from .labels import Table
from .runs import Run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .types import Answer, ArrowTable

__all__ = ["Encoder", "Predictor"]

#: The release whose libraries the extension was linked with: those of another have other symbols.
TORCH = "2.11"

# torch first: it loads the libraries that the extension finds by name. By its name, for type checkers without it take this file for it.
try:
    torch = importlib.import_module("torch")
except ImportError as error:
    raise ImportError(f"unimse.torch needs torch {TORCH}, found none that can be imported ({error}); pip install 'unimse[torch]'") from error
if not f"{torch.__version__}.".startswith(f"{TORCH}."):
    raise ImportError(f"unimse.torch needs torch {TORCH}, found {torch.__version__}; pip install 'torch=={TORCH}.*'")
try:
    import unimse_torch
except ImportError as error:
    raise ImportError(f"unimse.torch needs the package unimse-torch ({error}); pip install 'unimse[torch]'") from error
if unimse_torch.VERSION != _native.VERSION:
    raise ImportError(f"unimse.torch needs unimse-torch {_native.VERSION}, found {unimse_torch.VERSION}")


class Predictor:
    """The trained model of a run, or those of several seeds together, loaded once."""

    def __init__(self, run: Union[str, os.PathLike[str], Run], *, context: int | None = None) -> None:
        """Loads the selected checkpoint.

        Args:
            run: A run folder, of which only `checkpoints` is read, or a run of `load_run`. The folder of several seeds answers with the mean of
                their probabilities.
            context: Rows before and after each row that are its context, within its dialogue, without `dialogue_id` within the call; at most
                as many as the model was trained with. Default: the model's own number within dialogues, 0 elsewhere.

        Raises:
            InputError: There is no trained model; a file that is not as training wrote it.
            FileError: A file that cannot be read.
        """
        if context is not None and context < 0:
            raise InputError(f"context: {context}, expected 0 or more")
        self._run = os.fspath(run.path if isinstance(run, Run) else run)
        self._context = context
        self._native = unimse_torch.Predictor(self._run, context)

    def __reduce__(self) -> tuple[Any, ...]:
        return _load, (self._run, self._context)

    @property
    def context(self) -> tuple[int, int]:
        """Utterances of context that the model reads, before and after the current one."""
        return self._native.context

    @overload
    def __call__(self, rows: ArrowTable) -> Table: ...
    @overload
    def __call__(self, rows: Iterable[Mapping[str, Any]]) -> list[Answer]: ...
    def __call__(self, rows: Any) -> Any:
        """Answers every row, in order.

        Args:
            rows: A table, or mappings. Of a row are read: `text`; `context` and `context_after`, lists of texts; `audio` and `video`, lists
                [steps, features] or paths; `dialogue_id`, `turn`, `speaker`. Rows of one `dialogue_id` are read in the context of each other.
                An answer depends on its row and context alone, but for rounding: a batch holds rows of like length.

        Returns:
            For mappings the answers as dicts, as `unimse predict` prints them. For a table one with the columns `text`; `polarity`, `meld`,
            `iemocap`, each with `_probabilities` (in the order of the classes); `intensity` with `_low` and `_high` (10 % of the distribution
            lie below and above); `disagreements`, why fields do not agree; `non_finite_audio` and `_video`, values that were read as 0. A
            column is null where the run has no such field. Behind them are the other columns of the table, `input_` before the name of
            one that is here already.

        Raises:
            InputError: A row that cannot be read, by number and field.
            FileError: A file of features that cannot be read.
            KeyboardInterrupt: Ctrl-C, between batches.
        """
        if _is_table(rows):
            return _native.answer_table(rows, self.json_lines(rows))
        return [json.loads(line) for line in self.json_lines(rows).splitlines()]

    def json_lines(self, rows: Union[ArrowTable, Iterable[Mapping[str, Any]]]) -> bytes:
        """The answers as `unimse predict` prints them of a file of these rows: the same bytes with as many threads."""
        given: Any = rows  # no checker tells a table from an iterable by its methods
        if _is_table(given):
            return self._native.answer(_native.json_lines(given))
        try:
            lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in given]
        except (TypeError, ValueError) as error:
            raise InputError(f"rows: expected a table, or dicts of text, numbers and lists: {error}") from error
        return self._native.answer("\n".join(lines).encode())


@functools.lru_cache(maxsize=1)  # a worker of Spark or Ray is sent the same with every task
def _load(run: str, context: int | None) -> Predictor:
    return Predictor(run, context=context)


def _is_table(rows: object) -> bool:
    return hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "__arrow_c_array__")


class Encoder:
    """The sentence encoder of the label unifier, loaded once."""

    def __init__(
        self, encoder: Union[str, os.PathLike[str]] = ".models/all-MiniLM-L6-v2", *, pooling: Literal["mean", "cls"] | None = None
    ) -> None:
        """Loads it.

        Args:
            encoder: A folder of `config.json`, `tokenizer.json` and weights, or the id of one on the Hub.
            pooling: The mean of its states, or that of `[CLS]`; default what its `1_Pooling/config.json` says, else the mean.

        Raises:
            InputError: There is no such encoder; files that do not fit.
            FileError: A file that cannot be read.
        """
        self._arguments = (os.fspath(encoder), pooling)
        self._native = unimse_torch.Encoder(*self._arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return _encoder, self._arguments

    @property
    def dim(self) -> int:
        """Width of an embedding."""
        return self._native.dim

    def __call__(self, texts: Iterable[str]) -> npt.NDArray[np.float32]:
        """Unit rows, float32 [texts, dim], for `unimse.unify` and `unimse.Donors`; those of `unimse unify` for the same texts.

        Equal texts are embedded once, so their rows are equal. Texts of like length share a batch of 64, which a row depends on by rounding.

        Raises:
            InputError: A text that cannot be encoded.
            KeyboardInterrupt: Ctrl-C, between batches.
        """
        given: Any = texts  # a column of pyarrow iterates over scalars that are no values of Python
        return self._native.embed(given.to_pylist() if hasattr(given, "to_pylist") else list(given))


@functools.lru_cache(maxsize=1)
def _encoder(encoder: str, pooling: Any) -> Encoder:
    return Encoder(encoder, pooling=pooling)

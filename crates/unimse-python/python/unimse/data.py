"""Files of others: pickles of numpy arrays, data folders, demo data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Union

from . import _native

if TYPE_CHECKING:
    from .types import Finding, Summary

__all__ = ["demo", "doctor", "ingest", "read_pickle"]

Path = Union[str, "os.PathLike[str]"]


def read_pickle(path: Path, *, bytes_as_text: bool = False) -> Any:
    """Reads a pickle of dicts, lists and numpy arrays, protocols 0 to 5, of Python 2 and 3; never runs what it says.

    Any global beyond those that such data need is an error that names it. Objects that the pickle names twice are one object here too;
    arrays have the type, shape and order of the file and can be written to; scalars of numpy are Python's numbers.

    Args:
        path: A regular file.
        bytes_as_text: Read bytes as text: UTF-8 where they are that, Latin-1 otherwise. Python 2 wrote all its text as bytes. Arrays are
            left as they are.

    Raises:
        InputError: A broken or hostile pickle, by byte; a value that is none of these (a class, an integer of more than 64 bits).
        FileError: A file that cannot be read.
    """
    return _native.read_pickle(path, bytes_as_text=bytes_as_text)


def ingest(
    data: Path,
    out: Path,
    *,
    features: Mapping[str, Path] | None = None,
    progress: Callable[[str], object] | None = None,
) -> list[Summary]:
    """Reads every corpus of a data folder (`data/<mosi|mosei|meld|iemocap>/...`, or tables of one's own) and writes
    `out/<corpus>-<split>.parquet`, all or nothing.

    Args:
        data: The folder; `docs/datasets.md` describes the layouts.
        out: The folder of tables.
        features: The feature file of a corpus, where several fit.
        progress: Called with one line a step, from another thread. What it raises ends the work and is raised.

    Returns:
        What each table holds.

    Raises:
        InputError: The first thing that is wrong with the data: file, row or key, expected and found.
        FileError: A file that cannot be read or written.
        KeyboardInterrupt: Ctrl-C; `out` then is as it was.
    """
    chosen = None if features is None else dict(features)
    return _native.ingest(data, out, features=chosen, progress=progress)


def doctor(data: Path) -> list[Finding]:
    """What a data folder holds, what is wrong and what is missing, as `ingest` would read it; errors first.

    Raises:
        FileError: The folder cannot be read.
        KeyboardInterrupt: Ctrl-C, once the folder is read.
    """
    return _native.doctor(data)


def demo(out: Path) -> None:
    """Writes four small synthetic corpora in the layouts of the real ones, the same bytes on every machine.

    Raises:
        InputError: The folder holds something else.
        FileError: The folder cannot be written.
    """
    _native.demo(out)

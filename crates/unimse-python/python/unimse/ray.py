"""Universal labels on a cluster, with Ray Data: a folder of Parquet files in, a folder of Parquet files out. Needs ray[data] and pyarrow.

A file is the unit of work: one actor reads it in blocks, labels it and writes the file of the same name, under a temporary name until it is
whole. So memory is bounded whatever the size of the corpus, a lost worker costs the file that it was at, and a second call does what is left.
The donors lie in Ray's object store once a machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict, Union

from .errors import FileError, InputError
from .stream import Labeller

if TYPE_CHECKING:
    Path = Union[str, "os.PathLike[str]"]

__all__ = ["Labelled", "label_file", "unify"]

#: Names what the files of a folder were made with.
RECEIPT = "_unimse.json"
#: Seconds after which nobody writes to a partial file any more that was not written to.
LOST = 3600


class Labelled(TypedDict):
    """What a call has done."""

    files: int
    """Files that it wrote."""
    rows: int
    """Rows of those."""
    skipped: int
    """Files that were there already."""


def unify(
    queries: Path,
    donors: Path,
    out: Path,
    *,
    workers: int,
    threads: int = 1,
    rows: int = 65536,
    min_similarity: float | None = None,
) -> Labelled:
    """Labels every row of every `*.parquet` file of a folder against donors, on the Ray cluster that `ray.init` has joined.

    What a row gets does not depend on files, workers or order: it is what one process gives it (`unimse.stream.Labeller`).

    Args:
        queries: A folder that every machine sees. Columns as of `unimse.unify`, and `embedding`: float32 lists of unit norm.
        donors: A Parquet file of the same columns; every row lends.
        out: A folder that every machine sees, for files of the same names with the columns that `unimse.unify` gives.
        workers: Actors.
        threads: Of each, and the cores that it asks Ray for.
        rows: Of a block, 1 or more: what an actor holds at a time beside the donors.
        min_similarity: A nearest donor of a smaller cosine lends nothing.

    Raises:
        InputError: No such files; `out` holds files that were made with other donors or options; a file that cannot be labelled, by name.
        FileError: A file or folder that cannot be read or written.
        Of several such files it names one; those that are whole by then stay for the next call.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import ray

    for name, value in (("workers", workers), ("threads", threads), ("rows", rows)):
        if value < 1:
            raise InputError(f"{name}: {value}, expected 1 or more")
    source, target, lending = pathlib.Path(queries), pathlib.Path(out), pathlib.Path(donors)
    files = sorted(file.name for file in source.glob("*.parquet"))
    if not files:
        raise InputError(f"{source}: expected *.parquet files, found none")
    with _errors_of(lending):
        data = lending.read_bytes()
        labeller = Labeller(pq.ParquetFile(pa.BufferReader(data)).read(), min_similarity=min_similarity)
    _receipt(target, {"donors_sha256": hashlib.sha256(data).hexdigest(), "min_similarity": min_similarity})
    left = [name for name in files if not (target / name).exists()]
    if not left:
        return Labelled(files=0, rows=0, skipped=len(files))
    work = ray.data.from_items([{"file": name} for name in left], override_num_blocks=len(left))
    written = work.map_batches(
        _Worker,
        fn_constructor_args=(ray.put(labeller), str(source), str(target), threads, rows),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=threads,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(left))),
    )
    count = 0
    for row in written.iter_rows():
        if row["error"] is not None:
            raise (FileError if row["of_system"] else InputError)(row["error"])
        count += row["rows"]
    return Labelled(files=len(left), rows=count, skipped=len(files) - len(left))


class _Worker:
    """The actor: holds the donors, labels one file after the other. Ray wraps exceptions, so it returns them as rows."""

    def __init__(self, labeller: Any, source: str, target: str, threads: int, rows: int) -> None:
        import ray

        os.environ["RAYON_NUM_THREADS"] = str(threads)
        self.labeller: Labeller = ray.get(labeller)
        self.source, self.target, self.rows = pathlib.Path(source), pathlib.Path(target), rows

    def __call__(self, work: Any) -> Any:
        import pyarrow as pa

        done = [self._label(name) for name in work["file"].to_pylist()]
        schema = pa.schema({"rows": pa.int64(), "error": pa.string(), "of_system": pa.bool_()})
        return pa.Table.from_pylist(done, schema)

    def _label(self, name: str) -> dict[str, Any]:
        try:
            rows = label_file(self.labeller, self.source / name, self.target, self.rows)
            return {"rows": rows, "error": None, "of_system": False}
        except (FileError, InputError) as error:
            return {"rows": 0, "error": str(error), "of_system": isinstance(error, FileError)}


def label_file(labeller: Labeller, source: pathlib.Path, target: pathlib.Path, rows: int) -> int:
    """Labels a Parquet file into the file of the same name below `target`, in blocks of `rows`; says of how many rows.

    Raises:
        InputError: No Parquet; a block that cannot be labelled.
        FileError: A file that cannot be read or written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    with _errors_of(source), pq.ParquetFile(source) as file, _whole(target / source.name) as sink:
        with pq.ParquetWriter(sink, labeller.schema, compression="zstd") as writer:
            for batch in file.iter_batches(rows):
                writer.write_table(labeller(pa.Table.from_batches([batch])))
                count += len(batch)
    return count


@contextlib.contextmanager
def _errors_of(file: pathlib.Path) -> Iterator[None]:
    """What Arrow, the system and the package raise while a file is read, as the package's own errors that name it."""
    import pyarrow as pa

    try:
        yield
    except (ValueError, KeyError, pa.ArrowException) as error:  # InputError and bad UTF-8 are of the first
        raise InputError(f"{file}: {error}") from error
    except OSError as error:
        raise FileError(f"{file}: {error}") from error


@contextlib.contextmanager
def _whole(path: pathlib.Path) -> Iterator[BinaryIO]:
    """A file that is there under its name once it is whole and on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _receipt(target: pathlib.Path, made: dict[str, Any]) -> None:
    """Refuses a folder whose files were made with something else; removes what lost workers left."""
    receipt = target / RECEIPT
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.glob("*.parquet")):
            _same(receipt, made)
        else:
            with _whole(receipt) as sink:
                sink.write(json.dumps(made).encode() + b"\n")
        for left in target.glob(".*.partial"):
            with contextlib.suppress(FileNotFoundError):  # whole by now
                if left.stat().st_mtime < time.time() - LOST:
                    left.unlink()
    except OSError as error:
        raise FileError(str(error)) from error


def _same(receipt: pathlib.Path, made: dict[str, Any]) -> None:
    """Refuses a receipt that says something else, or nothing."""
    if not receipt.exists():
        raise InputError(f"{receipt.parent}: holds Parquet files and no {RECEIPT}, expected an empty folder or one of a call like this")
    text = receipt.read_bytes()
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"{receipt}: expected {made}, found no JSON ({error}); choose another folder, or remove this one") from error
    if found != made:
        raise InputError(f"{receipt}: expected {made}, found {found}; choose another folder, or remove this one")

"""Universal labels on a cluster, with Ray Data: a folder of Parquet files in, a folder of Parquet files out. Needs ray[data] and pyarrow.

A file is the unit of work: one actor reads it in blocks, labels it and writes the file of the same name, under a temporary name until it is
whole. So memory is bounded whatever the size of the corpus, a lost worker costs the file that it was at, and a second call does what is left.
The donors lie in Ray's object store once a machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import TYPE_CHECKING, Any, TypedDict, Union

from .errors import FileError, InputError
from .stream import Labeller

if TYPE_CHECKING:
    Path = Union[str, "os.PathLike[str]"]

__all__ = ["Labelled", "label_file", "unify"]

#: Names what the files of a folder were made with.
RECEIPT = "_unimse.json"


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
        InputError: No such files; `out` holds files that were made with other donors or options; a table that cannot be labelled.
        FileError: A file or folder that cannot be read or written.
    """
    import pyarrow.parquet as pq
    import ray

    for name, value in (("workers", workers), ("threads", threads), ("rows", rows)):
        if value < 1:
            raise InputError(f"{name}: {value}, expected 1 or more")
    source, target = pathlib.Path(queries), pathlib.Path(out)
    files = sorted(file.name for file in source.glob("*.parquet"))
    if not files:
        raise InputError(f"{source}: expected *.parquet files, found none")
    _receipt(target, pathlib.Path(donors), min_similarity)
    left = [name for name in files if not (target / name).exists()]
    if not left:
        return Labelled(files=0, rows=0, skipped=len(files))
    kept = ray.put(pq.ParquetFile(donors).read())
    work = ray.data.from_items([{"file": name} for name in left], override_num_blocks=len(left))
    written = work.map_batches(
        _Worker,
        fn_constructor_args=(kept, str(source), str(target), threads, rows, min_similarity),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=threads,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(left))),
    )
    return Labelled(files=len(left), rows=sum(row["rows"] for row in written.iter_rows()), skipped=len(files) - len(left))


class _Worker:
    """The actor: holds the donors, labels one file after the other."""

    def __init__(self, donors: Any, source: str, target: str, threads: int, rows: int, min_similarity: float | None) -> None:
        import ray

        os.environ["RAYON_NUM_THREADS"] = str(threads)
        self.labeller = Labeller(ray.get(donors), min_similarity=min_similarity)
        self.source, self.target, self.rows = pathlib.Path(source), pathlib.Path(target), rows

    def __call__(self, work: Any) -> Any:
        import pyarrow as pa

        names = work["file"].to_pylist()
        return pa.table({"rows": [label_file(self.labeller, self.source / name, self.target, self.rows) for name in names]})


def label_file(labeller: Labeller, source: pathlib.Path, target: pathlib.Path, rows: int) -> int:
    """Labels a Parquet file into the file of the same name below `target`, in blocks of `rows`; says of how many rows.

    Raises:
        InputError: A block that cannot be labelled.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    partial, count = target / f".{source.name}.{os.getpid()}.partial", 0
    try:
        with pq.ParquetFile(source) as file, open(partial, "wb") as sink:
            with pq.ParquetWriter(sink, labeller.schema, compression="zstd") as writer:
                for batch in file.iter_batches(rows):
                    writer.write_table(labeller(pa.Table.from_batches([batch])))
                    count += len(batch)
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(partial, target / source.name)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def _receipt(target: pathlib.Path, donors: pathlib.Path, min_similarity: float | None) -> None:
    """Refuses a folder whose files were made with something else; removes what lost workers left."""
    try:
        with open(donors, "rb") as file:
            digest = hashlib.sha256()
            while part := file.read(1 << 20):
                digest.update(part)
        target.mkdir(parents=True, exist_ok=True)
        made = {"donors_sha256": digest.hexdigest(), "min_similarity": min_similarity}
        receipt = target / RECEIPT
        if receipt.exists():
            found = json.loads(receipt.read_text())
            if found != made:
                raise InputError(f"{receipt}: expected {made}, found {found}; choose another folder, or remove this one")
        elif any(target.glob("*.parquet")):
            raise InputError(f"{target}: holds Parquet files and no {RECEIPT}, expected an empty folder or one of a call like this")
        else:
            partial = target / f"{RECEIPT}.{os.getpid()}"
            partial.write_text(json.dumps(made) + "\n")
            os.replace(partial, receipt)
        for left in target.glob(".*.partial"):
            left.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(str(error)) from error

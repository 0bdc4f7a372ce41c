"""Universal labels, answers of a model and sentence embeddings on a cluster, with Ray Data: a folder of Parquet files in, a folder of Parquet
files out. Needs ray[data] and pyarrow; answers and embeddings also unimse[torch].

A file is the unit of work: one actor reads it and writes the file of the same name, under a temporary name until it is whole. So a lost worker
costs the file that it was at, and a second call does what is left. Donors lie in Ray's object store once a machine, a model is loaded once an actor.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, TypedDict, Union

from .errors import FileError, InputError
from .stream import Labeller

if TYPE_CHECKING:
    from .torch import Encoder, Predictor

    Path = Union[str, "os.PathLike[str]"]

__all__ = ["Written", "embed", "label_file", "predict", "predict_file", "embed_file", "unify"]

#: Names what the files of a folder were made with.
RECEIPT = "_unimse.json"
#: Seconds after which nobody writes to a partial file any more that was not written to.
LOST = 3600
#: Times that a call begins with new actors where Ray gives one up.
LIVES = 3


class Written(TypedDict):
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
) -> Written:
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

    _positive(workers=workers, threads=threads, rows=rows)
    files, lending = _Files(queries, out), pathlib.Path(donors)
    with _errors_of(lending):
        data = lending.read_bytes()
        labeller = Labeller(pq.ParquetFile(pa.BufferReader(data)).read(), min_similarity=min_similarity)
    files.receipt({"donors_sha256": hashlib.sha256(data).hexdigest(), "min_similarity": min_similarity})
    return files.write(_labeller, (ray.put(labeller), rows), workers, threads)


def predict(
    rows: Path, run: Path, out: Path, *, workers: int, threads: int = 1, context: int | None = None
) -> Written:
    """Answers every row of every `*.parquet` file of a folder with a trained run, on the Ray cluster that `ray.init` has joined.

    A file is answered as one table: a dialogue must lie in one file, and a file must fit in memory. Its bytes are those that one process with as
    many threads writes (`predict_file`).

    Args:
        rows: A folder that every machine sees. Columns as of `unimse.Predictor`; the tables that `ingest` writes have them.
        run: A run folder that every machine sees.
        out: A folder that every machine sees, for files of the same names with the columns that a `Predictor` gives.
        workers: Actors, each with the model.
        threads: Of each, and the cores that it asks Ray for.
        context: As of `unimse.Predictor`.

    Raises:
        InputError: No such files; no trained model; `out` holds files of another model or context; a file that cannot be answered, by name.
        FileError: A file or folder that cannot be read or written.
    """
    _positive(workers=workers, threads=threads)
    files, folder = _Files(rows, out), pathlib.Path(run)
    cards = sorted(folder.glob("checkpoints/model.json")) or sorted(folder.glob("seed-*/checkpoints/model.json"))
    if not cards:
        raise InputError(f"{folder}: no trained model is here; run `unimse train` first")
    files.receipt({"model_sha256": _sha256(cards), "context": context})  # a card says the SHA-256 of its weights
    return files.write(_predictor, (str(folder), context, threads), workers, threads)


def embed(
    texts: Path, encoder: Path, out: Path, *, workers: int, threads: int = 1, rows: int = 65536
) -> Written:
    """Embeds the column `text` of every `*.parquet` file of a folder, on the Ray cluster that `ray.init` has joined.

    Texts of like length share a batch, which a row depends on by rounding; blocks are cut in the file alone, so its bytes are those that one
    process with as many threads writes (`embed_file`).

    Args:
        texts: A folder that every machine sees.
        encoder: The folder of a sentence encoder that every machine sees, as of `unimse.Encoder`.
        out: A folder that every machine sees, for files of the same names, columns and rows, and `embedding` behind them, float32 lists of
            unit norm: what `unify` takes.
        workers: Actors, each with the encoder.
        threads: Of each, and the cores that it asks Ray for.
        rows: Of a block, 1 or more: what an actor holds at a time.

    Raises:
        InputError: No such files; no encoder; `out` holds files of another encoder or block; a file that cannot be embedded, by name.
        FileError: A file or folder that cannot be read or written.
    """
    _positive(workers=workers, threads=threads, rows=rows)
    files, folder = _Files(texts, out), pathlib.Path(encoder)
    parts = [folder / "config.json", folder / "tokenizer.json", *sorted(folder.glob("*.safetensors")), *folder.glob("1_Pooling/config.json")]
    files.receipt({"encoder_sha256": _sha256(parts), "rows": rows})
    return files.write(_encoder, (str(folder), threads, rows), workers, threads)


#: Writes the file of the same name below a folder; says of how many rows.
_Write = Callable[[pathlib.Path, pathlib.Path], int]


def _labeller(labeller: Any, rows: int) -> _Write:
    import ray

    kept: Labeller = ray.get(labeller)
    return lambda source, target: label_file(kept, source, target, rows)


def _predictor(run: str, context: int | None, threads: int) -> _Write:
    from .torch import Predictor

    importlib.import_module("torch").set_num_threads(threads)
    predictor = Predictor(run, context=context)
    return lambda source, target: predict_file(predictor, source, target)


def _encoder(folder: str, threads: int, rows: int) -> _Write:
    from .torch import Encoder

    importlib.import_module("torch").set_num_threads(threads)
    encoder = Encoder(folder)
    return lambda source, target: embed_file(encoder, source, target, rows)


def _positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise InputError(f"{name}: {value}, expected 1 or more")


def _sha256(files: Iterable[pathlib.Path]) -> str:
    """Of the contents of files, each behind its length."""
    digest = hashlib.sha256()
    for file in files:
        with _errors_of(file):
            data = file.read_bytes()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


class _Files:
    """The Parquet files of a folder, and what of them is written in another."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source, self.target = pathlib.Path(source), pathlib.Path(target)
        self.names = sorted(file.name for file in self.source.glob("*.parquet"))
        if not self.names:
            raise InputError(f"{self.source}: expected *.parquet files, found none")

    def receipt(self, made: dict[str, Any]) -> None:
        _receipt(self.target, made)

    def write(self, make: Callable[..., _Write], arguments: tuple[Any, ...], workers: int, threads: int) -> Written:
        """Writes the files that are not there, with `workers` actors, each of which works with what `make(*arguments)` gives it.

        Ray starts an actor anew whose process or machine was lost. Where one was killed for good it ends the whole: then what is left is done by
        new actors, as by a second call.
        """
        import pyarrow.parquet as pq
        from ray.exceptions import RayActorError

        before = left = self._left()
        for tried in range(LIVES):
            if not left:
                break
            try:
                self._once(left, make, arguments, workers, threads)
            except RayActorError:
                if tried + 1 == LIVES:
                    raise
            left = self._left()
        rows = sum(pq.read_metadata(self.target / name).num_rows for name in before)
        return Written(files=len(before), rows=rows, skipped=len(self.names) - len(before))

    def _left(self) -> list[str]:
        return [name for name in self.names if not (self.target / name).exists()]

    def _once(self, left: list[str], make: Callable[..., _Write], arguments: tuple[Any, ...], workers: int, threads: int) -> None:
        import ray

        work = ray.data.from_items([{"file": name} for name in left], override_num_blocks=len(left))
        written = work.map_batches(
            _Worker,
            fn_constructor_args=(make, arguments, str(self.source), str(self.target), threads),
            batch_size=1,
            batch_format="pyarrow",
            num_cpus=threads,
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(left))),
        )
        for row in written.iter_rows():
            if row["error"] is not None:
                raise (FileError if row["of_system"] else InputError)(row["error"])


class _Worker:
    """The actor: loads what it works with, writes one file after the other. Ray wraps exceptions, so it returns them as rows."""

    def __init__(self, make: Callable[..., _Write], arguments: tuple[Any, ...], source: str, target: str, threads: int) -> None:
        os.environ["RAYON_NUM_THREADS"] = str(threads)
        self.source, self.target = pathlib.Path(source), pathlib.Path(target)
        self.make: Callable[[], _Write] = lambda: make(*arguments)
        self.write: _Write | None = None

    def __call__(self, work: Any) -> Any:
        import pyarrow as pa

        done = [self._write(name) for name in work["file"].to_pylist()]
        schema = pa.schema({"error": pa.string(), "of_system": pa.bool_()})
        return pa.Table.from_pylist(done, schema)

    def _write(self, name: str) -> dict[str, Any]:
        try:
            if self.write is None:  # here its errors are rows too
                self.write = self.make()
            self.write(self.source / name, self.target)
            return {"error": None, "of_system": False}
        except (FileError, InputError) as error:
            return {"error": str(error), "of_system": isinstance(error, FileError)}


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


def predict_file(predictor: Predictor, source: pathlib.Path, target: pathlib.Path) -> int:
    """Answers a Parquet file into the file of the same name below `target`; says of how many rows.

    Raises:
        InputError: No Parquet; a row that cannot be answered.
        FileError: A file that cannot be read or written.
    """
    import pyarrow.parquet as pq

    with _errors_of(source):
        answers = predictor(pq.ParquetFile(source).read()).to_pyarrow()
        with _whole(target / source.name) as sink:
            pq.write_table(answers, sink, compression="zstd")
    return len(answers)


def embed_file(encoder: Encoder, source: pathlib.Path, target: pathlib.Path, rows: int) -> int:
    """Writes a Parquet file with embeddings of its column `text` below `target`, in blocks of `rows`; says of how many rows.

    Raises:
        InputError: No Parquet; no column of text.
        FileError: A file that cannot be read or written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from .stream import embedded

    count = 0
    with _errors_of(source), pq.ParquetFile(source) as file, _whole(target / source.name) as sink:
        schema = embedded(encoder, file.schema_arrow.empty_table()).schema
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for batch in file.iter_batches(rows):
                writer.write_table(embedded(encoder, pa.Table.from_batches([batch])))
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

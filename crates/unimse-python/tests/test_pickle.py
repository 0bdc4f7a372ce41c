"""Pickles: what Python reads is read, what would run something is refused."""

from __future__ import annotations

import collections
import os
import pathlib
import pickle
import tracemalloc

import numpy as np
import pytest
import unimse


def equal(a: object, b: object) -> bool:
    if isinstance(b, np.ndarray) and b.dtype == object:
        return isinstance(a, np.ndarray) and a.shape == b.shape and all(map(equal, a.flat, b.flat))
    if isinstance(b, np.generic):  # read as the number of Python's that it is
        return type(a) is type(b.item()) and bool(a == b or a != a and b != b)
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(equal(a[key], b[key]) for key in b)
    if isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))  # type: ignore[arg-type]
    return type(a) is type(b) and a == b


@pytest.fixture(scope="module")
def content() -> dict[object, object]:
    draw = np.random.default_rng(1)
    arrays = {code: draw.integers(0, 100, (3, 4)).astype(code) for code in ("b1", "i1", "<i8", ">i4", "u2", "f2", "<f4", ">f8")}
    return {
        "arrays": arrays,
        "fortran": np.asfortranarray(arrays["<f4"]),
        "text": np.array(["a", "längst"]),
        "bytes": np.array([b"a", b"bc"]),
        "objects": np.array([{"a": [1]}, None], dtype=object),
        "empty": np.zeros((0, 5), np.float32),
        "no axis": np.array(2.5),
        "scalars": [np.float32(1.5), np.int64(-3), np.float64("nan")],
        "plain": [None, True, 2**40, -1.5, "text", b"bytes", (1, (2,)), {3, 4}, []],
        7: {"nested": [{}]},
    }


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_python_reads_is_read(protocol: int, content: dict[object, object], tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    found = unimse.read_pickle(path)
    for key, value in content.items():
        assert equal(found[key], value), key
    found["arrays"]["<f4"][0, 0] = 9  # its own memory, which can be written to
    assert found["fortran"].flags.f_contiguous


def test_one_object_named_twice_is_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pkl"
    shared = [np.zeros(3)]
    path.write_bytes(pickle.dumps([shared, shared, collections.OrderedDict(a=shared)]))
    found = unimse.read_pickle(path)
    assert found[0] is found[1] is found[2]["a"]


def test_text_of_python_2(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02}U\x05trainU\x03\xe9t\xe9s.")  # {'train': '\xe9t\xe9'} of Python 2
    assert unimse.read_pickle(path) == {b"train": b"\xe9t\xe9"}
    assert unimse.read_pickle(path, bytes_as_text=True) == {"train": "été"}


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_nothing_is_run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("x.pkl").write_bytes(pickle.dumps({"a": Runs()}))
    with pytest.raises(unimse.InputError, match=r"^x.pkl: pickle, byte \d+: global (posix|nt|os).system is not allowed"):
        unimse.read_pickle("x.pkl")
    assert not pathlib.Path("executed").exists()


def laughs(levels: int) -> bytes:
    """A list of a list twice, of a list twice ...: 2^levels leaves, were each made anew."""
    out = b"\x80\x02]q\x00"
    for level in range(1, levels + 1):
        out += b"](h" + bytes([level - 1]) + b"h" + bytes([level - 1]) + b"eq" + bytes([level])
    return out + b"."


def repeated_text(times: int, length: int) -> bytes:
    text = b"X" + length.to_bytes(4, "little") + b"a" * length + b"q\x00"
    return b"\x80\x02](" + text + b"h\x00" * times + b"e."


@pytest.mark.parametrize("make", [lambda: laughs(200), lambda: repeated_text(500_000, 1 << 20)], ids=["lists", "text"])
def test_a_small_file_does_not_fill_the_memory(make: object, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(make())  # type: ignore[operator]
    tracemalloc.start()
    found = unimse.read_pickle(path)
    assert tracemalloc.get_traced_memory()[1] < 64 << 20
    tracemalloc.stop()
    assert found[0] is found[1]


HOSTILE = {
    "empty": (b"", "truncated"),
    "cut": (pickle.dumps({"a": np.zeros(9)})[:-30], "byte"),
    "length of a terabyte": (b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.", "truncated"),
    "contains itself": (b"]q\x00h\x00a.", "recursive"),
    "no pickle": (b"PK\x03\x04 a zip", "byte"),
    "integer of 100 bytes": (b"\x80\x02\x8a\x64" + b"\x01" * 100 + b".", "more than 64 bits"),
    "a list as a key": (b"}]K\x01s.", "unhashable"),
    "a type": (b"cbuiltins\nint\n.", "a type"),
    "dates": (pickle.dumps(np.array(["2020-01-01"], "M8[D]")), "M8"),
    "depth": (b"(" * 5000 + b"l" * 5000 + b".", "nesting|limit"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_errors_that_name_them(name: str, tmp_path: pathlib.Path) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    with pytest.raises(unimse.InputError, match=message) as caught:
        unimse.read_pickle(path)
    assert str(path) in str(caught.value)


def test_every_cut_and_every_flipped_byte_ends_in_a_value_or_an_error(tmp_path: pathlib.Path) -> None:
    whole = pickle.dumps({"a": np.arange(4, dtype=np.float32), "b": ["x", (1, 2.5)]})
    path = tmp_path / "x.pkl"
    for at in range(len(whole)):
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :]):
            path.write_bytes(content)
            try:
                unimse.read_pickle(path)
            except (unimse.InputError, UnicodeError):
                pass


def test_a_folder_or_fifo_is_not_opened(tmp_path: pathlib.Path) -> None:
    with pytest.raises(unimse.FileError, match="expected a regular file"):
        unimse.read_pickle(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(unimse.FileError, match="a FIFO"):
        unimse.read_pickle(tmp_path / "fifo")

"""The extension behind `unimse.torch`, which imports torch before it and says what these do."""

import os
from typing import final

import numpy as np
import numpy.typing as npt

VERSION: str

@final
class Predictor:
    def __new__(cls, run: str | os.PathLike[str], context: int | None = None) -> Predictor: ...
    @property
    def context(self) -> tuple[int, int]: ...
    def answer(self, lines: bytes) -> bytes: ...

@final
class Encoder:
    def __new__(cls, encoder: str | os.PathLike[str], pooling: str | None = None) -> Encoder: ...
    @property
    def dim(self) -> int: ...
    def embed(self, texts: list[str]) -> npt.NDArray[np.float32]: ...

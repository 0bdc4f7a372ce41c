"""Runs: what a training and its evaluation left in a folder."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from . import _native
from .errors import InputError

if TYPE_CHECKING:
    from typing import Literal

    from .types import Results, SplitScores

__all__ = ["Run", "load_run"]


@dataclass(frozen=True)
class Run:
    """A run folder with its results, of one seed or the aggregate of several."""

    path: pathlib.Path
    results: Results
    """`results.json`, of any version that the command line reads."""
    seeds: dict[int, pathlib.Path]
    """The run folders of the seeds below it; empty where it is of one seed."""

    def seed(self, seed: int) -> Run:
        """The run of one of the seeds.

        Raises:
            InputError: There is no such seed.
        """
        if seed not in self.seeds:
            known = ", ".join(map(str, self.seeds)) or "none"
            raise InputError(f"{self.path}: expected one of the seeds {known}, found {seed}")
        return load_run(self.seeds[seed])

    def scores(self, corpus: str, split: Literal["dev", "test"] = "test") -> SplitScores:
        """The scores of a corpus.

        Raises:
            InputError: The run has none of that corpus or split.
        """
        scored = self.results["corpora"].get(corpus)
        scores = None if scored is None else scored.get(split)
        if scores is None:
            known = ", ".join(self.results["corpora"]) or "none"
            raise InputError(f"{self.path}: no {split} scores of {corpus!r}; its corpora: {known}")
        return scores

    @property
    def predictions(self) -> pathlib.Path:
        """What the model said of every dev and test utterance, Parquet; of a run of one seed."""
        return self.path / "predictions.parquet"


def load_run(path: Union[str, os.PathLike[str]]) -> Run:
    """Reads the results of a run folder.

    Raises:
        FileError: There is no `results.json`.
        InputError: It is not as it must be, by field.
    """
    return Run(
        path=pathlib.Path(path),
        results=_native.results(path),
        seeds={seed: pathlib.Path(folder) for seed, folder in _native.seeds(path)},
    )

"""The donor search by itself against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import unimse
from conftest import unit_rows


def test_the_nearest_are_those_of_numpy() -> None:
    kept, asked = unit_rows(700, 24, 1), unit_rows(90, 24, 2)
    donors = unimse.Donors(kept)
    assert (len(donors), donors.dim, repr(donors)) == (700, 24, "<unimse.Donors: 700 rows of 24 dimensions>")
    indices, cosines = donors.nearest(asked, k=3)
    similarity = asked @ kept.T
    assert (indices == np.argsort(-similarity, axis=1)[:, :3]).all()
    assert cosines == pytest.approx(np.take_along_axis(similarity, indices, axis=1), abs=1e-6)
    assert (indices.dtype, cosines.dtype) == (np.int64, np.float32)
    # in blocks, as memory allows
    blocks = [donors.nearest(asked[at : at + 7], k=3)[0] for at in range(0, 90, 7)]
    assert (np.concatenate(blocks) == indices).all()


def test_polarity_and_group_decide_who_may_lend() -> None:
    kept = unit_rows(60, 8, 3)
    polarity = np.array(["negative", "neutral", "positive"] * 20)
    groups = np.arange(60) // 6
    donors = unimse.Donors(kept, polarity=polarity, groups=groups)
    indices, _ = donors.nearest(kept, polarity=polarity, groups=groups)
    similarity = kept @ kept.T
    allowed = (polarity[:, None] == polarity) & (groups[:, None] != groups)
    assert (indices[:, 0] == np.where(allowed, similarity, -2).argmax(axis=1)).all()
    # a group that no donor is of excludes none: each finds itself
    alone, _ = donors.nearest(kept, polarity=polarity, groups=["new"] * 60)
    assert (alone[:, 0] == np.arange(60)).all()


def test_where_there_are_fewer_the_rest_is_empty() -> None:
    rows = unit_rows(3, 2, 4)
    donors = unimse.Donors(rows, polarity=["positive", "negative", "negative"])
    indices, cosines = donors.nearest(rows, k=2, polarity=["positive", "neutral", "negative"])
    assert indices[:, 1].tolist() == [-1, -1, 1] and indices[:2, 0].tolist() == [0, -1]
    assert np.isnan(cosines[indices == -1]).all()
    nobody, _ = donors.nearest(np.zeros((0, 2), np.float32), polarity=[])
    assert nobody.shape == (0, 1)


def test_ties_go_to_the_lower_index() -> None:
    row = unit_rows(1, 4, 5)
    assert unimse.Donors(np.repeat(row, 5, axis=0)).nearest(row, k=5)[0].tolist() == [[0, 1, 2, 3, 4]]


def test_what_cannot_be_searched_is_refused() -> None:
    rows = unit_rows(4, 3, 6)
    broken = rows.copy()
    broken[2] *= 2
    with pytest.raises(unimse.InputError, match="^embeddings in row 3: length 2.0000, expected a finite row of unit length$"):
        unimse.Donors(broken)
    donors = unimse.Donors(rows)
    with pytest.raises(unimse.InputError, match="^embeddings: expected 3 dimensions as of the donors, found 2$"):
        donors.nearest(unit_rows(2, 2, 7))
    with pytest.raises(unimse.InputError, match="^k: expected 1 to the number of donors, 4, found 5$"):
        donors.nearest(rows, k=5)
    with pytest.raises(unimse.InputError, match="^polarity: the donors were built without it and are asked with it; expected both or neither$"):
        donors.nearest(rows, polarity=["positive"] * 4)
    with pytest.raises(unimse.InputError, match="^unknown polarity `good`, expected one of: negative, neutral, positive$"):
        unimse.Donors(rows, polarity=["good"] * 4)
    with pytest.raises(unimse.InputError, match="^groups: expected 4, one a row, found 1$"):
        unimse.Donors(rows, groups=["a"])
    with pytest.raises(TypeError, match="^embeddings: expected a numpy array of float32"):
        unimse.Donors([[1.0]])  # type: ignore[arg-type]

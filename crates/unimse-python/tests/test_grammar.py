"""The text form of labels."""

from __future__ import annotations

import pickle

import pytest
import unimse
from unimse import Grammar, Label


def test_a_label_is_written_and_read() -> None:
    grammar = Grammar()
    label = Label("positive", 1.6, "joy", "excited")
    assert grammar.format(label) == "positive,1.6,joy,excited" == str(label)
    assert grammar.parse("positive,1.6,joy,excited") == (label, [])
    assert hash(label) == hash(Label("positive", 1.6, "joy", "excited")) and label != Label("positive")
    assert repr(label) == "Label('positive', 1.6, 'joy', 'excited')"
    assert eval(repr(label)) == label  # noqa: S307
    assert hash(Label("neutral", 0.0)) == hash(Label("neutral", -0.0))


def test_whatever_a_model_writes_is_repaired_and_told() -> None:
    label, repairs = Grammar(["intensity", "meld"]).parse("Positive, -1.64, anger")
    assert (label.polarity, label.meld, label.iemocap) == ("negative", "anger", None)
    assert label.intensity == pytest.approx(-1.6)
    assert "positive contradicts the sign: negative" in repairs
    with pytest.raises(unimse.InputError, match='^no polarity and no intensity in label "well"$'):
        Grammar().parse("well")


def test_form_fields_and_decimals() -> None:
    triple = Grammar(form="triple", decimals=2)
    assert (triple.form, triple.fields, triple.decimals) == ("triple", ["intensity", "meld", "iemocap"], 2)
    assert triple.format(Label("positive", 1.6, None, "excited")) == "positive,1.60,excited"
    assert len(Grammar().intensity_values("negative")) == 30
    assert repr(Grammar(["meld"])) == "Grammar([\"meld\"], form='fields', decimals=1)"
    for wrong, message in [
        (lambda: Grammar(["mood"]), "unknown field `mood`"),
        (lambda: Grammar(decimals=5), "decimals: 5, expected 0 to 4"),
        (lambda: Label("good"), "unknown polarity `good`"),
        (lambda: Label("positive", 4.0), r"intensity: 4, expected a value in \[-3, 3\]"),
    ]:
        with pytest.raises(unimse.InputError, match=message):
            wrong()
    with pytest.raises(TypeError):
        pickle.dumps(Grammar())

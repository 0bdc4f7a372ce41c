"""Two small corpora lend each other labels: a score and two emotions, with pandas."""

import numpy as np
import pandas as pd
import unimse

table = pd.DataFrame(
    {
        "corpus": ["mosi", "meld", "meld"],
        "split": "train",
        "utterance_id": ["v1_1", "dia0_utt0", "dia1_utt0"],
        "dialogue_id": ["v1", "dia0", "dia1"],
        "polarity": "positive",
        "score": [1.6, None, None],
        "emotion": [None, "joy", "surprise"],
    }
)
# one unit row a sentence, from any sentence encoder
embeddings = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], np.float32)

labels = unimse.unify(table, embeddings).to_pandas()
print(labels[["utterance_id", "intensity", "intensity_source", "meld", "meld_source", "meld_similarity"]])

grammar = unimse.Grammar(["intensity", "meld"])
for row in labels.itertuples():
    print(row.utterance_id, grammar.format(unimse.Label(row.polarity, row.intensity, row.meld)))

//! Whether the text of an utterance finds its own audio and video among those of other utterances, fused layer by fused layer: what the contrastive losses (paper,
//! equation 6) teach, asked of rows that were not learned.

use std::ops::Range;

use unimse_model::Modality;
use unimse_run::{Alignment, LayerRetrieval, Retrieval};

use crate::TrainError;
use crate::evaluate::shown::{ShownRow, matrix};
use crate::evaluate::spoil::FEATURES;

/// One entry a modality that two of the `rows`, of one corpus, have and the model compares; `layers` are the fused ones.
///
/// # Errors
/// A matrix that LibTorch cannot read.
pub(super) fn alignment(
    layers: Range<usize>,
    rows: &[&ShownRow],
) -> Result<Vec<Alignment>, TrainError> {
    let mut found = Vec::new();
    for modality in FEATURES {
        let both = rows
            .iter()
            .filter_map(|row| Some((*row, row.key(modality)?)));
        let both: Vec<(&ShownRow, &[f32])> = both.collect();
        if both.len() > 1 {
            found.push(of_modality(modality, layers.clone(), &both)?);
        }
    }
    Ok(found)
}

fn of_modality(
    modality: Modality,
    layers: Range<usize>,
    rows: &[(&ShownRow, &[f32])],
) -> Result<Alignment, TrainError> {
    let keys = matrix(rows.iter().map(|(_, key)| *key)).tr();
    let of_layer = |(at, layer): (usize, usize)| {
        let text = matrix(rows.iter().map(|(row, _)| row.text[at].as_slice()));
        let similarities = Vec::<f64>::try_from(text.matmul(&keys).flatten(0, 1))?;
        Ok(LayerRetrieval {
            layer,
            found: retrieval(&similarities, rows.len()),
        })
    };
    let layers: Result<_, TrainError> = layers.enumerate().map(of_layer).collect();
    Ok(Alignment {
        modality: modality.name().to_owned(),
        n: rows.len(),
        chance: Retrieval::chance(rows.len()),
        layers: layers?,
    })
}

/// What the ranks on the diagonal of `similarities` `[n, n]` say, rows being those that ask. They are compared in f32: what sums in another order
/// differ by is no order.
fn retrieval(similarities: &[f64], n: usize) -> Retrieval {
    let rows = similarities.chunks(n).enumerate();
    let found: Vec<Retrieval> = rows
        .map(|(at, row)| {
            let own = row[at] as f32;
            let count =
                |test: fn(f32, f32) -> bool| row.iter().filter(|&&s| test(s as f32, own)).count();
            Retrieval::tied(count(|s, own| s > own), count(|s, own| s == own))
        })
        .collect();
    Retrieval::mean(&found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn close(found: Retrieval, mrr: f64, recall: f64) {
        let off = (found.mrr - mrr).abs() + (found.recall_at_1 - recall).abs();
        assert!(off < 1e-12, "{found:?}");
    }

    #[test]
    fn ranks_of_a_matrix_by_hand() {
        // ranks 1, 3 and 2
        let similarities = [
            0.9, 0.1, 0.2, //
            0.5, 0.3, 0.4, //
            0.7, 0.1, 0.6,
        ];
        let mrr = (1.0 + 1.0 / 3.0 + 1.0 / 2.0) / 3.0;
        close(retrieval(&similarities, 3), mrr, 1.0 / 3.0);
    }

    #[test]
    fn representations_that_say_nothing_find_as_much_as_chance() {
        let chance = Retrieval::chance(4);
        close(retrieval(&[0.5; 16], 4), chance.mrr, chance.recall_at_1);
        close(retrieval(&[0.5 + 1e-12, 0.5, 0.5, 0.5], 2), 0.75, 0.5);
    }

    #[test]
    fn layers_and_modalities_are_asked_one_by_one() {
        let (east, north) = (vec![1.0, 0.0], vec![0.0, 1.0]);
        let row = |texts: [&Vec<f32>; 2], audio: &Vec<f32>| {
            let text = texts.map(Clone::clone).to_vec();
            ShownRow::of(text, Some(audio.clone()), None)
        };
        // the lower layer finds the other's audio, the upper its own
        let rows = [row([&north, &east], &east), row([&east, &north], &north)];
        let found = alignment(4..6, &rows.iter().collect::<Vec<_>>()).unwrap();
        let [audio] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((audio.modality.as_str(), audio.n), ("audio", 2));
        close(audio.chance, (1.0 + 1.0 / 2.0) / 2.0, 1.0 / 2.0);
        let layers: Vec<usize> = audio.layers.iter().map(|l| l.layer).collect();
        assert_eq!(layers, [4, 5]);
        close(audio.layers[0].found, 1.0 / 2.0, 0.0);
        close(audio.layers[1].found, 1.0, 1.0);
        assert_eq!(alignment(4..6, &[&rows[0]]).unwrap(), []);
    }
}

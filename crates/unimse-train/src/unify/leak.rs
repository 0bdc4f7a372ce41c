//! What test rows gave away where they were allowed to donate.

use std::collections::{HashMap, HashSet};

use unimse_labels::{Field, Sample, Split, UniversalLabel};
use unimse_run::Leak;

/// What test rows gave away to `labels`, where `clean` are those that train donors lend.
pub(crate) fn leak(
    samples: &[Sample],
    labels: &[Option<UniversalLabel>],
    clean: &[Option<UniversalLabel>],
) -> Leak {
    let splits: HashMap<(&str, &str), Split> = samples
        .iter()
        .map(|s| ((s.corpus.as_str(), s.utterance_id.as_str()), s.split))
        .collect();
    let (mut borrowed, mut from_test, mut from_dev, mut changed) = (0, 0, 0, 0);
    let (mut similarity, mut similarity_train) = (Mean::default(), Mean::default());
    let mut read = HashSet::new();
    for ((sample, label), clean) in samples.iter().zip(labels).zip(clean) {
        let (Some(label), Some(clean)) = (label, clean) else {
            continue;
        };
        if sample.split == Split::Test {
            continue;
        }
        for field in Field::BORROWED {
            let (own, train) = (label.field(field), clean.field(field));
            if let Some(donor) = train.donor {
                similarity_train.add(donor.similarity);
            }
            let Some(donor) = own.donor else { continue };
            borrowed += 1;
            similarity.add(donor.similarity);
            changed += usize::from(own.value != train.value);
            let name = (donor.corpus.as_str(), donor.utterance_id.as_str());
            match splits.get(&name) {
                Some(Split::Test) => {
                    from_test += 1;
                    read.insert(name);
                }
                Some(Split::Dev) => from_dev += 1,
                _ => {}
            }
        }
    }
    Leak {
        borrowed,
        from_test,
        from_dev,
        changed,
        test_rows_read: read.len(),
        test_rows: samples
            .iter()
            .filter(|sample| sample.split == Split::Test)
            .count(),
        similarity: similarity.value(),
        similarity_train: similarity_train.value(),
    }
}

/// It as a line of text for a terminal.
pub(crate) fn line(leak: &Leak) -> String {
    format!(
        "leak: of {} values borrowed for train and dev, test rows lent {} and dev rows {}; {} differ from what train donors lend; the gold labels of {} of {} test rows were read; mean similarity {:.3}, with train donors {:.3}",
        leak.borrowed,
        leak.from_test,
        leak.from_dev,
        leak.changed,
        leak.test_rows_read,
        leak.test_rows,
        leak.similarity,
        leak.similarity_train
    )
}

#[derive(Default)]
struct Mean {
    sum: f64,
    n: usize,
}

impl Mean {
    fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.n += 1;
    }

    /// 0 where nothing was added.
    fn value(&self) -> f64 {
        self.sum / self.n.max(1) as f64
    }
}

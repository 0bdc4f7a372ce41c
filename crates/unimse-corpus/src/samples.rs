//! Samples for the unifier out of any table with the right columns, whoever made it: pandas, polars, DuckDB or `ingest`.

use crate::{CorpusKind, Task};
use arrow::array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type};
use unimse_labels::{IemocapEmotion, MeldEmotion, Polarity, Sample, Split, Taxonomy};

/// The rows of a batch as samples, in their order.
///
/// Columns, by name and in any order; others are left alone:
/// - `corpus, split, utterance_id, dialogue_id`: text, never null;
/// - `score`: numbers in [-3, 3], null where the corpus has none;
/// - `polarity`: text, null for an utterance that neither gives nor takes labels. Without the column it is the sign of the score, or what an
///   emotion of IEMOCAP implies;
/// - `emotion`: text, in the taxonomy of the corpora `meld` and `iemocap`; `meld`, `iemocap`: the emotions of any corpus. Where one of these has a
///   value, the `emotion` of another corpus is left alone.
///
/// Text may be of any Arrow type of text, plain or as a dictionary, and a column without a value of the type null.
///
/// # Errors
/// In words: the column that is missing or of another type; the first row, from 1, whose value cannot be read.
pub fn samples_from_batch(batch: &RecordBatch) -> Result<Vec<Sample>, String> {
    let columns = Columns::view(batch)?;
    let row = |row| {
        columns
            .sample(row)
            .map_err(|error| format!("row {}: {error}", row + 1))
    };
    (0..batch.num_rows()).map(row).collect()
}

struct Columns {
    corpus: StringArray,
    split: StringArray,
    id: StringArray,
    dialogue: StringArray,
    score: Option<Float32Array>,
    polarity: Option<StringArray>,
    emotion: Option<StringArray>,
    meld: Option<StringArray>,
    iemocap: Option<StringArray>,
}

impl Columns {
    fn view(batch: &RecordBatch) -> Result<Self, String> {
        let must = |name: &str| texts(batch, name)?.ok_or(format!("column {name} is missing"));
        Ok(Self {
            corpus: must("corpus")?,
            split: must("split")?,
            id: must("utterance_id")?,
            dialogue: must("dialogue_id")?,
            score: numbers(batch, "score")?,
            polarity: texts(batch, "polarity")?,
            emotion: texts(batch, "emotion")?,
            meld: texts(batch, "meld")?,
            iemocap: texts(batch, "iemocap")?,
        })
    }

    fn sample(&self, row: usize) -> Result<Sample, String> {
        let must = |name: &str, column: &StringArray| match column.is_valid(row) {
            true => Ok(column.value(row).to_owned()),
            false => Err(format!("column {name}: expected a value, found null")),
        };
        let corpus = must("corpus", &self.corpus)?;
        let split: Split = word("split", &must("split", &self.split)?)?;
        let (mut meld, mut iemocap) = (
            optional::<MeldEmotion>("meld", self.meld.as_ref(), row)?,
            optional::<IemocapEmotion>("iemocap", self.iemocap.as_ref(), row)?,
        );
        if let Some(emotion) = value(self.emotion.as_ref(), row) {
            match CorpusKind::from_name(&corpus).map(CorpusKind::task) {
                Some(Task::Emotion(Taxonomy::Meld)) => meld = Some(word("emotion", emotion)?),
                Some(Task::Emotion(Taxonomy::Iemocap)) => {
                    iemocap = Some(word("emotion", emotion)?);
                }
                _ if meld.is_some() || iemocap.is_some() => {}
                _ => {
                    return Err(format!(
                        "column emotion: found `{emotion}` in corpus {corpus}, whose taxonomy is not known; expected it in a column meld or iemocap"
                    ));
                }
            }
        }
        let score = self.score.as_ref().filter(|scores| scores.is_valid(row));
        let intensity = score.map(|scores| scores.value(row));
        let polarity = match &self.polarity {
            Some(column) => optional("polarity", Some(column), row)?,
            None => intensity
                .map(Polarity::from_score)
                .or(iemocap.map(IemocapEmotion::polarity)),
        };
        let (id, group) = (
            must("utterance_id", &self.id)?,
            must("dialogue_id", &self.dialogue)?,
        );
        Ok(Sample {
            polarity,
            intensity,
            meld,
            iemocap,
            ..Sample::unlabelled(&corpus, &id, &group, split)
        })
    }
}

/// A column of text, whatever Arrow's type of it; `None` where there is no such column.
fn texts(batch: &RecordBatch, name: &str) -> Result<Option<StringArray>, String> {
    fn is_text(kind: &DataType) -> bool {
        match kind {
            DataType::Dictionary(_, words) => is_text(words),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
            _ => false,
        }
    }
    let column = converted(batch, name, "text", &DataType::Utf8, is_text)?;
    Ok(column.map(|column| column.as_string::<i32>().clone()))
}

/// A column of numbers.
fn numbers(batch: &RecordBatch, name: &str) -> Result<Option<Float32Array>, String> {
    let is_number = |kind: &DataType| kind.is_numeric() || *kind == DataType::Null;
    let column = converted(batch, name, "numbers", &DataType::Float32, is_number)?;
    Ok(column.map(|column| column.as_primitive::<Float32Type>().clone()))
}

fn converted(
    batch: &RecordBatch,
    name: &str,
    expected: &str,
    kind: &DataType,
    fits: impl Fn(&DataType) -> bool,
) -> Result<Option<ArrayRef>, String> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(None);
    };
    let found = column.data_type();
    if !fits(found) {
        return Err(format!("column {name}: expected {expected}, found {found}"));
    }
    let column = cast(column, kind).map_err(|error| format!("column {name}: {error}"))?;
    Ok(Some(column))
}

fn value(column: Option<&StringArray>, row: usize) -> Option<&str> {
    let column = column.filter(|column| column.is_valid(row))?;
    Some(column.value(row))
}

fn optional<T>(name: &str, column: Option<&StringArray>, row: usize) -> Result<Option<T>, String>
where
    T: std::str::FromStr<Err = unimse_labels::UnknownName>,
{
    value(column, row).map(|text| word(name, text)).transpose()
}

fn word<T>(name: &str, text: &str) -> Result<T, String>
where
    T: std::str::FromStr<Err = unimse_labels::UnknownName>,
{
    text.parse()
        .map_err(|error: unimse_labels::UnknownName| format!("column {name}: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use arrow::array::{DictionaryArray, Float64Array, StringViewArray};
    use arrow::datatypes::Int8Type;
    use std::sync::Arc;

    fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
        RecordBatch::try_from_iter(columns.iter().cloned()).unwrap()
    }

    fn names() -> Vec<(&'static str, ArrayRef)> {
        vec![
            (
                "corpus",
                Arc::new(StringViewArray::from(vec!["mosi", "meld", "mine"])),
            ),
            (
                "split",
                Arc::new(StringArray::from(vec!["train", "valid", "test"])),
            ),
            (
                "utterance_id",
                Arc::new(StringArray::from(vec!["a_1", "d_1", "x"])),
            ),
            (
                "dialogue_id",
                Arc::new(StringArray::from(vec!["a", "d", "x"])),
            ),
        ]
    }

    #[test]
    fn any_type_of_text_and_number_is_read() {
        let words: DictionaryArray<Int8Type> = [None, Some("joy"), None].into_iter().collect();
        let mut columns = names();
        columns.push((
            "score",
            Arc::new(Float64Array::from(vec![Some(-1.5), None, None])),
        ));
        columns.push(("emotion", Arc::new(words)));
        columns.push((
            "iemocap",
            Arc::new(StringArray::from(vec![None, None, Some("excited")])),
        ));
        let samples = samples_from_batch(&batch(&columns)).unwrap();
        // without a column polarity: the sign of the score, what an emotion of IEMOCAP implies, and of MELD nothing
        let expected = [Some(Polarity::Negative), None, Some(Polarity::Positive)];
        assert_eq!(
            samples.iter().map(|s| s.polarity).collect::<Vec<_>>(),
            expected
        );
        assert_eq!(samples[0].intensity, Some(-1.5));
        assert_eq!(
            (samples[1].meld, samples[1].split),
            (Some(MeldEmotion::Joy), Split::Dev)
        );
        assert_eq!(samples[2].iemocap, Some(IemocapEmotion::Excited));
    }

    #[test]
    fn errors_name_column_and_row() {
        let check = |column: (&'static str, ArrayRef), expected: &str| {
            let mut columns = names();
            columns.retain(|(name, _)| *name != column.0);
            columns.push(column);
            assert_eq!(samples_from_batch(&batch(&columns)).unwrap_err(), expected);
        };
        let text =
            |values: [Option<&str>; 3]| -> ArrayRef { Arc::new(StringArray::from_iter(values)) };
        check(
            ("split", text([Some("train"), None, None])),
            "row 2: column split: expected a value, found null",
        );
        check(
            ("meld", text([None, Some("hope"), None])),
            "row 2: column meld: unknown meld emotion `hope`, expected one of: neutral, surprise, fear, sadness, joy, disgust, anger",
        );
        check(
            ("emotion", text([None, None, Some("joy")])),
            "row 3: column emotion: found `joy` in corpus mine, whose taxonomy is not known; expected it in a column meld or iemocap",
        );
        // a column meld speaks for the rows that have a value in it
        let mut columns = names();
        columns.push(("meld", text([None, None, Some("joy")])));
        columns.push(("emotion", text([None, None, Some("glad")])));
        let samples = samples_from_batch(&batch(&columns)).unwrap();
        assert_eq!(samples[2].meld, Some(MeldEmotion::Joy));
        columns[4].1 = text([Some("joy"), None, None]);
        let unknown = samples_from_batch(&batch(&columns)).unwrap_err();
        assert!(unknown.starts_with("row 3: column emotion: found `glad` in corpus mine,"));
        check(
            ("score", text([None; 3])),
            "column score: expected numbers, found Utf8",
        );
        let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0; 3]));
        check(
            ("utterance_id", numbers),
            "column utterance_id: expected text, found Float32",
        );
        let without: Vec<_> = names()
            .into_iter()
            .filter(|(name, _)| *name != "dialogue_id")
            .collect();
        assert_eq!(
            samples_from_batch(&batch(&without)).unwrap_err(),
            "column dialogue_id is missing"
        );
    }
}

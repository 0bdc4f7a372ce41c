//! The utterance table: its columns, and its rows as Arrow batches in both directions.

use crate::{CorpusKind, Polarity, Sequence, Split, Task, Utterance};
use arrow::{
    array::{
        Array, ArrayRef, AsArray, DictionaryArray, FixedSizeListArray, Float32Array, Float64Array,
        Int8Array, Int32Array, ListArray, PrimitiveArray, RecordBatch, StringArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int8Type, Int32Type, Schema,
        SchemaRef,
    },
    error::ArrowError,
};
use std::sync::Arc;

/// Version of the table's columns and metadata.
pub(crate) const VERSION: &str = "3";

/// Features a step of each modality; `None` when the corpus lacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims {
    pub(crate) audio: Option<usize>,
    pub(crate) video: Option<usize>,
}

/// Columns of a table; an absent modality has width 1 and only nulls.
pub(crate) fn schema(dims: Dims) -> SchemaRef {
    let text = |name: &str, null| Field::new(name, DataType::Utf8, null);
    let names = |name: &str| {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        Field::new(name, dictionary, true)
    };
    let features =
        |name: &str, dim: Option<usize>| Field::new(name, DataType::List(step_field(dim)), true);
    Arc::new(Schema::new(vec![
        text("corpus", false),
        text("split", false),
        text("utterance_id", false),
        text("dialogue_id", false),
        Field::new("turn", DataType::Int32, false),
        text("speaker", true),
        text("text", false),
        Field::new("start_s", DataType::Float64, true),
        Field::new("end_s", DataType::Float64, true),
        Field::new("score", DataType::Float32, true),
        names("polarity"),
        names("emotion"),
        text("emotion_raw", true),
        features("audio", dims.audio),
        features("video", dims.video),
        ratings("vad", 3),
        ratings("intensities", 6),
    ]))
}

/// A column of a few numbers an utterance.
fn ratings(name: &str, count: i32) -> Field {
    let value = Arc::new(Field::new("item", DataType::Float32, false));
    Field::new(name, DataType::FixedSizeList(value, count), true)
}

fn step_field(dim: Option<usize>) -> Arc<Field> {
    let value = Arc::new(Field::new("item", DataType::Float32, false));
    let size = i32::try_from(dim.unwrap_or(1)).unwrap_or(i32::MAX);
    Arc::new(Field::new(
        "item",
        DataType::FixedSizeList(value, size),
        false,
    ))
}

/// Rows as a batch of [`schema`].
pub(crate) fn to_batch(
    kind: CorpusKind,
    dims: Dims,
    rows: &[Utterance],
) -> Result<RecordBatch, ArrowError> {
    let text = |get: fn(&Utterance) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(get)))
    };
    let maybe = |get: fn(&Utterance) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<StringArray>())
    };
    let seconds = |get: fn(&Utterance) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Float64Array>())
    };
    let emotions: &[&str] = match kind.task() {
        Task::Sentiment => &[],
        Task::Emotion(taxonomy) => taxonomy.labels(),
    };
    RecordBatch::try_new(
        schema(dims),
        vec![
            text(|u| &u.corpus),
            text(|u| u.split.name()),
            text(|u| &u.utterance_id),
            text(|u| &u.dialogue_id),
            Arc::new(rows.iter().map(|u| u.turn).collect::<Int32Array>()),
            maybe(|u| u.speaker.as_deref()),
            text(|u| &u.text),
            seconds(|u| u.start_s),
            seconds(|u| u.end_s),
            Arc::new(rows.iter().map(|u| u.score).collect::<Float32Array>()),
            dictionary(
                &Polarity::NAMES,
                rows.iter().map(|u| u.polarity.map(Polarity::name)),
            )?,
            dictionary(emotions, rows.iter().map(|u| u.emotion.as_deref()))?,
            maybe(|u| u.emotion_raw.as_deref()),
            features(dims.audio, rows.iter().map(|u| u.audio.as_ref()))?,
            features(dims.video, rows.iter().map(|u| u.video.as_ref()))?,
            fixed(rows.iter().map(|u| u.vad)),
            fixed(rows.iter().map(|u| u.intensities)),
        ],
    )
}

fn dictionary<'a>(
    names: &[&str],
    values: impl Iterator<Item = Option<&'a str>>,
) -> Result<ArrayRef, ArrowError> {
    let keys: Int8Array = values
        .map(|value| value.and_then(|value| names.iter().position(|&name| name == value)))
        .map(|place| place.and_then(|place| i8::try_from(place).ok()))
        .collect();
    let words = Arc::new(StringArray::from_iter_values(names));
    Ok(Arc::new(DictionaryArray::<Int8Type>::try_new(keys, words)?))
}

fn fixed<const N: usize>(rows: impl Iterator<Item = Option<[f32; N]>> + Clone) -> ArrayRef {
    let values: Vec<f32> = rows
        .clone()
        .flat_map(|row| row.unwrap_or([0.0; N]))
        .collect();
    let nulls: NullBuffer = rows.map(|row| row.is_some()).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let values = Arc::new(Float32Array::from(values));
    Arc::new(FixedSizeListArray::new(item, N as i32, values, Some(nulls)))
}

fn features<'a>(
    dim: Option<usize>,
    sequences: impl Iterator<Item = Option<&'a Sequence>> + Clone,
) -> Result<ArrayRef, ArrowError> {
    let field = step_field(dim);
    let DataType::FixedSizeList(item, size) = field.data_type() else {
        return Err(ArrowError::SchemaError(
            "a step is a fixed-size list".into(),
        ));
    };
    let lengths = sequences
        .clone()
        .map(|sequence| sequence.map_or(0, Sequence::steps));
    let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
    let nulls: NullBuffer = sequences
        .clone()
        .map(|sequence| sequence.is_some())
        .collect();
    let count = sequences.clone().flatten().map(|s| s.values.len()).sum();
    let mut values = Vec::with_capacity(count);
    sequences
        .flatten()
        .for_each(|s| values.extend_from_slice(&s.values));
    let steps = FixedSizeListArray::try_new(
        Arc::clone(item),
        *size,
        Arc::new(Float32Array::from(values)),
        None,
    )?;
    Ok(Arc::new(ListArray::try_new(
        field,
        offsets,
        Arc::new(steps),
        Some(nulls),
    )?))
}

/// Rows of a batch that has the columns of [`schema`]; a message where a column is missing or of another type.
pub(crate) fn from_batch(batch: &RecordBatch) -> Result<Vec<Utterance>, String> {
    let columns = Columns::view(batch)?;
    (0..batch.num_rows())
        .map(|row| columns.utterance(row))
        .collect()
}

/// The columns of a batch by name.
struct Columns<'a> {
    corpus: &'a StringArray,
    split: &'a StringArray,
    id: &'a StringArray,
    dialogue: &'a StringArray,
    turn: &'a Int32Array,
    speaker: &'a StringArray,
    text: &'a StringArray,
    start: &'a Float64Array,
    end: &'a Float64Array,
    score: &'a Float32Array,
    polarity: Vec<Option<&'a str>>,
    emotion: Vec<Option<&'a str>>,
    emotion_raw: &'a StringArray,
    audio: Steps<'a>,
    video: Steps<'a>,
    vad: &'a ArrayRef,
    intensities: &'a ArrayRef,
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    let column = batch.column_by_name(name);
    column.ok_or_else(|| format!("missing column {name}"))
}

fn unexpected(name: &str) -> impl Fn() -> String {
    move || format!("column {name} has an unexpected type")
}

fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, String> {
    let strings = column(batch, name)?.as_string_opt::<i32>();
    strings.ok_or_else(unexpected(name))
}

fn numbers<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a PrimitiveArray<T>, String> {
    let numbers = column(batch, name)?.as_primitive_opt::<T>();
    numbers.ok_or_else(unexpected(name))
}

impl<'a> Columns<'a> {
    fn view(batch: &'a RecordBatch) -> Result<Self, String> {
        let steps = |name: &str| {
            Steps::view(column(batch, name)?).map_err(|message| format!("column {name}: {message}"))
        };
        Ok(Self {
            corpus: strings(batch, "corpus")?,
            split: strings(batch, "split")?,
            id: strings(batch, "utterance_id")?,
            dialogue: strings(batch, "dialogue_id")?,
            turn: numbers::<Int32Type>(batch, "turn")?,
            speaker: strings(batch, "speaker")?,
            text: strings(batch, "text")?,
            start: numbers::<Float64Type>(batch, "start_s")?,
            end: numbers::<Float64Type>(batch, "end_s")?,
            score: numbers::<Float32Type>(batch, "score")?,
            polarity: names(column(batch, "polarity")?)?,
            emotion: names(column(batch, "emotion")?)?,
            emotion_raw: strings(batch, "emotion_raw")?,
            audio: steps("audio")?,
            video: steps("video")?,
            vad: column(batch, "vad")?,
            intensities: column(batch, "intensities")?,
        })
    }

    fn utterance(&self, row: usize) -> Result<Utterance, String> {
        let text = |array: &StringArray| array.value(row).to_owned();
        let maybe = |array: &StringArray| array.is_valid(row).then(|| text(array));
        let seconds = |array: &Float64Array| array.is_valid(row).then(|| array.value(row));
        let polarity = self.polarity[row].map(str::parse::<Polarity>).transpose();
        Ok(Utterance {
            corpus: text(self.corpus),
            split: (self.split.value(row).parse::<Split>()).map_err(|e| e.to_string())?,
            utterance_id: text(self.id),
            dialogue_id: text(self.dialogue),
            turn: self.turn.value(row),
            speaker: maybe(self.speaker),
            text: text(self.text),
            start_s: seconds(self.start),
            end_s: seconds(self.end),
            score: (self.score.is_valid(row)).then(|| self.score.value(row)),
            polarity: polarity.map_err(|e| e.to_string())?,
            emotion: self.emotion[row].map(str::to_owned),
            emotion_raw: maybe(self.emotion_raw),
            audio: self.audio.get(row).map(StepsRef::to_sequence),
            video: self.video.get(row).map(StepsRef::to_sequence),
            vad: ratings_at(self.vad, row)?,
            intensities: ratings_at(self.intensities, row)?,
        })
    }
}

fn names(column: &ArrayRef) -> Result<Vec<Option<&str>>, String> {
    let dictionary = column
        .as_dictionary_opt::<Int8Type>()
        .ok_or("expected a dictionary column")?;
    let words = dictionary
        .downcast_dict::<StringArray>()
        .ok_or("expected a dictionary of text")?;
    Ok(words.into_iter().collect())
}

/// A feature sequence inside a batch, not copied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepsRef<'a> {
    /// Features a step.
    pub dim: usize,
    /// `steps * dim` values, row-major `[steps, dim]`.
    pub values: &'a [f32],
}

impl StepsRef<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_sequence(self) -> Sequence {
        Sequence {
            dim: self.dim,
            values: self.values.to_vec(),
        }
    }
}

/// A feature column of a batch (`audio` or `video`), as slices of its buffer.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    list: &'a ListArray,
    values: &'a [f32],
    dim: usize,
}

impl<'a> Steps<'a> {
    /// Views a column.
    ///
    /// # Errors
    /// What was expected, where the column is no list of fixed-size lists of `f32`.
    pub fn view(column: &'a ArrayRef) -> Result<Self, String> {
        let list = column
            .as_list_opt::<i32>()
            .ok_or("expected a list of steps")?;
        let steps = list
            .values()
            .as_fixed_size_list_opt()
            .ok_or("expected steps of a fixed size")?;
        let values = steps
            .values()
            .as_primitive_opt::<Float32Type>()
            .ok_or("expected features of 32-bit floats")?;
        let dim = usize::try_from(steps.value_length()).unwrap_or_default();
        let from = steps.offset() * dim;
        let values = (values.values().get(from..from + steps.len() * dim))
            .ok_or("features beyond the column")?;
        Ok(Self { list, values, dim })
    }

    /// Sequence of row `row`; `None` where the modality is absent, or beyond the batch.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<StepsRef<'a>> {
        if row >= self.list.len() || self.list.is_null(row) {
            return None;
        }
        let offsets = self.list.value_offsets();
        let place = |at: i32| usize::try_from(at).unwrap_or_default() * self.dim;
        Some(StepsRef {
            dim: self.dim,
            values: self
                .values
                .get(place(offsets[row])..place(offsets[row + 1]))?,
        })
    }
}

fn ratings_at<const N: usize>(column: &ArrayRef, row: usize) -> Result<Option<[f32; N]>, String> {
    let list = column
        .as_fixed_size_list_opt()
        .ok_or("expected ratings of a fixed size")?;
    if list.is_null(row) {
        return Ok(None);
    }
    let values = list.value(row);
    let values = values
        .as_primitive_opt::<Float32Type>()
        .ok_or("expected ratings of 32-bit floats")?;
    let found = values.len();
    <[f32; N]>::try_from(&values.values()[..])
        .map(Some)
        .map_err(|_| format!("expected {N} ratings, found {found}"))
}

//! Rows of the browser as compact JSON: one string of digits a column, ids that spell only what differs from the id before.
//!
//! 60,000 rows with labels and donors stay under 5 MB (tested). Probabilities, scores and similarities are whole thousandths.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use unimse_labels::{Donor, Field, FieldValue, Taxonomy};

use super::BrowsedRow;
use crate::clean;

/// Characters that two ids can share: one digit of base 36.
const MOST_SHARED: usize = 35;
/// Thousandths beyond this many are no probability and no score; they are left out.
const MOST: f32 = 1e6;

/// What `browser.js` reads.
#[derive(Debug, Serialize, Deserialize)]
struct Packed {
    rows: usize,
    /// Every corpus, split, class and source that occurs; columns of words hold places in it.
    names: Vec<String>,
    /// Name of the taxonomy by corpus; corpora of sentiment have none.
    taxonomies: BTreeMap<String, String>,
    /// Classes in the order of their probabilities: of `polarity` and of each taxonomy.
    classes: BTreeMap<String, Vec<String>>,
    /// Utterance ids, each once in its corpus, front-coded.
    ids: Vec<String>,
    /// `corpus/id` of those who lent labels, sorted, front-coded.
    donors: Vec<String>,
    /// Transcripts, where they may be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<Option<String>>>,
    columns: BTreeMap<String, Column>,
}

/// Whole numbers: `width` digits of base 36 a row, 0 for none and `v - low + 1` for `v`. A column without a value has width 0.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Column {
    low: i64,
    width: usize,
    digits: String,
}

/// The rows as JSON without any character that means something to HTML.
pub(super) fn json(rows: &[BrowsedRow]) -> String {
    // what is plain numbers, strings and maps of strings has no way to fail
    let plain = serde_json::to_string(&Packed::new(rows)).unwrap_or_default();
    let mut safe = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            c => safe.push(c),
        }
    }
    safe
}

impl Packed {
    fn new(rows: &[BrowsedRow]) -> Self {
        let mut columns = Columns::default();
        let donors = donors(rows);
        let (mut dialogue, mut before) = (0, None);
        for row in rows {
            let place = (
                &row.predicted.corpus,
                &row.predicted.split,
                &row.dialogue_id,
            );
            dialogue += i64::from(before.replace(place).is_some_and(|last| last != place));
            columns.number("dialogue", Some(dialogue));
            columns.answer(row);
            columns.label(row, &donors);
        }
        let mut sorted: Vec<(&String, &i64)> = donors.iter().collect();
        sorted.sort_by_key(|(_, place)| **place);
        Self {
            rows: rows.len(),
            taxonomies: taxonomies(rows),
            classes: classes(),
            ids: front_coded(ids(rows).into_iter()),
            donors: front_coded(sorted.into_iter().map(|(name, _)| name.clone())),
            texts: texts(rows),
            columns: (columns.numbers.into_iter())
                .map(|(name, values)| (name, Column::new(&values)))
                .collect(),
            names: columns.names,
        }
    }
}

/// Columns while rows are added.
#[derive(Default)]
struct Columns {
    names: Vec<String>,
    places: HashMap<String, i64>,
    numbers: BTreeMap<String, Vec<Option<i64>>>,
}

impl Columns {
    fn number(&mut self, column: &str, value: Option<i64>) {
        match self.numbers.get_mut(column) {
            Some(values) => values.push(value),
            None => drop(self.numbers.insert(column.to_owned(), vec![value])),
        }
    }

    fn word(&mut self, column: &str, word: Option<&str>) {
        let place = word.map(|word| {
            let word = clean(word);
            let next = self.names.len() as i64;
            *self.places.entry(word).or_insert_with_key(|word| {
                self.names.push(word.clone());
                next
            })
        });
        self.number(column, place);
    }

    fn thousandths(&mut self, column: &str, value: Option<f32>) {
        let value = value.map(|value| (value * 1000.0).round());
        let value = value.filter(|value| value.abs() <= MOST);
        self.number(column, value.map(|value| value as i64));
    }

    /// What the model says of a row, beside gold and what it was given.
    fn answer(&mut self, row: &BrowsedRow) {
        let said = &row.predicted;
        self.word("corpus", Some(&said.corpus));
        self.word("split", Some(&said.split));
        self.word("polarity", Some(&said.polarity));
        self.word("meld", said.meld.as_deref());
        self.word("iemocap", said.iemocap.as_deref());
        self.word("truth_polarity", said.truth_polarity.as_deref());
        self.word("truth_emotion", said.truth_emotion.as_deref());
        self.thousandths("score", said.intensity);
        self.thousandths("truth_score", said.truth_score);
        self.number("words", i64::try_from(row.words).ok());
        self.number("audio", Some(row.audio.into()));
        self.number("video", Some(row.video.into()));
        let emotions = row.taxonomy.and_then(|taxonomy| match taxonomy {
            Taxonomy::Meld => said.meld_probabilities.as_deref(),
            Taxonomy::Iemocap => said.iemocap_probabilities.as_deref(),
        });
        let most = |field: Field| field.classes().map_or(0, <[_]>::len);
        self.probabilities(
            "polarity",
            said.polarity_probabilities.as_deref(),
            most(Field::Polarity),
        );
        self.probabilities(
            "emotion",
            emotions,
            most(Field::Meld).max(most(Field::Iemocap)),
        );
    }

    fn probabilities(&mut self, of: &str, values: Option<&[f32]>, classes: usize) {
        for class in 0..classes {
            let value = values.and_then(|values| values.get(class));
            self.thousandths(&format!("{of}.{class}"), value.copied());
        }
    }

    /// The universal label of a row with its donors.
    fn label(&mut self, row: &BrowsedRow, donors: &HashMap<String, i64>) {
        for field in Field::BORROWED {
            let label = row.label.as_ref().map(|label| label.field(field));
            let column = |part: &str| format!("label.{field}{part}");
            match label.as_ref().and_then(|label| label.value) {
                Some(FieldValue::Class(class)) => {
                    let name = field.classes().and_then(|classes| classes.get(class));
                    self.word(&column(""), name.copied());
                }
                Some(FieldValue::Score(score)) => self.thousandths(&column(""), Some(score)),
                None => self.number(&column(""), None),
            }
            self.word(
                &column(".source"),
                label.as_ref().map(|label| label.source.name()),
            );
            let donor = label.and_then(|label| label.donor);
            let place = donor.and_then(|donor| donors.get(&donor_name(donor)));
            self.number(&column(".donor"), place.copied());
            self.thousandths(&column(".similarity"), donor.map(|donor| donor.similarity));
        }
    }
}

impl Column {
    fn new(values: &[Option<i64>]) -> Self {
        let known = || values.iter().flatten().copied();
        let (Some(low), Some(high)) = (known().min(), known().max()) else {
            return Self::default();
        };
        let (mut width, mut room) = (1, 36_i64);
        while high - low + 1 >= room {
            (width, room) = (width + 1, room.saturating_mul(36));
        }
        let mut digits = Vec::with_capacity(values.len() * width);
        for value in values {
            let mut code = value.map_or(0, |value| value - low + 1);
            let start = digits.len();
            for _ in 0..width {
                digits.push(char::from_digit((code % 36) as u32, 36).unwrap_or('0'));
                code /= 36;
            }
            digits[start..].reverse();
        }
        Self {
            low,
            width,
            digits: digits.into_iter().collect(),
        }
    }
}

/// The ids as a page may hold them. Those that differ only in what it may not hold get numbers: an address names one row.
fn ids(rows: &[BrowsedRow]) -> Vec<String> {
    // the last number given to a name in a corpus
    let mut given: HashMap<(String, String), usize> = HashMap::new();
    let mut own = |row: &BrowsedRow| {
        let key = (
            clean(&row.predicted.corpus),
            clean(&row.predicted.utterance_id),
        );
        let (corpus, id) = &key;
        let mut number = given.get(&key).map_or(1, |number| number + 1);
        let name = loop {
            let name = match number {
                1 => id.clone(),
                _ => format!("{id} ({number})"),
            };
            if !given.contains_key(&(corpus.clone(), name.clone())) {
                break name;
            }
            number += 1;
        };
        given.insert((corpus.clone(), name.clone()), 1);
        given.insert(key, number);
        name
    };
    rows.iter().map(&mut own).collect()
}

fn donor_name(donor: &Donor) -> String {
    clean(&format!("{}/{}", donor.corpus, donor.utterance_id))
}

/// Who lent a label of some row, by place in their sorted names.
fn donors(rows: &[BrowsedRow]) -> HashMap<String, i64> {
    let labels = rows.iter().filter_map(|row| row.label.as_ref());
    let of_fields = labels.flat_map(|label| Field::BORROWED.map(|field| label.field(field).donor));
    let names: BTreeSet<String> = of_fields.flatten().map(donor_name).collect();
    names.into_iter().zip(0..).collect()
}

fn taxonomies(rows: &[BrowsedRow]) -> BTreeMap<String, String> {
    let named = |row: &BrowsedRow| Some((clean(&row.predicted.corpus), row.taxonomy?.to_string()));
    rows.iter().filter_map(named).collect()
}

fn classes() -> BTreeMap<String, Vec<String>> {
    let fields = [Field::Polarity, Field::Meld, Field::Iemocap];
    let classes = |field: Field| {
        let classes = field.classes().unwrap_or_default();
        classes.iter().map(|&class| class.to_owned()).collect()
    };
    fields
        .map(|field| (field.to_string(), classes(field)))
        .into()
}

fn texts(rows: &[BrowsedRow]) -> Option<Vec<Option<String>>> {
    let text = |row: &BrowsedRow| row.text.as_deref().map(clean);
    let any = rows.iter().any(|row| row.text.is_some());
    any.then(|| rows.iter().map(text).collect())
}

/// Each string as the number of UTF-16 units (one digit of base 36) that it shares with the one before, and the rest.
fn front_coded(strings: impl Iterator<Item = String>) -> Vec<String> {
    let mut last = String::new();
    strings
        .map(|string| {
            let (mut shared, mut bytes) = (0, 0);
            for (a, b) in last.chars().zip(string.chars()) {
                if a != b || shared + a.len_utf16() > MOST_SHARED {
                    break;
                }
                (shared, bytes) = (shared + a.len_utf16(), bytes + a.len_utf8());
            }
            let digit = char::from_digit(shared as u32, 36).unwrap_or('0');
            let coded = format!("{digit}{}", &string[bytes..]);
            last = string;
            coded
        })
        .collect()
}

#[cfg(test)]
mod tests;

//! The parser of the text form. It is total: a model may write anything, and what it wrote is read as far as it can
//! be, with a record of every liberty taken.

use std::fmt;

use thiserror::Error;

use crate::grammar::{Column, UNKNOWN, column_name};
use crate::{Field, Grammar, IemocapEmotion, MeldEmotion, PlainLabel, Polarity};

/// A label read from text.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The label; its intensity lies on the grid of the grammar and agrees with its polarity.
    pub label: PlainLabel,
    /// What had to be repaired to read it; empty for a text that [`Grammar::format`] wrote.
    pub repairs: Vec<Repair>,
}

/// A text in which no label can be seen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// There is nothing but separators.
    #[error("empty label")]
    Empty,
    /// There is neither a polarity nor an intensity that tells one.
    #[error("no polarity and no intensity in label {text:?}")]
    NoPolarity {
        /// The text.
        text: String,
    },
}

/// A liberty taken in reading a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The columns were not separated by single commas.
    Separator,
    /// A value was written in another way: letter case, number of decimals, out of range.
    Rewritten {
        /// As written.
        found: String,
        /// As the grammar writes what was read.
        read: String,
    },
    /// A value stood before its turn.
    Reordered {
        /// As written.
        found: String,
    },
    /// A piece of text that fits no open column was left out.
    Ignored {
        /// As written.
        found: String,
    },
    /// A column was not there.
    Missing {
        /// Its name.
        column: &'static str,
    },
    /// The polarity was absent or contradicted the sign of the intensity, which wins.
    Polarity {
        /// As written.
        found: Option<Polarity>,
        /// The sign of the intensity.
        read: Polarity,
    },
}

impl Repair {
    /// Its kind in one word, for counts: `separator`, `rewritten`, `reordered`, `ignored`, `missing` or `polarity`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Separator => "separator",
            Self::Rewritten { .. } => "rewritten",
            Self::Reordered { .. } => "reordered",
            Self::Ignored { .. } => "ignored",
            Self::Missing { .. } => "missing",
            Self::Polarity { .. } => "polarity",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Separator => write!(f, "columns not separated by single commas"),
            Self::Rewritten { found, read } => write!(f, "`{found}` read as `{read}`"),
            Self::Reordered { found } => write!(f, "`{found}` out of order"),
            Self::Ignored { found } => write!(f, "`{found}` ignored"),
            Self::Missing { column } => write!(f, "no {column}"),
            Self::Polarity {
                found: Some(found),
                read,
            } => write!(f, "{found} contradicts the sign: {read}"),
            Self::Polarity { found: None, read } => write!(f, "no polarity: {read} by the sign"),
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Draft {
    polarity: Option<Polarity>,
    intensity: Option<f32>,
    meld: Option<MeldEmotion>,
    iemocap: Option<IemocapEmotion>,
}

impl Grammar {
    /// Reads any text: a label with the list of what was repaired.
    ///
    /// In the triple an emotion counts for every taxonomy of the grammar that has it, so `joy` is read for both and
    /// `fear` for MELD alone.
    ///
    /// # Errors
    /// Where not even a polarity can be told: the text names none and holds no intensity.
    pub fn parse(&self, text: &str) -> Result<Parsed, ParseError> {
        parse(self, text)
    }
}

fn parse(grammar: &Grammar, text: &str) -> Result<Parsed, ParseError> {
    let separator = |c: char| c == ',' || c == ';' || c.is_whitespace();
    let pieces: Vec<&str> = text
        .split(separator)
        .filter(|piece| !piece.is_empty())
        .collect();
    if pieces.is_empty() {
        return Err(ParseError::Empty);
    }
    let mut repairs = Vec::new();
    if text != pieces.join(",") {
        repairs.push(Repair::Separator);
    }

    let draft = fill(grammar, pieces, &mut repairs);
    let polarity = polarity(&draft, text, &mut repairs)?;
    let Draft {
        intensity,
        meld,
        iemocap,
        ..
    } = draft;
    Ok(Parsed {
        label: PlainLabel {
            polarity,
            intensity,
            meld,
            iemocap,
        },
        repairs,
    })
}

/// Reads every piece into the first open column from the cursor on that understands it, else into one before it.
fn fill(grammar: &Grammar, pieces: Vec<&str>, repairs: &mut Vec<Repair>) -> Draft {
    let mut open = grammar.columns();
    let mut skipped = Vec::new();
    let mut draft = Draft::default();
    for piece in pieces {
        let found = || piece.to_owned();
        let read = if let Some((at, read)) = understand(grammar, &open, piece, &mut draft) {
            skipped.extend(open.drain(..=at).take(at));
            read
        } else if let Some((at, read)) = understand(grammar, &skipped, piece, &mut draft) {
            skipped.remove(at);
            repairs.push(Repair::Reordered { found: found() });
            read
        } else {
            repairs.push(Repair::Ignored { found: found() });
            continue;
        };
        repairs.extend((read != piece).then(|| Repair::Rewritten {
            found: found(),
            read,
        }));
    }
    skipped.append(&mut open);
    let absent = skipped
        .iter()
        .filter(|column| column[..] != [Field::Polarity]);
    repairs.extend(absent.map(|column| Repair::Missing {
        column: column_name(column),
    }));
    draft
}

/// The polarity as written, or the sign of the intensity, which wins.
fn polarity(draft: &Draft, text: &str, repairs: &mut Vec<Repair>) -> Result<Polarity, ParseError> {
    match (draft.polarity, draft.intensity.map(Polarity::from_score)) {
        (found, Some(read)) => {
            repairs.extend((found != Some(read)).then_some(Repair::Polarity { found, read }));
            Ok(read)
        }
        (Some(found), None) => Ok(found),
        (None, None) => Err(ParseError::NoPolarity {
            text: text.to_owned(),
        }),
    }
}

/// Reads `piece` into the first of `columns` that understands it: the position and the canonical spelling.
fn understand(
    grammar: &Grammar,
    columns: &[Column],
    piece: &str,
    draft: &mut Draft,
) -> Option<(usize, String)> {
    let word = piece.to_ascii_lowercase();
    columns
        .iter()
        .enumerate()
        .find_map(|(at, column)| Some((at, read(grammar, column, &word, draft)?)))
}

/// Reads a lower-case word as the value of every field of `column` that has it: its canonical spelling, or `None` where none has.
fn read(grammar: &Grammar, column: &[Field], word: &str, draft: &mut Draft) -> Option<String> {
    if word == UNKNOWN && column != [Field::Polarity] {
        return Some(word.to_owned());
    }
    if column == [Field::Intensity] {
        let value = word.parse::<f32>().ok().filter(|value| value.is_finite())?;
        draft.intensity = Some(grammar.round(value));
        return Some(grammar.text(value));
    }
    let mut known = false;
    for field in column {
        known |= match field {
            Field::Polarity => put(&mut draft.polarity, word),
            Field::Intensity => false,
            Field::Meld => put(&mut draft.meld, word),
            Field::Iemocap => put(&mut draft.iemocap, word),
        };
    }
    known.then(|| word.to_owned())
}

/// Puts the class named `word` into its place; whether there is such a class.
fn put<T: std::str::FromStr>(place: &mut Option<T>, word: &str) -> bool {
    let class = word.parse().ok();
    let known = class.is_some();
    if known {
        *place = class;
    }
    known
}

//! Every kind of finding: its stable name, how much it matters, what to do about it. `docs/datasets.md` lists them with their meaning.

use crate::Severity;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Variants with their names, severities and advice, so that none of these can be forgotten.
macro_rules! codes {
    ($($(#[$meaning:meta])* $variant:ident, $name:literal, $severity:ident, $advice:literal;)*) => {
        /// The kind of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$meaning])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// All of them, in the order of `docs/datasets.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable name, e.g. `SPLIT_MISMATCH`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// How much a finding of this kind matters; some places know better ([`Finding::severity`](crate::Finding)).
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                }
            }

            /// What to do about it, in one sentence.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$variant => $advice,)*
                }
            }
        }
    };
}

codes! {
    /// No folder is named after a data set, and none holds a table of the user's own.
    NoCorpus, "NO_CORPUS", Error, "point at the folder above mosi, mosei, meld, iemocap";
    /// No label file has the columns of the release.
    NoLabels, "NO_LABELS", Error, "put the label file of the release into the folder";
    /// Several label files fit.
    AmbiguousLabels, "AMBIGUOUS_LABELS", Error, "keep one label file in the folder";
    /// A folder or file that the system refuses to read; a warning where no reader would take the file.
    NoAccess, "NO_ACCESS", Error, "give yourself the permission, restore the link, or move it out of the data folder";
    /// A FIFO, socket or device; a warning where no reader would take it.
    NotAFile, "NOT_A_FILE", Error, "put a regular file there, or remove it";
    /// A link to a folder that holds it.
    LinkLoop, "LINK_LOOP", Warning, "nothing, or remove the link";
    /// A folder too deep below the corpus to be searched.
    TooDeep, "TOO_DEEP", Warning, "move the folder up, if it holds data";
    /// A data set's name in other letter case; an error for a name that is no UTF-8.
    FolderName, "FOLDER_NAME", Warning, "rename the folder";
    /// A table of MELD is not there; a warning where a table of the user's own has no row of a split.
    MissingSplit, "MISSING_SPLIT", Error, "add the missing split";
    /// A column that is needed, or a key of one object, is there twice.
    DuplicateColumn, "DUPLICATE_COLUMN", Error, "keep one of the columns";
    /// A column of a table of the user's own that is not read: an error where another was probably meant.
    UnknownColumn, "UNKNOWN_COLUMN", Error, "rename the column as docs/datasets.md has it, or remove it";
    /// Scores and emotions in one table; a remark where that is allowed.
    TwoLabels, "TWO_LABELS", Error, "drop the column that is not the corpus' label, if that is not meant";
    /// Emotion and score of a row differ in polarity.
    EmotionSign, "EMOTION_SIGN", Warning, "look at the labels of these utterances";
    /// A table lacks a column.
    MissingColumn, "MISSING_COLUMN", Error, "compare the header with the columns in docs/datasets.md";
    /// A table without a header or without a row.
    EmptyCsv, "EMPTY_CSV", Error, "compare the header with the columns in docs/datasets.md";
    /// A line that is no CSV.
    Csv, "CSV", Error, "repair the line, a quote is often missing before it";
    /// A line with more or fewer fields than the header.
    CsvFields, "CSV_FIELDS", Error, "repair the line, a quote is often missing before it";
    /// An utterance without an id.
    EmptyId, "EMPTY_ID", Error, "correct the field in the file";
    /// A split that is none of train, dev, test.
    Split, "SPLIT", Error, "correct the field in the file";
    /// A score outside [-3, 3], or none.
    LabelRange, "LABEL_RANGE", Error, "correct the field in the file";
    /// An emotion that the taxonomy lacks.
    UnknownEmotion, "UNKNOWN_EMOTION", Error, "correct the field in the file";
    /// A polarity that is none of negative, neutral, positive.
    UnknownSentiment, "UNKNOWN_SENTIMENT", Error, "correct the field in the file";
    /// A time that cannot be read; a warning in MELD, where it becomes null.
    TimeFormat, "TIME_FORMAT", Error, "correct the field in the file";
    /// The same utterance twice; a warning in feature files.
    DuplicateId, "DUPLICATE_ID", Error, "keep one of them";
    /// A file that is truncated, malformed, of another encoding, or a pickle that wants to import code.
    Unreadable, "UNREADABLE", Error, "fetch or export the file again; nothing in it was executed";
    /// A file with other keys than its layout has.
    Layout, "LAYOUT", Error, "compare with the layouts in docs/datasets.md";
    /// A value of another type or shape than its layout has.
    Field, "FIELD", Error, "compare with the layouts in docs/datasets.md";
    /// `features.toml` cannot be read, or contradicts the features.
    FeatureCard, "FEATURE_CARD", Error, "compare with features.toml in docs/datasets.md";
    /// Feature sizes differ within a corpus.
    Dimension, "DIMENSION", Error, "extract the features of all splits with the same settings";
    /// Several feature files fit equally.
    AmbiguousFeatures, "AMBIGUOUS_FEATURES", Error, "choose one with --features CORPUS=FILE";
    /// A feature file has its utterances in other splits than the labels.
    SplitMismatch, "SPLIT_MISMATCH", Warning, "use features of this split; those learned on other videos must not be reported on it";
    /// The split of a label file is not the published one.
    SplitManifest, "SPLIT_MANIFEST", Warning, "say so beside the numbers: they are not the published split's";
    /// A video or dialogue lies in two splits.
    SplitOverlap, "SPLIT_OVERLAP", Warning, "say so beside the numbers: test is not unseen in this respect";
    /// A speaker of train speaks in test; a remark but in IEMOCAP.
    SpeakerOverlap, "SPEAKER_OVERLAP", Warning, "say so beside the numbers: test is not unseen in this respect";
    /// The score of an utterance's segment differs from the label CSV's.
    SegmentMismatch, "SEGMENT_MISMATCH", Warning, "use features with clip ids for these utterances";
    /// An utterance between two mismatches of its video.
    SegmentDoubt, "SEGMENT_DOUBT", Info, "use features with clip ids for these utterances";
    /// Computational sequences without a label file.
    NoSegments, "NO_SEGMENTS", Warning, "put the *_Labels.csd of the release beside the sequences";
    /// Labels, text and split are those of a pickle.
    LabelsFromPickle, "LABELS_FROM_PICKLE", Info, "nothing: this is how it is read";
    /// A clip of MELD that every copy of the release has broken.
    KnownBadMedia, "KNOWN_BAD_MEDIA", Info, "nothing: every copy of the release has it";
    /// A wave file without a sample.
    EmptyMedia, "EMPTY_MEDIA", Warning, "extract the audio of this utterance again";
    /// The part of a clip that a row of a table of the user's own asks for has no features.
    Clip, "CLIP", Warning, "correct clip, start_s and end_s of the row, and run unimse extract";
    /// Values behind a declared length.
    Residue, "RESIDUE", Warning, "check the lengths in the pickle against its arrays";
    /// Valence, activation and dominance that cannot be read.
    VadFormat, "VAD_FORMAT", Warning, "nothing, if it is few";
    /// Valence, activation or dominance outside [1, 5].
    VadRange, "VAD_RANGE", Info, "nothing, if it is few";
    /// An emotion's intensity that is no number.
    RatingFormat, "RATING_FORMAT", Warning, "correct the field in the file";
    /// A line that is no JSON object.
    Json, "JSON", Error, "repair the line, a quote is often missing before it";
    /// A turn that is no whole number.
    Turn, "TURN", Error, "correct the field in the file";
    /// `taxonomy.toml` or the column `taxonomy` cannot be used.
    Taxonomy, "TAXONOMY", Error, "correct the field in the file";
    /// A polarity that contradicts the score or the emotion.
    PolaritySign, "POLARITY_SIGN", Error, "correct the field in the file";
    /// How `taxonomy.toml` is read.
    OwnTaxonomy, "OWN_TAXONOMY", Info, "nothing: this is how it is read";
    /// Not the published number of utterances.
    Counts, "COUNTS", Warning, "say so beside the numbers: they are not the published split's";
    /// Labels without features, or features without labels; a remark in ERC corpora.
    UnmatchedId, "UNMATCHED_ID", Warning, "check that labels and features are of the same release";
    /// The score of a pickle differs from the label CSV's.
    LabelMismatch, "LABEL_MISMATCH", Warning, "check which release the file is from";
    /// An annotation against the sign of the score.
    AnnotationSign, "ANNOTATION_SIGN", Warning, "check which release the file is from";
    /// The text of a pickle differs from the label CSV's.
    TextMismatch, "TEXT_MISMATCH", Info, "check which release the file is from";
    /// Features that are not finite.
    NonFinite, "NON_FINITE", Warning, "look at the extraction of these utterances";
    /// A length beyond the array.
    Length, "LENGTH", Warning, "check the lengths in the pickle against its arrays";
    /// A stream of zeros.
    ZeroStream, "ZERO_STREAM", Warning, "look at the extraction of these utterances";
    /// A stream that never changes.
    ConstantStream, "CONSTANT_STREAM", Info, "look at the extraction of these utterances";
    /// An end that is not after its start; an error in a table of the user's own.
    TimeOrder, "TIME_ORDER", Warning, "nothing, if it is few";
    /// A clip whose features last otherwise than its times say.
    ClipLength, "CLIP_LENGTH", Warning, "look at these clips: either their times or their media are of another utterance";
    /// A time with a short fraction.
    TimeFraction, "TIME_FRACTION", Info, "nothing, if it is few";
    /// A file that is not UTF-8.
    Encoding, "ENCODING", Info, "nothing, if it is few";
    /// IEMOCAP without a split.
    NoSplit, "NO_SPLIT", Warning, "give a splits.csv (utterance_id, split)";
    /// An evaluated utterance of IEMOCAP without a transcript.
    NoText, "NO_TEXT", Warning, "add the transcript";
    /// An utterance outside the published split.
    NotInSplit, "NOT_IN_SPLIT", Info, "nothing: the published split leaves them out";
    /// An utterance without words.
    EmptyText, "EMPTY_TEXT", Warning, "add the transcript";
    /// A file that is passed over; a remark where something better is used.
    UnusedFile, "UNUSED_FILE", Warning, "remove it, or choose it with --features";
    /// A feature file whose SHA-256 its publisher gives; a warning where it is of another data set.
    KnownFile, "KNOWN_FILE", Info, "keep the file of a warning in the folder of its own data set";
    /// A feature file called like a published one, with other content.
    OtherCopy, "OTHER_COPY", Info, "fetch it again, if it should be the published one";
    /// No utterance has the modality.
    NoModality, "NO_MODALITY", Info, "add features, or train without the modality";
    /// Some utterances lack the modality.
    MissingModality, "MISSING_MODALITY", Info, "add features, or train without the modality";
    /// How much there is.
    Found, "FOUND", Info, "nothing: this is how it is read";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Code {
    /// The kind of finding that a corpus keeps a note of: such a line ends with the name in brackets, as [`Finding`](crate::Finding) is
    /// written. `None` for any other text.
    ///
    /// ```
    /// use unimse_corpus::Code;
    ///
    /// let note = "mosi, a_1 (2): audio values that are not finite: set to zero [NON_FINITE]";
    /// assert_eq!(Code::in_note(note), Some(Code::NonFinite));
    /// assert_eq!(Code::in_note("a note"), None);
    /// ```
    #[must_use]
    pub fn in_note(note: &str) -> Option<Self> {
        let name = note.strip_suffix(']')?.rsplit_once(" [")?.1;
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::Finding;
    use std::collections::BTreeSet;

    /// Codes and severities of the table of findings in `docs/datasets.md`.
    fn documented() -> Vec<(&'static str, &'static str)> {
        let text = include_str!("../../../docs/datasets.md");
        let (_, table) = text.split_once("\n| code | severity |").unwrap();
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        rows.flat_map(|row| {
            let mut cells = row.split('|').skip(1);
            let (codes, severity) = (cells.next().unwrap(), cells.next().unwrap());
            let quoted = codes.split('`').skip(1).step_by(2);
            quoted.map(move |code| (code, severity.trim()))
        })
        .collect()
    }

    #[test]
    fn the_documentation_lists_every_code_and_no_other() {
        let documented = documented();
        let listed: BTreeSet<&str> = documented.iter().map(|(code, _)| *code).collect();
        let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(listed, known);
        for code in Code::ALL {
            let word = serde_json::to_value(code.severity()).unwrap();
            let rows = documented.iter().filter(|(name, _)| *name == code.name());
            let severities: Vec<&str> = rows.map(|(_, severity)| *severity).collect();
            assert!(
                severities
                    .iter()
                    .any(|s| s.contains(word.as_str().unwrap())),
                "{code}: {word} not in {severities:?}"
            );
        }
    }

    #[test]
    fn a_code_is_its_name_in_text_in_json_and_in_a_note() {
        for &code in Code::ALL {
            let finding = Finding {
                code,
                severity: code.severity(),
                file: "f".to_owned(),
                rows: Vec::new(),
                message: "m [NON_FINITE] n".to_owned(),
            };
            assert_eq!(Code::in_note(&finding.to_string()), Some(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
            assert!(!code.advice().is_empty());
        }
        assert_eq!(format!("{:6}|", Code::Csv), "CSV   |");
    }
}

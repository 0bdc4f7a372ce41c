//! From tables that are written to their description.

use super::{Croissant, Extract, Field, FileObject, Link, RecordSet, Source, context};
use crate::{
    CorpusError, Summary,
    schema::VERSION,
    store::{file_name, key, open},
};
use arrow::datatypes::DataType;
use std::{fs, path::Path};
use unimse_run::{CROISSANT, DataSet, FeatureCard, FeatureCards, address, artefact};

/// Describes the tables `written` into `folder`, in the same folder. The same tables give the same bytes.
pub(crate) fn write(folder: &Path, written: &[Summary]) -> Result<(), CorpusError> {
    let tables: Vec<Table> = (written.iter())
        .map(|summary| Table::open(folder, summary))
        .collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = written.iter().map(|table| table.corpus.as_str()).collect();
    names.dedup();
    let terms = |name: &&str| {
        let found = tables.iter().find(|table| table.corpus == **name);
        found.map(|table| format!("{name}: {}", table.licence))
    };
    let papers = names.iter().filter_map(|name| DataSet::of(name));
    let papers: Vec<&str> = papers.map(|set| set.paper).collect();
    let synthetic = written.iter().any(|table| table.synthetic);
    let loud = match synthetic {
        true => {
            "SYNTHETIC DATA: a generator made these utterances; nobody said them. In the layouts of the data sets, not of their content. "
        }
        false => "",
    };
    let description = Croissant {
        context: context(),
        kind: "sc:Dataset",
        name: "unimse-utterances",
        conforms_to: "http://mlcommons.org/croissant/1.0",
        description: format!(
            "{loud}Utterance tables of {} for sentiment analysis and emotion recognition: text, labels, and feature sequences of audio and \
             video, one table a corpus and split.",
            names.join(", ")
        ),
        license: names
            .iter()
            .filter_map(terms)
            .collect::<Vec<_>>()
            .join(". "),
        version: format!("{VERSION}.0.0"), // the tables' own version, as the three numbers that the specification wants
        cite_as: papers.join(". "),
        distribution: tables.iter().map(Table::file).collect(),
        record_sets: tables
            .iter()
            .map(Table::records)
            .collect::<Result<_, _>>()?,
    };
    let path = folder.join(CROISSANT);
    artefact::write_json(&path, &description).map_err(|error| CorpusError::Io {
        path: error.path,
        source: error.source,
    })
}

/// A table, as its file says.
struct Table {
    corpus: String,
    name: String,
    file: String,
    rows: usize,
    bytes: u64,
    sha256: String,
    licence: String,
    cards: FeatureCards,
    columns: Vec<(String, DataType)>,
}

impl Table {
    fn open(folder: &Path, summary: &Summary) -> Result<Self, CorpusError> {
        let file = file_name(&summary.corpus, summary.split);
        let path = folder.join(&file);
        let (builder, metadata) = open(&path)?;
        let cards = metadata.get(key::FEATURES).map(String::as_str);
        let cards = serde_json::from_str(cards.unwrap_or("{}"));
        let columns = builder.schema().fields().iter();
        let sha256 =
            artefact::sha256(&path).map_err(|error| CorpusError::io(&path)(error.source))?;
        Ok(Self {
            corpus: summary.corpus.clone(),
            name: format!("{}-{}", summary.corpus, summary.split),
            rows: summary.utterances,
            bytes: fs::metadata(&path).map_err(CorpusError::io(&path))?.len(),
            sha256,
            licence: metadata.get(key::LICENCE).cloned().unwrap_or_default(),
            cards: cards.map_err(CorpusError::table(&path))?,
            columns: columns
                .map(|column| (column.name().clone(), column.data_type().clone()))
                .collect(),
            file,
        })
    }

    fn file(&self) -> FileObject {
        FileObject {
            kind: "cr:FileObject",
            id: address(&self.file),
            name: self.file.clone(),
            description: format!("{} utterances. {}", self.rows, self.licence),
            content_url: address(&self.file),
            content_size: format!("{} B", self.bytes),
            encoding_format: "application/x-parquet", // as mlcroissant knows it
            sha256: self.sha256.clone(),
        }
    }

    fn records(&self) -> Result<RecordSet, CorpusError> {
        let columns = self.columns.iter();
        let fields = columns.map(|(name, data)| self.field(name, data));
        Ok(RecordSet {
            kind: "cr:RecordSet",
            id: address(&self.name),
            name: self.name.clone(),
            description: format!("One utterance a row, {} rows.", self.rows),
            field: fields.collect::<Result<_, _>>()?,
        })
    }

    fn field(&self, name: &str, data: &DataType) -> Result<Field, CorpusError> {
        let Some((data_type, repeated)) = type_of(data) else {
            let wrong = CorpusError::table(Path::new(&self.file));
            return Err(wrong(format!("column {name}: unexpected type {data}")));
        };
        Ok(Field {
            kind: "cr:Field",
            id: format!("{}/{name}", address(&self.name)),
            name: name.to_owned(),
            description: self.meaning(name),
            data_type,
            repeated,
            source: Source {
                file_object: Link {
                    id: address(&self.file),
                },
                extract: Extract {
                    column: name.to_owned(),
                },
            },
        })
    }

    /// What a column holds, as `docs/datasets.md` says.
    fn meaning(&self, column: &str) -> String {
        let features = |card: &Option<FeatureCard>| match card {
            Some(card) => {
                format!(
                    "Feature sequence [steps, {}]: {card}. Null where absent.",
                    card.dimension
                )
            }
            None => "Null: no utterance has this modality.".to_owned(),
        };
        let words = match column {
            "corpus" => "Name of the corpus.",
            "split" => "train, dev or test.",
            "utterance_id" => "Unique within the corpus.",
            "dialogue_id" => "Dialogue or video; context never leaves it.",
            "turn" => "Order within the dialogue; may have gaps.",
            "speaker" => "Who speaks, where the source names it.",
            "text" => "Transcript as in the source.",
            "start_s" => "Start in the source video, seconds.",
            "end_s" => "End in the source video, seconds.",
            "score" => "Gold sentiment in [-3, 3].",
            "polarity" => "Gold polarity: negative, neutral, positive.",
            "emotion" => "Gold emotion by its canonical name.",
            "emotion_raw" => "Emotion as the source writes it.",
            "audio" => return features(&self.cards.audio),
            "video" => return features(&self.cards.video),
            "vad" => "Valence, activation, dominance, each in [1, 5].",
            "intensities" => "Happiness, sadness, anger, surprise, disgust, fear, each in [0, 3].",
            _ => "",
        };
        words.to_owned()
    }
}

/// The type of a column's values, and whether a row has many of them.
fn type_of(data: &DataType) -> Option<(&'static str, bool)> {
    Some(match data {
        DataType::Utf8 => ("sc:Text", false),
        DataType::Dictionary(_, values) => type_of(values)?,
        DataType::Int32 => ("sc:Integer", false),
        DataType::Float32 | DataType::Float64 => ("sc:Float", false),
        DataType::List(item) | DataType::FixedSizeList(item, _) => {
            (type_of(item.data_type())?.0, true)
        }
        _ => return None,
    })
}

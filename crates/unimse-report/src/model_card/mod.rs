//! The model card of a checkpoint: `checkpoints/README.md`, Markdown with the Hugging Face Hub's front matter, from the results of that checkpoint.

mod front;

use std::path::{Path, PathBuf};

use unimse_run::{DataSet, Results, RunFolder, artefact};

use crate::doc::{Document, Line, words};
use crate::load::{self, Run};
use crate::{ReportError, clean, corpora, headline, markdown, record, replace};

/// What became of a model card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelCard {
    /// It was written.
    Written(PathBuf),
    /// The folder has no checkpoint of its own: the folder of several seeds.
    NoCheckpoint,
    /// The results are of other weights than those that lie there, so there is nothing to say of these; a card that was there is gone.
    OtherWeights {
        /// SHA-256 of the weights that were scored; `None` where the results do not say.
        scored: Option<String>,
        /// SHA-256 of the weights that lie there.
        found: String,
    },
}

/// Writes the card of the run's checkpoint, if `results.json` is of these very weights. The same folder gives the same bytes.
///
/// # Errors
/// As [`crate::write()`]; the weights cannot be read.
pub fn write_model_card(run: &Path) -> Result<ModelCard, ReportError> {
    let folder = RunFolder::new(run);
    if !folder.best().exists() {
        return Ok(ModelCard::NoCheckpoint);
    }
    let loaded = load::run(run)?;
    let receipt = &loaded.results.protocol.receipt;
    let scored = receipt
        .as_ref()
        .map(|receipt| receipt.checkpoint_sha256.clone());
    let found = artefact::sha256(&folder.best())?;
    let path = folder.model_card();
    if scored.as_ref() != Some(&found) {
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(ReportError::Write { path, source });
            }
            _ => return Ok(ModelCard::OtherWeights { scored, found }),
        }
    }
    let text = front::render(&loaded.results) + &markdown::render(&document(&loaded, &found));
    replace(&path, &clean(&text))?;
    Ok(ModelCard::Written(path))
}

/// The corpora of a run, and how they are called.
fn titles(results: &Results) -> Vec<String> {
    let title = |name: &str| match DataSet::of(name) {
        Some(set) if results.synthetic => format!("synthetic stand-in for {}", set.title),
        Some(set) => set.title.to_owned(),
        None => name.to_owned(),
    };
    results
        .corpora
        .iter()
        .map(|(name, _)| title(name))
        .collect()
}

/// The card below its front matter.
fn document(run: &Run, sha256: &str) -> Document {
    let results = &run.results;
    let seeds: Vec<String> = results.seeds.iter().map(u64::to_string).collect();
    let mut doc = Document::new(
        format!("UniMSE on {}", titles(results).join(", ")),
        format!(
            "{}, seed {}, preset {}",
            results
                .backbone
                .as_deref()
                .unwrap_or("backbone not recorded"),
            seeds.join(", "),
            results.preset.as_deref().unwrap_or("not recorded"),
        ),
    );
    headline::notices(&mut doc, run);
    about(&mut doc);
    data(&mut doc, results);
    record::protocol(&mut doc, run);
    evaluation(&mut doc, run);
    limits(&mut doc, results);
    loading(&mut doc, results);
    record::provenance(&mut doc, run);
    doc.pairs(vec![(
        "model.safetensors, SHA-256".to_owned(),
        Line::default().code(sha256),
    )]);
    doc.heading(2, "Citation");
    doc.paragraph("The method is that of the paper below; this is an independent implementation of it. Cite the data sets too.");
    doc.verbatim("BibTeX", CITATION);
    doc
}

fn about(doc: &mut Document) {
    doc.heading(2, "What it is");
    doc.paragraph(
        "One model for sentiment analysis and emotion recognition in conversation. It reads the text of an utterance, its context, and feature \
         sequences of audio and video where they are there, fuses them in the last layers of a text encoder, and answers a universal label: polarity, \
         intensity in [-3, 3], and emotions, each with probabilities.",
    );
    doc.heading(2, "Intended use");
    doc.paragraph(
        "Research on multimodal sentiment and emotion: to repeat and compare results, to study which modality tells what, to label English \
         utterances of the kinds below for analysis in the aggregate.",
    );
    doc.heading(2, "Out of scope");
    doc.paragraph(
        "Decisions about single people: hiring, teaching, policing, health, credit, insurance. Emotion recognition of people at work or in \
         education, which law forbids in places. Detection of lies or intentions. Languages other than English. What a person feels cannot be read \
         from an utterance: the labels say what annotators believed to see.",
    );
}

fn data(doc: &mut Document, results: &Results) {
    doc.heading(2, "Data and their terms");
    let loud = match results.synthetic {
        true => {
            "SYNTHETIC DATA: a generator wrote every utterance in the layouts of the data sets. Nobody said them, and the terms are those of the demo. "
        }
        false => {
            "The data are not part of this model. Their terms bind whoever uses the weights, which learned from them. "
        }
    };
    doc.paragraph(format!(
        "{loud}Trained on: {}.",
        results.trained_on.join(", ")
    ));
    let row = |name: &str, features: String| -> Vec<Line> {
        let terms = DataSet::terms_of(name, results.synthetic);
        let set = DataSet::of(name).filter(|_| !results.synthetic);
        let (page, paper) = set.map_or(("—", "—"), |set| (set.url, set.paper));
        vec![
            name.into(),
            terms.into(),
            features.into(),
            page.into(),
            paper.into(),
        ]
    };
    let scored = results.corpora.iter().map(|(name, corpus)| {
        let cards = [
            ("audio", &corpus.features.audio),
            ("video", &corpus.features.video),
        ];
        let cards = cards.map(|(modality, card)| match card {
            Some(card) => format!("{modality}: {card}"),
            None => format!("{modality}: none"),
        });
        row(name, cards.join("; "))
    });
    let only_trained = results
        .trained_on
        .iter()
        .filter(|name| results.corpora.get(name).is_none());
    let rows = scored.chain(only_trained.map(|name| row(name, "not recorded".to_owned())));
    let head = ["Corpus", "Terms", "Features", "Owners", "Paper"]
        .map(words)
        .into();
    doc.table(
        "Terms in short; the owners' own text binds. Features of another maker are not these.",
        head,
        rows.collect(),
    );
}

fn evaluation(doc: &mut Document, run: &Run) {
    doc.heading(2, "Evaluation");
    doc.paragraph(
        "Test splits, opened after training; intervals are 95 % bootstrap intervals that resample whole videos or dialogues. MAE and Corr are in \
         the unit of the score, the others percentages. Baselines were fitted in the same run.",
    );
    for (name, corpus) in run.results.corpora.iter() {
        corpora::metrics(doc, run, name, corpus);
    }
}

fn limits(doc: &mut Document, results: &Results) {
    doc.heading(2, "Limits and bias");
    doc.paragraph(
        "One seed of one training: others differ by more than the digits shown. Values that a data set does not annotate were borrowed from \
         similar utterances of another one and are guesses. Emotions outside the data sets' lists cannot be answered. Features must be made \
         as those above: the model takes others without a word. Classes are uneven, so rare emotions are found less often than the weighted F1 suggests.",
    );
    let names = results.corpora.iter().map(|(name, _)| name);
    let people = |name: &str| {
        let set = DataSet::of(name).filter(|_| !results.synthetic)?;
        Some(format!("{} is {}.", set.title, set.people))
    };
    let people: Vec<String> = names.filter_map(people).collect();
    let whose = match people.is_empty() {
        true => "Nothing is known of how it answers for real people of any group.".to_owned(),
        false => format!(
            "{} Age, gender, accent and origin of these people are not balanced, and no score by group was computed: expect more errors for \
             people who are unlike them.",
            people.join(" ")
        ),
    };
    doc.paragraph(whose);
}

fn loading(doc: &mut Document, results: &Results) {
    doc.heading(2, "How to load");
    doc.paragraph("This folder lies in a run folder as `checkpoints`; `unimse` reads nothing else of it to answer.");
    doc.verbatim(
        "Command",
        "unimse predict --run RUN --text \"I can't believe you did that!\"",
    );
    if results.model_type.as_deref() == Some("t5") && results.decoder.as_deref() == Some("t5") {
        doc.paragraph("Text alone, without what fuses audio and video, in transformers:");
        doc.verbatim("Python", "from transformers import T5ForConditionalGeneration\nmodel = T5ForConditionalGeneration.from_pretrained(\"checkpoints\")");
    }
}

/// The publication of the method.
const CITATION: &str = r"@inproceedings{hu-etal-2022-unimse,
  title     = {{UniMSE}: Towards Unified Multimodal Sentiment Analysis and Emotion Recognition},
  author    = {Hu, Guimin and Lin, Ting-En and Zhao, Yi and Lu, Guangming and Wu, Yuchuan and Li, Yongbin},
  booktitle = {Proceedings of the 2022 Conference on Empirical Methods in Natural Language Processing},
  year      = {2022},
  doi       = {10.18653/v1/2022.emnlp-main.534}
}";

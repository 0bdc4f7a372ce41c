//! A table of one's own with emotions of one's own, from `taxonomy.toml` to the samples that the unifier takes.

use std::{fs, sync::Arc};
use unimse_corpus::{
    Code, Corpus, CorpusKind, Polarity, Severity, Split, Task, Taxonomy, Utterance, doctor, ingest,
    read,
};
use unimse_labels::{IemocapEmotion, MeldEmotion};

const TABLE: &str = "utterance_id,split,text,emotion,taxonomy\n\
    a,train,Great,delighted,moods\nb,train,Meh,boredom,moods\nc,dev,Hm,,moods\nd,test,Well,calm,moods\n";

const MOODS: &str = r#"name = "moods"

[[classes]]
name = "delight"
aliases = ["delighted"]
polarity = "positive"
meld = "joy"
iemocap = "excited"

[[classes]]
name = "boredom"
polarity = "negative"

[[classes]]
name = "calm"
polarity = "neutral"
meld = "neutral"
"#;

/// A data folder with one corpus `chats`.
struct Data(tempfile::TempDir);

impl Data {
    fn new(table: &str, taxonomy: &str) -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        let folder = data.0.path().join("data/chats");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("utterances.csv"), table).unwrap();
        fs::write(folder.join("taxonomy.toml"), taxonomy).unwrap();
        data
    }

    fn ingest(&self) -> Result<Arc<Corpus>, String> {
        let out = self.0.path().join("out");
        ingest(&self.0.path().join("data"), &out, &[], &mut |_| {})
            .map_err(|error| error.to_string())?;
        Ok(read(&out, &Split::ALL).unwrap().swap_remove(0))
    }

    fn message(&self, severity: Severity, code: Code) -> String {
        let findings = doctor(&self.0.path().join("data")).unwrap();
        let known = |f: &&unimse_corpus::Finding| f.severity == severity && f.code == code;
        findings.iter().find(known).unwrap().to_string()
    }
}

#[test]
fn own_emotions_are_gold_in_the_taxonomies_they_have_a_counterpart_in() {
    let data = Data::new(TABLE, MOODS);
    let corpus = data.ingest().unwrap();
    let scored = Task::Emotion(Taxonomy::Meld); // two classes have a meld emotion, one an iemocap emotion
    assert_eq!(corpus.kind, CorpusKind::Own(scored));
    let labels = |u: &Utterance| (u.polarity, u.emotion.clone(), u.emotion_raw.clone());
    let text = |word: &str| Some(word.to_owned());
    let expected = [
        (Some(Polarity::Positive), text("joy"), text("delighted")),
        (Some(Polarity::Negative), None, text("boredom")),
        (None, None, None),
        (Some(Polarity::Neutral), text("neutral"), text("calm")),
    ];
    let found: Vec<_> = corpus.utterances.iter().map(labels).collect();
    assert_eq!(found, expected);

    let samples = corpus.samples();
    let gold: Vec<_> = samples.iter().map(|s| (s.meld, s.iemocap)).collect();
    let delight = (Some(MeldEmotion::Joy), Some(IemocapEmotion::Excited));
    let calm = (Some(MeldEmotion::Neutral), None);
    assert_eq!(gold, [delight, (None, None), (None, None), calm]);

    let read: Vec<_> = corpus.sources.iter().map(|s| s.path.as_str()).collect();
    assert_eq!(read, ["chats/taxonomy.toml", "chats/utterances.csv"]);
    let other = Data::new(TABLE, &MOODS.replace("aliases", "  aliases")); // the same in other bytes
    let sources = other.ingest().unwrap().sources.clone();
    assert_ne!(sources[0].sha256, corpus.sources[0].sha256);
    assert_eq!(sources[1], corpus.sources[1]);
    let message = data.message(Severity::Info, Code::OwnTaxonomy);
    assert!(
        message.contains("moods: 3 classes, 2 with a meld emotion, 1 with an iemocap emotion"),
        "{message}"
    );
}

#[test]
fn a_taxonomy_that_more_counterparts_of_iemocap_has_is_scored_there() {
    let taxonomy = MOODS
        .replace("meld = \"joy\"", "")
        .replace("meld = \"neutral\"", "iemocap = \"neutral\"");
    let corpus = Data::new(TABLE, &taxonomy).ingest().unwrap();
    assert_eq!(corpus.task(), Task::Emotion(Taxonomy::Iemocap));
    assert_eq!(corpus.utterances[0].emotion.as_deref(), Some("excited"));
}

#[test]
fn what_is_wrong_is_told_in_one_line_with_its_file() {
    let table = |from: &str, to: &str| (TABLE.replace(from, to), MOODS.to_owned());
    let moods = |from: &str, to: &str| (TABLE.to_owned(), MOODS.replace(from, to));
    for ((table, taxonomy), file, words) in [
        (
            table("calm", "rage"),
            "utterances.csv, line 5",
            "column emotion: unknown emotion `rage`, expected one of: delight, boredom, calm",
        ),
        (
            table("c,dev,Hm,,moods", "c,dev,Hm,,meld"),
            "utterances.csv, line 4",
            "column taxonomy: expected meld or iemocap or moods, the same in every row, found \"meld\"",
        ),
        (
            moods("\"joy\"", "\"joyous\""),
            "taxonomy.toml, line 7",
            "joyous",
        ),
        (
            moods("polarity = \"negative\"", ""),
            "taxonomy.toml",
            "missing field `polarity`",
        ),
        (
            moods("name = \"calm\"", "name = \"delight\""),
            "taxonomy.toml",
            "word `delight` of class `delight` is empty or taken",
        ),
        (
            moods("name = \"moods\"", "name = \"MELD\""),
            "taxonomy.toml",
            "field name",
        ),
        (
            moods("\"moods\"", "\"moods"),
            "taxonomy.toml, line 1",
            "[TAXONOMY]",
        ),
    ] {
        let error = Data::new(&table, &taxonomy).ingest().unwrap_err();
        assert!(
            error.contains(&format!("chats/{file}")) && error.contains(words),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }
    let unused = Data::new(
        &TABLE
            .replace("moods", "meld")
            .replace("delighted", "joy")
            .replace("boredom", "anger")
            .replace("calm", "fear"),
        MOODS,
    );
    assert!(unused.ingest().unwrap().taxonomy.is_none());
    let message = unused.message(Severity::Warning, Code::UnusedFile);
    assert!(message.contains("chats/taxonomy.toml"), "{message}");
}

#[test]
fn a_description_that_nobody_names_may_be_anything() {
    let table = TABLE.replace("moods", "meld").replace("delighted", "joy");
    let table = table.replace("boredom", "anger").replace("calm", "neutral");
    let data = Data::new(&table, "[tags]\nx = 1\n");
    assert_eq!(data.ingest().unwrap().taxonomy, None);
    let message = data.message(Severity::Warning, Code::UnusedFile);
    assert!(message.contains("taxonomy.toml"), "{message}");
}

#[test]
fn a_polarity_column_cannot_contradict_the_class() {
    let table = "utterance_id,split,text,emotion,taxonomy,polarity\n\
        a,train,Great,delighted,moods,negative\nb,dev,Hm,calm,moods,neutral\n";
    let error = Data::new(table, MOODS).ingest().unwrap_err();
    let expected = "column polarity: expected that of the emotion, positive, found negative";
    assert!(
        error.contains("line 2") && error.contains(expected),
        "{error}"
    );
}

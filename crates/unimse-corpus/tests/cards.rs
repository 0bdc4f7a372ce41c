//! Feature cards from ingest to the tables: what is computed, what a sequence names, what a user says, and what is wrong with that.

use std::{fs, path::Path, sync::Arc};
use unimse_corpus::{Corpus, Severity, Split, doctor, ingest, read};
use unimse_run::FeatureCard;

/// A data folder that a test fills.
struct Data(tempfile::TempDir);

impl Data {
    /// A corpus `mine` of one utterance a split, with video of five features.
    fn new() -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        data.put(
            "mine/utterances.csv",
            b"utterance_id,split,text,score,audio,video\na,train,A,1,a.wav,v.npy\nb,dev,B,1,,v.npy\nc,test,C,-1,,v.npy\n",
        );
        data.npy("mine/v.npy", [2, 5]);
        data.wave("mine/a.wav");
        data
    }

    fn put(&self, file: &str, content: &[u8]) {
        let path = self.0.path().join("data").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn npy(&self, file: &str, shape: [usize; 2]) {
        let header = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
            shape[0], shape[1]
        );
        let padded = format!("{header:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(padded.len()).unwrap().to_le_bytes());
        bytes.extend(padded.as_bytes());
        (0..shape[0] * shape[1]).for_each(|i| bytes.extend((i as f32).to_le_bytes()));
        self.put(file, &bytes);
    }

    fn wave(&self, file: &str) {
        self.put(file, b"");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let path = self.0.path().join("data").join(file);
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        (0..1600_i16).for_each(|i| writer.write_sample(i % 64).unwrap());
        writer.finalize().unwrap();
    }

    fn ingest(&self) -> Result<Arc<Corpus>, String> {
        let out = self.0.path().join("out");
        ingest(&self.0.path().join("data"), &out, &[], &mut |_| {})
            .map_err(|error| error.to_string())?;
        Ok(read(&out, &Split::ALL).unwrap().remove(0))
    }
}

#[test]
fn what_ingest_computed_it_knows_and_what_it_was_given_is_unknown() {
    let corpus = Data::new().ingest().unwrap();
    let audio = corpus.features.audio.clone().unwrap();
    assert_eq!(
        (audio.tool.as_str(), audio.dimension),
        ("mel-spectrogram", 64)
    );
    assert_eq!(audio.rate_hz, Some(16_000.0 / 160.0));
    assert_eq!(audio.settings["n_mels"], "64");
    assert!(audio.version.unwrap().starts_with("unimse "));
    assert_eq!(corpus.features.video, Some(FeatureCard::new("unknown", 5)));
}

#[test]
fn a_user_says_what_made_the_features() {
    let data = Data::new();
    let text = "[video]\ntool = \"efficientnet\"\nversion = \"b0\"\nrate_hz = 12.5\ndimension = 5\n\n\
        [video.settings]\npretrained = \"VGGface, AFEW\"\nframes = 8\naligned = true\n";
    data.put("mine/features.toml", text.as_bytes());
    let corpus = data.ingest().unwrap();
    let video = corpus.features.video.clone().unwrap();
    let expected = "efficientnet (b0), 5 features a step, 12.5 steps a second, aligned = true, frames = 8, pretrained = VGGface, AFEW";
    assert_eq!(video.to_string(), expected);
    let sources: Vec<_> = corpus.sources.iter().map(|s| s.path.as_str()).collect();
    assert!(sources.contains(&"mine/features.toml"), "{sources:?}");
}

#[test]
fn a_description_that_cannot_be_used_is_named() {
    let data = Data::new();
    let tables = || fs::read(data.0.path().join("out/mine-train.parquet")).unwrap();
    data.ingest().unwrap();
    let before = tables();
    for (text, expected) in [
        (
            "[video]\ntool = 3\n",
            "mine/features.toml, line 2: invalid type: integer `3`, expected a string",
        ),
        (
            "[video]\n\ntol = \"x\"\n",
            "mine/features.toml, line 3: unknown field `tol`",
        ),
        (
            "[vidio]\n",
            "mine/features.toml, line 1: unknown field `vidio`",
        ),
        (
            "[video]\ntool = \"x\"\nsettings = { a = [1] }\n",
            "expected a text, a number or a truth value",
        ),
        (
            "[video]\ntool = \" \"\n",
            "[video]: tool: expected the name of a tool",
        ),
        (
            "[video]\ntool = \"x\"\ndimension = 6\n",
            "[video]: dimension: expected 5 as the features have, found 6",
        ),
        (
            "[video]\ntool = \"x\"\nrate_hz = 0\n",
            "[video]: rate_hz: expected a positive number, found 0",
        ),
        (
            "[video]\ntool = \"x\"\nweights = { \"a.pt\" = \"abc\" }\n",
            "[video]: weights: a.pt: expected a SHA-256 of 64 hexadecimal digits, found \"abc\"",
        ),
        (
            "[video]\ntool = \"x\"\ncolumns = [\"a\"]\n",
            "[video]: columns: expected 5 names, found 1",
        ),
        (
            "[audio]\ntool = \"x\"\n",
            "[audio]: these features are computed from wave files",
        ),
    ] {
        data.put("mine/features.toml", text.as_bytes());
        let error = data.ingest().unwrap_err();
        assert!(
            error.contains(expected) && !error.contains('\n'),
            "{text}: {error}"
        );
        assert!(error.ends_with("[FEATURE_CARD]"), "{error}");
    }
    assert_eq!(tables(), before, "a refused ingest leaves what was there");
}

#[test]
fn a_description_of_what_no_utterance_has_is_a_warning() {
    let data = Data::new();
    data.put(
        "mine/utterances.csv",
        b"utterance_id,split,text,score\na,train,A,1\n",
    );
    data.put("mine/features.toml", b"[video]\ntool = \"x\"\n");
    assert_eq!(data.ingest().unwrap().features.video, None);
    let findings = doctor(&data.0.path().join("data")).unwrap();
    let told = findings.iter().any(|f| {
        f.severity == Severity::Warning && f.message.contains("video, which no utterance has")
    });
    assert!(told, "{findings:?}");
}

#[test]
fn a_table_that_is_there_but_cannot_be_read_is_an_error() {
    let data = Data::new();
    data.ingest().unwrap();
    let out = data.0.path().join("out");
    let table = out.join("mine-train.parquet");
    fs::rename(&table, out.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(Path::new("nowhere"), &table).unwrap();
    let error = read(&out, &Split::ALL).unwrap_err().to_string();
    assert!(error.contains("mine-train.parquet"), "{error}");
}

#[test]
fn tables_of_one_corpus_have_the_same_features() {
    let (data, other) = (Data::new(), Data::new());
    other.put("mine/features.toml", b"[video]\ntool = \"facet\"\n");
    data.ingest().unwrap();
    other.ingest().unwrap();
    let table = |data: &Data| data.0.path().join("out/mine-test.parquet");
    fs::copy(table(&other), table(&data)).unwrap();
    let error = read(&data.0.path().join("out"), &Split::ALL)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mine-test.parquet: expected features made as in"),
        "{error}"
    );
}

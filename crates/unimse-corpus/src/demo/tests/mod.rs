#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed unwrap fails the test"
)]

use super::lexicon::{Lexicon, WORDS};
use super::signal::Sensor;
use super::*;
use read::{Row, average, corpora};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use unimse_media::synthetic::Stream;

mod read;

/// The corpora without IEMOCAP's labels outside the six classes.
fn classes() -> Vec<(&'static str, Vec<Row>)> {
    let mut corpora = corpora();
    let six = ["hap", "sad", "neu", "ang", "exc", "fru"];
    corpora[3].1.retain(|row| six.contains(&row.label.as_str()));
    corpora
}

/// `UNIMSE_BLESS=1` rewrites data/demo/SHA256SUMS.
#[test]
fn manifest_lists_what_is_generated() {
    let lines = files()
        .unwrap()
        .into_iter()
        .map(|(file, bytes)| format!("{}  {file}\n", checksum(&bytes)));
    let found: String = lines.collect();
    if std::env::var_os("UNIMSE_BLESS").is_some() {
        fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/demo/SHA256SUMS"),
            &found,
        )
        .unwrap();
    }
    for (listed, found) in MANIFEST.lines().zip(found.lines()) {
        assert_eq!(
            listed, found,
            "if the change is meant, raise VERSION and run again with UNIMSE_BLESS=1"
        );
    }
    assert_eq!(
        MANIFEST.lines().count(),
        found.lines().count(),
        "the number of files"
    );
}

#[test]
fn every_split_has_every_class_and_no_class_rules() {
    for (corpus, rows) in classes() {
        let classes = match corpus {
            "meld" => 7,
            "iemocap" => 6,
            _ => 3,
        };
        assert!(
            (300..=420).contains(&rows.len()),
            "{corpus}: {}",
            rows.len()
        );
        for (split, least) in [("train", 240), ("dev", 40), ("test", 80)] {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            rows.iter()
                .filter(|row| row.split == split)
                .for_each(|row| *counts.entry(&row.label).or_default() += 1);
            let n: usize = counts.values().sum();
            assert_eq!(counts.len(), classes, "{corpus} {split}: {counts:?}");
            assert!(
                n >= least && counts.values().all(|&count| 100 * count < 42 * n),
                "{corpus} {split}: {counts:?}"
            );
        }
    }
}

#[test]
fn ids_and_texts_are_new_and_a_few_recordings_are_absent() {
    for (corpus, rows) in corpora() {
        let ids: HashSet<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let texts: HashSet<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(
            (ids.len(), texts.len()),
            (rows.len(), rows.len()),
            "{corpus}"
        );
        assert!(
            rows.iter()
                .all(|row| WORDS.contains(&row.text.split_whitespace().count())),
            "{corpus}"
        );
        for absent in [
            rows.iter().filter(|r| r.audio.is_none()).count(),
            rows.iter().filter(|r| r.video.is_none()).count(),
        ] {
            assert!(
                (5..=50).contains(&absent),
                "{corpus}: {absent} of {} absent",
                rows.len()
            );
        }
        assert!(
            rows.iter()
                .all(|row| row.audio.is_some() || row.video.is_some()),
            "{corpus}"
        );
    }
}

/// No id stands in the published splits, and no text in the real data sets where they are at hand.
#[test]
fn no_row_of_a_real_data_set() {
    let real = std::env::var_os("UNIMSE_DATA").map(PathBuf::from);
    let mut texts = HashSet::new();
    match &real {
        None => eprintln!("skipped: the texts of no_row_of_a_real_data_set need UNIMSE_DATA"),
        Some(data) => {
            for (file, column) in [
                ("mosi/MOSI-label.csv", "text"),
                ("meld/train_sent_emo.csv", "Utterance"),
                ("meld/dev_sent_emo.csv", "Utterance"),
                ("meld/test_sent_emo.csv", "Utterance"),
            ] {
                let rows = csv::Reader::from_path(data.join(file))
                    .unwrap()
                    .into_deserialize::<BTreeMap<String, String>>();
                texts.extend(rows.map(|row| plain(&row.unwrap()[column])));
            }
        }
    }
    for (corpus, rows) in corpora() {
        for row in rows {
            assert!(
                !texts.contains(&plain(&row.text)),
                "{corpus} {}: {}",
                row.id,
                row.text
            );
            // The release's improvised scenes end at 08, and a video's id does not begin with "demo".
            let scene = row
                .id
                .split("impro")
                .nth(1)
                .map(|scene| scene[..2].parse::<u8>().unwrap());
            match corpus {
                "iemocap" => assert!(scene.unwrap() > 20, "{}", row.id),
                "meld" => {}
                _ => assert!(row.id.starts_with("demo"), "{}", row.id),
            }
        }
    }
}

fn plain(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Voice and face tell the class: the nearest class mean of the training rows names that of most test rows.
#[test]
fn audio_and_video_carry_the_label() {
    for (corpus, rows) in classes() {
        let least = if matches!(corpus, "meld" | "iemocap") {
            75
        } else {
            60
        };
        for modality in [|row: &Row| row.audio.clone(), |row: &Row| row.video.clone()] {
            let (mut centres, mut right, mut n) = (BTreeMap::<&str, Vec<f32>>::new(), 0, 0);
            for row in rows.iter().filter(|row| row.split == "train") {
                centres
                    .entry(&row.label)
                    .or_default()
                    .extend(modality(row).into_iter().flatten());
            }
            for row in rows.iter().filter(|row| row.split == "test") {
                let Some(x) = modality(row) else { continue };
                let near = centres
                    .iter()
                    .map(|(label, all)| (distance(&average(all, x.len()), &x), label));
                right +=
                    usize::from(near.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1 == &row.label);
                n += 1;
            }
            assert!(right * 100 > n * least, "{corpus}: {right} of {n}");
        }
    }
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

#[test]
fn directions_are_orthogonal_and_as_long_as_promised() {
    let sensor = Sensor::new("test", 9, 5);
    for (i, a) in sensor.directions().iter().enumerate() {
        for (j, b) in sensor.directions().iter().enumerate() {
            let dot: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            let expected = if i == j { 0.8 * 0.8 * 9.0 } else { 0.0 };
            assert!((dot - expected).abs() < 1e-4, "{i} {j}: {dot}");
        }
    }
}

#[test]
fn a_folder_is_written_once_healed_and_never_taken_from_others() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path().join("a/demo");
    write(&dir).unwrap();
    let all_intact = || manifest().all(|(sum, file)| intact(&dir.join(file), sum));
    assert!(all_intact());
    assert!(
        fs::read_to_string(dir.join(MARKER))
            .unwrap()
            .contains("not a row of them is real")
    );

    let modified = |file: &str| fs::metadata(dir.join(file)).unwrap().modified().unwrap();
    let before = modified("meld/dev_sent_emo.csv");
    fs::write(dir.join("meld/audio_features.pkl"), b"short").unwrap();
    fs::remove_file(dir.join(MARKER)).unwrap();
    fs::write(dir.join("notes.txt"), b"mine").unwrap();
    write(&dir).unwrap();
    assert!(all_intact());
    assert_eq!(
        modified("meld/dev_sent_emo.csv"),
        before,
        "an intact file is not touched"
    );
    assert_eq!(fs::read(dir.join("notes.txt")).unwrap(), b"mine");

    let foreign = temporary.path().join("foreign");
    fs::create_dir_all(foreign.join("meld")).unwrap();
    fs::write(foreign.join("meld/train_sent_emo.csv"), b"real").unwrap();
    let error = write(&foreign).unwrap_err();
    assert!(matches!(error, DemoError::Foreign { .. }), "{error}");
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    let file = temporary.path().join("file");
    fs::write(&file, b"x").unwrap();
    assert!(matches!(write(&file).unwrap_err(), DemoError::Io { .. }));
    let names: BTreeSet<_> = fs::read_dir(temporary.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        ["a", "file", "foreign"].map(Into::into).into(),
        "no temporary folder stays"
    );
}

#[test]
fn a_bad_lexicon_is_an_error_that_names_file_and_symbol() {
    let check = |text: &str, expected: &str| {
        let sentence = Lexicon::parse("x.toml", text)
            .and_then(|mut l| l.sentence("a", &[], &mut Stream::new("test")));
        let message = sentence.unwrap_err().to_string();
        assert!(
            message.starts_with("data/demo/x.toml: ") && message.contains(expected),
            "{message}"
        );
    };
    check("a = 1", "invalid type");
    check("opener = ['well']", "expected a non-empty list \"a\"");
    check(
        "a = ['{b} and so on and on']",
        "expected a non-empty list \"b\"",
    );
    check("a = ['{b']", "open brace");
    check("a = ['{a} {a}']", "contains itself");
    check(
        "a = ['too short']\nopener = ['well']",
        "too few sentences of 5 to 16 words",
    );
}

#[test]
fn a_sentence_is_never_given_twice() {
    let text = "a = ['one two three four {b}']\nb = ['five', 'six']\nopener = ['one']";
    let mut lexicon = Lexicon::parse("x.toml", text).unwrap();
    let mut random = Stream::new("test");
    let mut next = || lexicon.sentence("a", &[], &mut random);
    let both: BTreeSet<String> = [next().unwrap(), next().unwrap()].into();
    assert_eq!(
        both,
        ["One two three four five", "One two three four six"]
            .map(Into::into)
            .into()
    );
    assert!(next().is_err());
}

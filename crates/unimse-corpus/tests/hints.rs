//! Whoever follows a hint of the doctor is rid of the finding.

use std::{fs, path::PathBuf, process::Command};

use unimse_corpus::{Code, Hint, demo, doctor, hints, ingest};

use crate::common::{Data, demo::Demo};

const MELD: &str = "Utterance,Emotion,Sentiment,Dialogue_ID,Utterance_ID\nHi,joy,positive,0,0\n";
const TABLES: [&str; 3] = [
    "train_sent_emo.csv",
    "dev_sent_emo.csv",
    "test_sent_emo.csv",
];

/// The hints about a folder for one kind of finding.
fn hints_for(data: &Data, code: Code) -> Vec<Hint> {
    let found = hints(&data.root(), &data.doctor());
    found.into_iter().filter(|hint| hint.code == code).collect()
}

fn has(data: &Data, code: Code) -> bool {
    data.doctor().iter().any(|finding| finding.code == code)
}

#[track_caller]
fn follow(command: &str) {
    let done = Command::new("sh").args(["-c", command]).status().unwrap();
    assert!(done.success(), "{command}");
}

#[test]
fn tables_of_meld_beside_its_folder_are_moved_into_it() {
    let data = Data::new(&TABLES.map(|name| (name, MELD)));
    let found = hints_for(&data, Code::NoCorpus);
    assert_eq!(found.len(), 1);
    follow(&found[0].commands[0]);
    assert!(!has(&data, Code::NoCorpus) && !has(&data, Code::MissingSplit));
}

#[test]
fn a_folder_in_capitals_is_renamed() {
    let data = Data::new(&TABLES.map(|name| (name, MELD)));
    let (root, upper) = (data.root(), data.root().join("MELD"));
    fs::create_dir(&upper).unwrap();
    for name in TABLES {
        fs::rename(root.join(name), upper.join(name)).unwrap();
    }
    let found = hints_for(&data, Code::FolderName);
    assert_eq!(found.len(), 1);
    follow(&found[0].commands[0]);
    assert!(!has(&data, Code::FolderName) && root.join("meld").is_dir());
}

#[test]
fn a_missing_table_is_named_with_its_place() {
    let data = Data::new(&[
        ("meld/train_sent_emo.csv", MELD),
        ("meld/test_sent_emo.csv", MELD),
    ]);
    let found = hints_for(&data, Code::MissingSplit);
    assert_eq!(found.len(), 1);
    let (_, place) = found[0].what.rsplit_once(", at ").unwrap();
    fs::write(PathBuf::from(place), MELD).unwrap();
    assert!(!has(&data, Code::MissingSplit), "{place}");
}

#[test]
fn labels_of_every_data_set_are_wanted_where_the_adapter_finds_them() {
    let data = Data::new(&[("mosi/readme.txt", "no data")]);
    let found = hints_for(&data, Code::NoLabels);
    let (_, place) = found[0].what.rsplit_once(", at ").unwrap();
    let table = "video_id,clip_id,text,label,mode\nv,1,Great,2.5,train\n";
    fs::write(place, table).unwrap();
    assert!(!has(&data, Code::NoLabels), "{place}");
}

#[test]
fn the_folder_above_and_the_folder_below_are_named() {
    let data = Data::new(&TABLES.map(|name| (name, MELD)));
    let (root, meld) = (data.root(), data.root().join("deep/meld"));
    fs::create_dir_all(&meld).unwrap();
    for name in TABLES {
        fs::rename(root.join(name), meld.join(name)).unwrap();
    }
    let deep = root.join("deep");
    let found = hints_for(&data, Code::NoCorpus);
    assert_eq!(
        found[0].commands,
        [format!("unimse doctor {}", deep.display())]
    );
    let inside = hints(&meld, &doctor(&meld).unwrap());
    let above = deep.canonicalize().unwrap();
    assert_eq!(
        inside[0].commands,
        [format!("unimse doctor {}", above.display())]
    );
}

#[test]
fn an_empty_folder_is_told_what_each_data_set_needs() {
    let data = Data::new(&[]);
    fs::create_dir(data.root()).unwrap();
    let found = hints_for(&data, Code::NoCorpus);
    assert_eq!(found.len(), 4);
    follow(&found[0].commands[0]);
    assert!(data.root().join("mosi").is_dir());
}

#[test]
fn each_of_two_feature_files_can_be_chosen() {
    let demo = Demo::new();
    let pickle = demo.file("mosi", ".pkl");
    fs::copy(&pickle, pickle.with_file_name("copy.pkl")).unwrap();
    let findings = doctor(&demo.data()).unwrap();
    let found = hints(&demo.data(), &findings);
    let ambiguous = found
        .iter()
        .find(|hint| hint.code == Code::AmbiguousFeatures)
        .unwrap();
    assert_eq!(ambiguous.commands.len(), 2);
    for command in &ambiguous.commands {
        let (_, file) = command.split_once(" --features mosi=").unwrap();
        let chosen = [("mosi".to_owned(), PathBuf::from(file))];
        ingest(&demo.data(), &demo.out(), &chosen, &mut |_| {}).unwrap();
    }
}

#[test]
fn the_sound_of_videos_has_a_command() {
    let data = Data::new(&TABLES.map(|name| (name, MELD)));
    let meld = data.root().join("meld");
    fs::create_dir(&meld).unwrap();
    for name in TABLES {
        fs::rename(data.root().join(name), meld.join(name)).unwrap();
    }
    data.put("meld/train_splits/dia0_utt0.mp4", b"video");
    let found = hints_for(&data, Code::NoModality);
    let audio = found
        .iter()
        .find(|hint| hint.what.starts_with("for audio"))
        .unwrap();
    // what ffmpeg would do, done by a stand-in of that name
    let bin = data.0.path().join("bin");
    fs::create_dir(&bin).unwrap();
    data.tone("tone.wav", 16_000, 1600);
    let tone = data.root().join("tone.wav");
    let script = format!(
        "#!/bin/sh\nfor out; do :; done\ncp '{}' \"$out\"\n",
        tone.display()
    );
    fs::write(bin.join("ffmpeg"), script).unwrap();
    follow(&format!(
        "chmod +x {0}/ffmpeg; PATH={0}:$PATH; {1}",
        bin.display(),
        audio.commands[0]
    ));
    assert!(meld.join("train_splits/dia0_utt0.wav").is_file());
    let codes = hints_for(&data, Code::NoModality);
    assert!(
        codes.iter().all(|hint| !hint.what.starts_with("for audio")),
        "{codes:?}"
    );
}

#[test]
fn the_demo_needs_no_mending_command() {
    let place = tempfile::tempdir().unwrap();
    demo::write(&place.path().join("data")).unwrap();
    let data = place.path().join("data");
    let found = hints(&data, &doctor(&data).unwrap());
    assert!(
        found.iter().all(|hint| hint.commands.is_empty()),
        "{found:?}"
    );
}

//! Whole folders: where the features lie, what is said of broken clips, what a killed run leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use unimse_media::{
    AudioFeatures, Features, MediaError, VoiceActivity,
    extract::{Extracted, RECORDS, Record, extract},
    mel, prosody,
    synthetic::{Acting, Person, Stream},
};

use crate::common::{self, Vowel, WITHOUT_SOUND, ffmpeg, has_ffmpeg, noise, write_wave};

fn run(data: &Path, out: &Path, features: AudioFeatures) -> Result<Extracted, MediaError> {
    extract(data, out, features, &|_| {})
}

/// Every file below a folder with its bytes, but the lock.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(top: &Path, folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(top, &path, all);
            } else if !path.ends_with(".lock") {
                let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(folder, folder, &mut all);
    all
}

fn clip(path: &Path, hz: f64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_wave(path, &Vowel::steady(hz, 0.3).samples(16_000), 16_000);
}

#[test]
fn features_lie_beside_the_tables_of_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    clip(&data.join("meld/train_splits/dia0_utt0.wav"), 110.0);
    clip(&data.join("meld/dev_splits/dia0_utt0.wav"), 120.0);
    clip(&data.join("alone.wav"), 130.0);
    fs::write(data.join("meld/train_sent_emo.csv"), "Utterance\n").unwrap();
    fs::write(
        data.join("meld/features.toml"),
        "[video]\ntool = \"other\"\n",
    )
    .unwrap();
    fs::write(data.join("meld/features.pkl"), "not linked").unwrap();
    let extracted = run(&data, &out, AudioFeatures::Both).unwrap();
    assert_eq!(
        (extracted.records.len(), extracted.findings().count()),
        (3, 0)
    );
    assert!((extracted.seconds() - 3.0 * 0.3).abs() < 1e-9);
    let found: Vec<String> = content(&out).into_keys().collect();
    assert_eq!(
        found,
        [
            "audio/alone.npy",
            RECORDS,
            "features.toml",
            "meld/audio/dev_splits/dia0_utt0.npy",
            "meld/audio/train_splits/dia0_utt0.npy",
            "meld/features.toml",
            "meld/train_sent_emo.csv",
        ]
    );
    let features = unimse_formats::read_npy(&out.join("audio/alone.npy")).unwrap();
    let dim = mel::card().dimension + prosody::card().dimension;
    // 0.3 s: a centred frame more than hops of 10 ms
    assert_eq!(
        features.shape,
        [0.3_f64.mul_add(100.0, 1.0).round() as usize, dim]
    );
    let toml = fs::read_to_string(out.join("meld/features.toml")).unwrap();
    assert!(
        toml.contains("tool = \"mel-spectrogram + prosodic-functionals\""),
        "{toml}"
    );

    // into the folder of the clips itself: what is said of video stays
    run(&data, &data, AudioFeatures::Mel).unwrap();
    let toml = fs::read_to_string(data.join("meld/features.toml")).unwrap();
    assert!(
        toml.contains("[video]\ntool = \"other\"") && toml.contains("rate_hz = 100"),
        "{toml}"
    );
}

#[test]
fn a_folder_holds_features_of_one_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    let error = run(&data, &out, AudioFeatures::Mel).unwrap_err();
    assert!(error.to_string().contains("expected a folder"), "{error}");
    fs::create_dir(&data).unwrap();
    let error = run(&data, &out, AudioFeatures::Mel).unwrap_err();
    assert!(
        error.to_string().contains("expected clips (wav, flac"),
        "{error}"
    );
    clip(&data.join("a.wav"), 110.0);
    run(&data, &out, AudioFeatures::Mel).unwrap();
    let before = content(&out);
    let error = run(&data, &out, AudioFeatures::Prosody).unwrap_err();
    assert!(error.to_string().contains("name another folder"), "{error}");
    assert_eq!(content(&out), before);
}

#[test]
fn only_what_is_new_or_changed_is_extracted_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    for (name, hz) in [("a", 100.0), ("b", 120.0), ("c", 140.0)] {
        clip(&data.join(format!("{name}.wav")), hz);
    }
    fs::write(data.join("d.mp4"), "no clip").unwrap();
    let first = run(&data, &out, AudioFeatures::Prosody).unwrap();
    assert_eq!(first.kept, 0);
    let whole = content(&out);
    assert_eq!(run(&data, &out, AudioFeatures::Prosody).unwrap().kept, 4);
    assert_eq!(content(&out), whole);
    // a changed clip, lost features, and a record that was cut off
    clip(&data.join("a.wav"), 200.0);
    fs::remove_file(out.join("audio/b.npy")).unwrap();
    let text = fs::read_to_string(out.join(RECORDS)).unwrap();
    fs::write(out.join(RECORDS), &text[..text.len() - 10]).unwrap();
    assert_eq!(run(&data, &out, AudioFeatures::Prosody).unwrap().kept, 1);
    let again = content(&out);
    assert_ne!(again["audio/a.npy"], whole["audio/a.npy"]);
    assert_eq!(again["audio/b.npy"], whole["audio/b.npy"]);
    assert_eq!(again.len(), whole.len());
    // a file that lost its end, and one that lost all, as after a power cut
    let cut = &again["audio/a.npy"];
    fs::write(out.join("audio/a.npy"), &cut[..cut.len() - 1]).unwrap();
    fs::write(out.join("audio/b.npy"), []).unwrap();
    assert_eq!(run(&data, &out, AudioFeatures::Prosody).unwrap().kept, 2);
    assert_eq!(content(&out), again);
}

/// Twenty clips that are broken in different ways among as many that are whole.
#[test]
fn broken_clips_are_findings_by_file_and_reason() {
    if !has_ffmpeg("broken_clips_are_findings_by_file_and_reason") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    for number in 0..20 {
        clip(
            &data.join(format!("whole{number:02}.wav")),
            90.0 + 5.0 * f64::from(number),
        );
    }
    let expected = broken(&data, &folder.path().join("made"));
    assert_eq!(expected.len(), 20);
    let extracted = run(&data, &out, AudioFeatures::Mel).unwrap();
    let found: BTreeMap<&str, &str> = extracted
        .findings()
        .map(|record| (record.clip.as_str(), record.fault.as_deref().unwrap()))
        .collect();
    let expected: BTreeMap<&str, &str> = expected
        .iter()
        .map(|(name, kind)| (name.as_str(), *kind))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(extracted.records.len(), 40);
    assert_eq!(fs::read_dir(out.join("audio")).unwrap().count(), 20);
    // the table says the same, and a second run finds no clip to extract but those that cannot be opened
    let text = fs::read_to_string(out.join(RECORDS)).unwrap();
    let records: Vec<Record> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records, extracted.records);
}

/// Makes them; what is expected of each.
#[expect(clippy::too_many_lines, reason = "one after the other, each a fault")]
fn broken(data: &Path, made: &Path) -> Vec<(String, &'static str)> {
    fs::create_dir_all(made).unwrap();
    let wave = made.join("a.wav");
    write_wave(&wave, &Vowel::steady(120.0, 2.0).samples(16_000), 16_000);
    let convert = |name: &str, arguments: &[&str]| {
        let path = made.join(name);
        let input = wave.to_str().unwrap();
        ffmpeg(&[&["-i", input][..], arguments, &[path.to_str().unwrap()]].concat());
        fs::read(&path).unwrap()
    };
    let mp4 = convert("a.mp4", &["-movflags", "faststart"]);
    let late = convert("late.m4a", &[]);
    let flac = convert("a.flac", &[]);
    let wav = fs::read(&wave).unwrap();
    let video = made.join("video.mp4");
    ffmpeg(&[&WITHOUT_SOUND[..], &[video.to_str().unwrap()]].concat());
    let patched = |bytes: &[u8], at: usize, with: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let duration = mp4.windows(4).position(|name| name == b"mdhd").unwrap() + 20;
    let mut all: Vec<(String, &'static str)> = Vec::new();
    let mut add = |name: &str, bytes: &[u8], kind| {
        fs::write(data.join(name), bytes).unwrap();
        all.push((name.to_owned(), kind));
    };
    add("b01.mp4", b"", "EMPTY");
    add(
        "b02.mp4",
        b"Dear diary, today I was renamed.\n",
        "NOT_MEDIA",
    );
    add("b03.mp4", &mp4[..mp4.len() * 6 / 10], "TRUNCATED");
    add("b04.m4a", &late[..late.len() / 2], "TRUNCATED");
    add("b05.flac", &flac[..flac.len() / 2], "TRUNCATED");
    add("b06.wav", &wav[..wav.len() / 2], "WAVE");
    add("b07.wav", &wav[..20], "WAVE");
    add("b08.mp4", &fs::read(&video).unwrap(), "NO_AUDIO");
    add(
        "b09.mp4",
        &patched(&mp4, duration, &(16_000_u32 * 36_000).to_be_bytes()),
        "TOO_LONG",
    );
    add(
        "b10.wav",
        &patched(&wav, 24, &2_000_000_000_u32.to_le_bytes()),
        "SAMPLE_RATE",
    );
    add(
        "b11.wav",
        &patched(&wav, 24, &0_u32.to_le_bytes()),
        "SAMPLE_RATE",
    );
    add(
        "b12.wav",
        &patched(&wav, 20, &0x55_u16.to_le_bytes()),
        "WAVE",
    );
    add(
        "b13.opus",
        &convert("a.opus", &["-c:a", "libopus"]),
        "CODEC",
    );
    add(
        "b14.mkv",
        &convert("a.mkv", &["-c:a", "libvorbis"]),
        "NOT_MEDIA",
    );
    let hiss: Vec<u8> = noise(63.0, 4_096)
        .iter()
        .map(|x| (x + 64.0) as u8)
        .collect();
    add("b15.mp3", &hiss, "NOT_MEDIA");
    add(
        "b16.wav",
        &patched(&wav, 40, &u32::MAX.wrapping_sub(9).to_le_bytes()),
        "WAVE",
    );
    let silent = made.join("silent.wav");
    write_wave(&silent, &[0.0; 8_000], 16_000);
    add("b17.wav", &fs::read(&silent).unwrap(), "SILENT");
    write_wave(&silent, &[], 16_000);
    add("b18.wav", &fs::read(&silent).unwrap(), "NO_SAMPLE");
    add("whole00.mp3", &wav, "TWICE"); // beside whole00.wav
    all.push(("b19.wav".to_owned(), "UNREADABLE"));
    std::os::unix::fs::symlink("nowhere", data.join("b19.wav")).unwrap();
    // twice is of the second by name
    all.iter_mut()
        .filter(|(_, kind)| *kind == "TWICE")
        .for_each(|(name, _)| {
            "whole00.wav".clone_into(name);
        });
    all
}

/// What the other process does, which is this test.
#[test]
fn a_killed_run_loses_nothing_and_the_next_one_ends_as_if_it_had_not_been_killed() {
    const CHILD: &str = "UNIMSE_TEST_EXTRACT";
    if let Some(folder) = std::env::var_os(CHILD) {
        let folder = Path::new(&folder);
        run(
            &folder.join("data"),
            &folder.join("out"),
            AudioFeatures::Both,
        )
        .unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    for number in 0..60 {
        let path = data.join(format!("own/{number:02}.wav"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_wave(
            &path,
            &Vowel::steady(80.0 + f64::from(number), 0.5).samples(16_000),
            16_000,
        );
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "extract::a_killed_run_loses_nothing_and_the_next_one_ends_as_if_it_had_not_been_killed",
        ])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(out.join(RECORDS)).map_or(0, |text| text.lines().count());
    while lines() < 5 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let recorded = lines();
    assert!(recorded >= 4, "{recorded}");
    let extracted = run(&data, &out, AudioFeatures::Both).unwrap();
    assert!(
        extracted.kept + 1 >= recorded,
        "{} of {recorded}",
        extracted.kept
    );
    let fresh = folder.path().join("fresh");
    run(&data, &fresh, AudioFeatures::Both).unwrap();
    let (out, fresh) = (content(&out), content(&fresh));
    assert!(out.keys().eq(fresh.keys()), "{:?}", out.keys());
    assert!(out == fresh, "other bytes");
}

#[test]
fn with_voice_activity_what_is_no_speech_is_cut_and_a_clip_without_is_told() {
    let Some(folder) = common::model(
        "with_voice_activity_what_is_no_speech_is_cut_and_a_clip_without_is_told",
        "voice-activity",
    ) else {
        return;
    };
    let network = VoiceActivity::load(&folder).unwrap();
    let features = Features {
        voice_activity: Some(&network),
        ..AudioFeatures::Mel.into()
    };
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    fs::create_dir(&data).unwrap();
    let said = Person::new("ann").speak("Nobody told me.", Acting::NEUTRAL, &mut Stream::new("a"));
    let mut samples = vec![0.0; 3 * 16_000];
    samples.extend(&said.samples);
    write_wave(&data.join("speech.wav"), &samples, 16_000);
    write_wave(&data.join("noise.wav"), &noise(0.1, 48_000), 16_000);
    let extracted = extract(&data, &out, features, &|_| ()).unwrap();
    let [without, speech] = &extracted.records[..] else {
        panic!("{extracted:?}");
    };
    assert_eq!(without.fault.as_deref(), Some("NO_SPEECH"));
    // a step a hundredth of a second, at most as many as of the speech and what it is widened by
    let most = said.samples.len() / 160 + 3 + 2;
    assert!(speech.steps.unwrap() <= most, "{speech:?}");
    let card = fs::read_to_string(out.join("features.toml")).unwrap();
    assert!(card.contains("voice_activity_sha256"), "{card}");
    // features of whole clips are others
    let error = extract(&data, &out, AudioFeatures::Mel, &|_| ()).unwrap_err();
    assert!(error.to_string().contains("name another folder"), "{error}");
}

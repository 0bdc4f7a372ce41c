//! The generated files as readers of the real data sets see them.

use super::super::files;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use unimse_formats::{Item, Pickle};

/// An utterance as a reader of the files sees it.
pub(super) struct Row {
    pub(super) split: String,
    pub(super) id: String,
    pub(super) text: String,
    pub(super) label: String,
    pub(super) audio: Option<Vec<f32>>,
    pub(super) video: Option<Vec<f32>>,
}

static FILES: LazyLock<BTreeMap<String, Vec<u8>>> =
    LazyLock::new(|| files().unwrap().into_iter().collect());

fn table(name: &str) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(FILES[name].as_slice())
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

fn pickle(name: &str) -> Pickle {
    Pickle::from_bytes(FILES[name].clone()).unwrap()
}

/// Mean over time of the `[T, dim]` array under `key`; `None` where it is absent.
fn mean(item: Option<Item<'_>>, dim: usize) -> Option<Vec<f32>> {
    let array = item?.as_array().unwrap();
    assert_eq!(array.shape()[1], dim);
    assert!((4..=20).contains(&array.shape()[0]), "{:?}", array.shape());
    Some(average(&array.to_f32().unwrap(), dim))
}

pub(super) fn average(values: &[f32], dim: usize) -> Vec<f32> {
    let steps = (values.len() / dim) as f32;
    (0..dim)
        .map(|d| values.iter().skip(d).step_by(dim).sum::<f32>() / steps)
        .collect()
}

fn sentiment(name: &str, csv: &str, dims: [usize; 2]) -> Vec<Row> {
    let pickle = pickle(&format!("{name}/mmsa_unaligned.pkl"));
    let mut rows = Vec::new();
    let table = table(&format!("{name}/{csv}"));
    for split in ["train", "valid", "test"] {
        let part = pickle.root().get(split).unwrap();
        let ids = part.get("id").unwrap().texts().unwrap();
        let texts = part.get("raw_text").unwrap().texts().unwrap();
        let labels = part.get("regression_labels").unwrap().numbers().unwrap();
        let sequences = |key: &str, dim: usize| -> Vec<Option<Vec<f32>>> {
            let array = part.get(key).unwrap().as_array().unwrap();
            let (longest, values) = (array.shape()[1], array.to_f32().unwrap());
            assert_eq!(array.shape(), [ids.len(), longest, dim]);
            let lengths = part
                .get(&format!("{key}_lengths"))
                .unwrap()
                .integers()
                .unwrap();
            let rows = values.chunks(longest * dim).zip(lengths);
            rows.map(|(row, length)| {
                let (valid, padding) = row.split_at(length as usize * dim);
                assert!(padding.iter().all(|&x| x == 0.0));
                (length > 0).then(|| average(valid, dim))
            })
            .collect()
        };
        let (audio, video) = (sequences("audio", dims[0]), sequences("vision", dims[1]));
        let listed: Vec<_> = table.iter().filter(|row| row["mode"] == split).collect();
        assert_eq!(listed.len(), ids.len());
        for (i, row) in listed.into_iter().enumerate() {
            assert_eq!(ids[i], format!("{}$_${}", row["video_id"], row["clip_id"]));
            assert_eq!(
                (&texts[i], labels[i]),
                (&row["text"], row["label"].parse().unwrap())
            );
            rows.push(Row {
                split: split.replace("valid", "dev"),
                id: ids[i].clone(),
                text: texts[i].clone(),
                label: row["annotation"].clone(),
                audio: audio[i].clone(),
                video: video[i].clone(),
            });
        }
    }
    rows
}

fn meld() -> Vec<Row> {
    let (audio, video) = (
        pickle("meld/audio_features.pkl"),
        pickle("meld/video_features.pkl"),
    );
    let row = |split: &str, row: BTreeMap<String, String>| {
        let key = format!("{}_{}", row["Dialogue_ID"], row["Utterance_ID"]);
        Row {
            split: split.to_owned(),
            id: format!("{split}_{key}"),
            text: row["Utterance"].clone(),
            label: row["Emotion"].clone(),
            audio: mean(audio.root().get(split).unwrap().get(&key), 20),
            video: mean(video.root().get(split).unwrap().get(&key), 12),
        }
    };
    let splits = ["train", "dev", "test"].into_iter();
    splits
        .flat_map(|s| {
            table(&format!("meld/{s}_sent_emo.csv"))
                .into_iter()
                .map(move |r| row(s, r))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn iemocap() -> Vec<Row> {
    let (audio, video) = (
        pickle("iemocap/audio_features.pkl"),
        pickle("iemocap/video_features.pkl"),
    );
    let lines = |folder: &str| -> BTreeMap<String, String> {
        let texts = FILES.iter().filter(|(file, _)| file.contains(folder));
        let lines = texts.flat_map(|(_, text)| std::str::from_utf8(text).unwrap().lines());
        let id = |line: &str| {
            line.split_whitespace()
                .find(|word| word.starts_with("Ses"))
                .map(str::to_owned)
        };
        lines
            .filter_map(|line| Some((id(line)?, line.to_owned())))
            .collect()
    };
    let (labels, texts) = (lines("/EmoEvaluation/"), lines("/transcriptions/"));
    let rows: Vec<Row> = table("iemocap/splits.csv")
        .into_iter()
        .map(|row| {
            let (split, id) = (row["split"].clone(), row["utterance_id"].clone());
            let text = texts[&id].split_once("]: ").unwrap().1.to_owned();
            let label = labels[&id].split('\t').nth(2).unwrap().to_owned();
            let session = id[3..5].parse::<u8>().unwrap();
            assert_eq!(
                (split == "test", split == "dev"),
                (session == 5, session == 4),
                "{id}"
            );
            let (audio, video) = (
                mean(audio.root().get(&id), 14),
                mean(video.root().get(&id), 8),
            );
            Row {
                split,
                id,
                text,
                label,
                audio,
                video,
            }
        })
        .collect();
    assert_eq!((rows.len(), rows.len()), (labels.len(), texts.len()));
    rows
}

pub(super) fn corpora() -> Vec<(&'static str, Vec<Row>)> {
    let mosi = sentiment("mosi", "MOSI-label.csv", [12, 10]);
    vec![
        ("mosi", mosi),
        ("mosei", sentiment("mosei", "label.csv", [16, 14])),
        ("meld", meld()),
        ("iemocap", iemocap()),
    ]
}

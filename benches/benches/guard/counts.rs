//! Parts whose cost is counted in instructions: each closure is one repeat of fixed work on fixed input.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use tch::Device;
use unimse_eval::{Convention, emotion, resample, sentiment, sentiment_measure};
use unimse_formats::{Csd, Pickle};
use unimse_labels::{
    Field, Grammar, IemocapEmotion, MeldEmotion, Sample, Split, UnifyOptions, unify,
};
use unimse_media::mel::{MelSettings, mel_power};
use unimse_model::{Batch, FeatureGroup, ModalityBatch, Tokenizer};

use crate::donor_rows::normalise;
use crate::kernels::encoder;
use crate::labels::labels;
use crate::values::values;
use crate::{Failure, Part, Work};

/// All of them, in the order in which they are listed.
pub(crate) const PARTS: &[Part] = &[
    Part::new("labels/format", 1000, label_format), // labels
    Part::new("labels/parse", 1000, label_parse),   // labels
    Part::new("labels/unify", 300, label_unify),    // utterances
    Part::new("metrics/sentiment", 5000, metrics_sentiment), // rows
    Part::new("metrics/emotion", 20000, metrics_emotion), // rows
    Part::new("metrics/bootstrap", 50, metrics_bootstrap), // resamples
    Part::new("formats/pickle", 1, pickle),         // files
    Part::new("formats/csd", 1, csd),               // files
    Part::new("features/mel", 8000, mel),           // samples
    Part::new("corpus/ingest", 1, ingest),          // corpora
    Part::new("corpus/read", 1, read),              // corpora
    Part::new("text/tokenise", 20, tokenise),       // texts
    Part::new("text/collate", 32, collate),         // rows
    Part::new("report/render", 1, report),          // reports
];

fn label_format(_: &Path) -> Result<Work, Failure> {
    let (grammar, labels) = (Grammar::new(&Field::ALL), labels(1000));
    Ok(Box::new(move || {
        black_box(
            labels
                .iter()
                .map(|l| grammar.format(l).len())
                .sum::<usize>(),
        );
        Ok(())
    }))
}

fn label_parse(_: &Path) -> Result<Work, Failure> {
    let grammar = Grammar::new(&Field::ALL);
    let texts: Vec<String> = labels(1000).iter().map(|l| grammar.format(l)).collect();
    Ok(Box::new(move || {
        black_box(texts.iter().filter(|t| grammar.parse(t).is_ok()).count());
        Ok(())
    }))
}

/// 300 utterances of two corpora, embeddings of 96 values.
fn label_unify(_: &Path) -> Result<Work, Failure> {
    const DIM: usize = 96;
    let sample = |i: u16| {
        let (id, group) = (i.to_string(), (i / 10).to_string());
        if i.is_multiple_of(2) {
            let score = f32::from(i % 61) / 10.0 - 3.0;
            Sample::sentiment("mosi", &id, &group, Split::Train, score)
        } else {
            let emotion = IemocapEmotion::ALL[usize::from(i) % 6];
            Sample::iemocap("iemocap", &id, &group, Split::Train, emotion)
        }
    };
    let samples: Vec<Sample> = (0..300).map(sample).collect();
    let mut embeddings = values(samples.len() * DIM, 3);
    normalise(&mut embeddings, DIM);
    let options = UnifyOptions::default();
    Ok(Box::new(move || {
        black_box(unify(&samples, &embeddings, DIM, &options)?);
        Ok(())
    }))
}

fn scores(n: usize, seed: u64) -> Vec<f32> {
    values(n, seed).into_iter().map(|x| x * 3.0).collect()
}

fn metrics_sentiment(_: &Path) -> Result<Work, Failure> {
    let (prediction, truth) = (scores(5000, 4), scores(5000, 5));
    Ok(Box::new(move || {
        black_box(sentiment(&prediction, &truth, Convention::Mmsa)?);
        Ok(())
    }))
}

fn metrics_emotion(_: &Path) -> Result<Work, Failure> {
    let labels: Vec<String> = MeldEmotion::ALL.iter().map(ToString::to_string).collect();
    let class = |x: &f32| ((x + 1.0) * 3.4999) as usize;
    let classes = |seed| values(20_000, seed).iter().map(class).collect::<Vec<_>>();
    let (prediction, truth) = (classes(6), classes(7));
    Ok(Box::new(move || {
        black_box(emotion(&prediction, &truth, &labels)?);
        Ok(())
    }))
}

fn metrics_bootstrap(_: &Path) -> Result<Work, Failure> {
    let (prediction, truth) = (scores(700, 8), scores(700, 9));
    let videos: Vec<usize> = (0..700).map(|row| row / 22).collect();
    let metrics = Convention::Mmsa.metrics();
    Ok(Box::new(move || {
        let measure = sentiment_measure(&prediction, &truth, Convention::Mmsa, &metrics)?;
        black_box(resample(&measure, &videos, 50, 1));
        Ok(())
    }))
}

/// The demo corpora, written once.
fn demo(place: &Path) -> Result<PathBuf, Failure> {
    let data = place.join("demo");
    unimse_corpus::demo::write(&data)?;
    Ok(data)
}

fn pickle(place: &Path) -> Result<Work, Failure> {
    let path = demo(place)?.join("meld/audio_features.pkl");
    Ok(Box::new(move || {
        let opened = Pickle::open(&path)?;
        let entries = opened.root().entries().ok_or("expected a dictionary")?;
        let values = entries.filter_map(|(_, value)| value.as_array());
        let mut read = 0;
        for array in values {
            read += array.to_f32()?.len();
        }
        black_box(read);
        Ok(())
    }))
}

/// All features of every video of a computational sequence.
fn csd(_: &Path) -> Result<Work, Failure> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/unimse-formats/tests/fixtures/many_earliest.csd");
    Ok(Box::new(move || {
        let file = Csd::open(&path)?;
        let videos: Vec<String> = file.video_ids().map(str::to_owned).collect();
        for video in &videos {
            black_box(file.video(video)?);
        }
        Ok(())
    }))
}

fn mel(_: &Path) -> Result<Work, Failure> {
    let (samples, settings) = (values(8000, 10), MelSettings::default());
    Ok(Box::new(move || {
        black_box(mel_power(&samples, settings));
        Ok(())
    }))
}

/// A data folder with the demo's MOSI alone.
fn mosi(place: &Path) -> Result<PathBuf, Failure> {
    let data = place.join("mosi-alone");
    if !data.exists() {
        std::fs::create_dir(&data)?;
        std::fs::rename(
            demo(&place.join("of-mosi"))?.join("mosi"),
            data.join("mosi"),
        )?;
    }
    Ok(data)
}

fn ingest(place: &Path) -> Result<Work, Failure> {
    let (data, out) = (mosi(place)?, place.join("ingested"));
    Ok(Box::new(move || {
        unimse_corpus::ingest(&data, &out, &[], &mut |_| {})?;
        Ok(())
    }))
}

fn read(place: &Path) -> Result<Work, Failure> {
    let tables = place.join("tables");
    unimse_corpus::ingest(&mosi(place)?, &tables, &[], &mut |_| {})?;
    Ok(Box::new(move || {
        black_box(unimse_corpus::read(&tables, &Split::ALL)?);
        Ok(())
    }))
}

fn tokenise(_: &Path) -> Result<Work, Failure> {
    let tokenizer = Tokenizer::from_folder(&encoder()?)?;
    let text =
        |i: u32| format!("Well, number {i} was not what we had hoped for, was it? Oh my god!");
    let texts: Vec<String> = (0..20).map(text).collect();
    Ok(Box::new(move || {
        for text in &texts {
            black_box(tokenizer.encode_text(text, 128)?);
        }
        Ok(())
    }))
}

/// 32 rows of 8 to 39 tokens with 73 audio values each.
fn collate(_: &Path) -> Result<Work, Failure> {
    let rows: Vec<(Vec<i64>, Vec<i64>)> = (8..40).map(|n| (vec![7; n], vec![1; n])).collect();
    let audio = values(32 * 73, 11);
    Ok(Box::new(move || {
        let rows: Vec<_> = rows
            .iter()
            .map(|(ids, kinds)| (&ids[..], &kinds[..]))
            .collect();
        let group = FeatureGroup {
            dim: 73,
            rows: (0..32).collect(),
            values: tch::Tensor::from_slice(&audio).view([32, 1, 73]),
            lengths: vec![1; 32],
        };
        let audio = ModalityBatch {
            groups: vec![group],
        };
        let video = ModalityBatch::default();
        black_box(Batch::collate(&rows, 0, audio, video, Device::Cpu)?);
        Ok(())
    }))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return std::fs::copy(from, to).map(drop);
    }
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn report(place: &Path) -> Result<Work, Failure> {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/unimse-report/tests/fixtures/single");
    let run = place.join("run");
    copy(&fixture, &run)?;
    let published = unimse_report::paper_tables()?;
    Ok(Box::new(move || {
        black_box(unimse_report::write(&run, &published)?);
        Ok(())
    }))
}

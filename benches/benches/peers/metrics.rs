//! Metrics of a million rows: of scores by MMSA's convention, of seven emotions.

use std::hint::black_box;

use unimse_eval::{Convention, Metric, emotion, sentiment};

use crate::protocol::{Failure, Job, Side};
use crate::random::{Random, read, write};

/// In the order of the peers' numbers.
pub(crate) const SCORES: [Metric; 9] = [
    Metric::Mae,
    Metric::Corr,
    Metric::Acc7,
    Metric::Acc5,
    Metric::Acc3,
    Metric::Acc2Non0,
    Metric::F1Non0,
    Metric::Acc2Has0,
    Metric::F1Has0,
];
const CLASSES: usize = 7;

/// Writes predicted and true scores: thirds from -3 to 3, and predictions up to 1 beside them.
pub(crate) fn prepare_scores(job: &Job, rows: usize) -> Result<(), Failure> {
    let mut random = Random(1);
    let truth: Vec<f32> = (0..rows)
        .map(|_| (random.below(19) as f32 - 9.0) / 3.0)
        .collect();
    let prediction: Vec<f32> = truth.iter().map(|t| t + random.float()).collect();
    write(&job.folder.join("truth.f32"), &truth, f32::to_le_bytes)?;
    write(
        &job.folder.join("prediction.f32"),
        &prediction,
        f32::to_le_bytes,
    )
}

/// Predicted and true scores.
pub(crate) fn read_scores(job: &Job) -> Result<[Vec<f32>; 2], Failure> {
    let file = |name: &str| read(&job.folder.join(name), f32::from_le_bytes);
    Ok([file("prediction.f32")?, file("truth.f32")?])
}

pub(crate) fn scores(job: &Job) -> Result<Side, Failure> {
    if job.side == "prepare" {
        prepare_scores(job, job.size(1_000_000, 10_000))?;
        return Ok(Side::prepared());
    }
    let [prediction, truth] = read_scores(job)?;
    let found = sentiment(&prediction, &truth, Convention::Mmsa)?;
    let check = SCORES.map(|metric| found.get(metric).unwrap_or(f64::NAN));
    Ok(Side::new(check.to_vec(), move || {
        black_box(sentiment(&prediction, &truth, Convention::Mmsa)?);
        Ok(())
    }))
}

pub(crate) fn emotions(job: &Job) -> Result<Side, Failure> {
    let [prediction, truth] = ["prediction.i64", "truth.i64"].map(|name| job.folder.join(name));
    if job.side == "prepare" {
        let mut random = Random(1);
        let rows = job.size(1_000_000, 10_000);
        let classes: Vec<i64> = (0..rows).map(|_| random.below(CLASSES) as i64).collect();
        let mut guess = |class: i64| match random.below(5) {
            0 | 1 => random.below(CLASSES) as i64,
            _ => class,
        };
        let guesses: Vec<i64> = classes.iter().map(|&class| guess(class)).collect();
        write(&truth, &classes, i64::to_le_bytes)?;
        write(&prediction, &guesses, i64::to_le_bytes)?;
        return Ok(Side::prepared());
    }
    let class = |bytes| i64::from_le_bytes(bytes) as usize;
    let (prediction, truth) = (read(&prediction, class)?, read(&truth, class)?);
    let labels: Vec<String> = (0..CLASSES)
        .map(|class| format!("emotion {class}"))
        .collect();
    let found = emotion(&prediction, &truth, &labels)?.scores;
    let check = Metric::EMOTION.map(|metric| found.get(metric).unwrap_or(f64::NAN));
    Ok(Side::new(check.to_vec(), move || {
        black_box(emotion(&prediction, &truth, &labels)?);
        Ok(())
    }))
}

//! An MMSA pickle of 1 GB: read with every array touched, and ingested into Parquet tables. The peer (`benches/peers/mmsa.py`) makes the file. Both
//! sides find it cached. Ingesting also hashes the sources and syncs the tables.

use std::path::Path;

use unimse_corpus::Split;
use unimse_formats::{Array, Item, Pickle};

use crate::protocol::{Failure, Job, Side};

/// Sums in lanes, as numpy does.
fn sum(values: &[f32]) -> f64 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0_f32; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().chain(rest).map(|&x| f64::from(x)).sum()
}

fn sum_of(array: Array<'_>) -> Result<f64, Failure> {
    let rows = array.shape().first().copied().unwrap_or(1).max(1);
    let row = array.len() / rows;
    let mut total = 0.0;
    for i in 0..rows {
        total += sum(&array.read_f32(i * row, row)?);
    }
    Ok(total)
}

/// Touches all that `load` of the peer touches.
fn touch(item: Item<'_>) -> Result<f64, Failure> {
    if let Some(entries) = item.entries() {
        return entries.map(|(_, value)| touch(value)).sum();
    }
    match item.as_array() {
        Some(array) => sum_of(array),
        None => Ok(item.numbers().unwrap_or_default().iter().sum()),
    }
}

pub(crate) fn load(job: &Job) -> Result<Side, Failure> {
    let path = job.folder.join("data/mosei/mosei_unaligned.pkl");
    let read = move || touch(Pickle::open(&path)?.root());
    Ok(Side::new(vec![read()?], move || read().map(drop)))
}

/// The sum of all features in the tables.
fn features(tables: &Path) -> Result<f64, Failure> {
    let mut total = 0.0;
    for corpus in unimse_corpus::read(tables, &Split::ALL)? {
        for utterance in &corpus.utterances {
            for sequence in [&utterance.audio, &utterance.video].into_iter().flatten() {
                total += sum(&sequence.values);
            }
        }
    }
    Ok(total)
}

pub(crate) fn ingest(job: &Job) -> Result<Side, Failure> {
    let [data, tables] = ["data", "ours"].map(|name| job.folder.join(name));
    let run = move || -> Result<(), Failure> {
        unimse_corpus::ingest(&data, &tables, &[], &mut |_| {})?;
        Ok(())
    };
    run()?;
    let check = features(&job.folder.join("ours"))?;
    Ok(Side::new(vec![check], run))
}

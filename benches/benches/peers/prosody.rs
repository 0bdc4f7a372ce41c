//! Prosodic functionals of wave files, one after the other, as extracting takes them.

use std::hint::black_box;
use std::path::Path;

use unimse_media::{Span, prosody, read_clip};

use crate::protocol::{Failure, Job, Side};
use crate::waves;

/// Functionals that both sides have by one definition; the peer names its own in this order.
const COMPARED: [&str; 3] = ["f0_p50", "mfcc1_mean", "level"];

pub(crate) fn side(job: &Job) -> Result<Side, Failure> {
    let (files, first) = waves::files(job)?;
    let features = features(&first)?;
    let places = COMPARED.map(|name| prosody::NAMES.iter().position(|known| *known == name));
    let values = places
        .into_iter()
        .flatten()
        .map(|place| f64::from(features[place]));
    Ok(Side::new(values.collect(), move || {
        for file in &files {
            black_box(self::features(file)?);
        }
        Ok(())
    }))
}

fn features(path: &Path) -> Result<Vec<f32>, Failure> {
    let clip = read_clip(path, Span::default())?;
    Ok(prosody::from_samples(&clip.samples).values)
}

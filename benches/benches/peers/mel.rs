//! Log-mel features of wave files, one after the other, as ingesting takes them.

use std::hint::black_box;

use unimse_media::mel::from_wav;

use crate::protocol::{Failure, Job, Side};
use crate::waves;

pub(crate) fn side(job: &Job) -> Result<Side, Failure> {
    let (files, first) = waves::files(job)?;
    let check = from_wav(&first)?
        .values
        .into_iter()
        .map(f64::from)
        .collect();
    Ok(Side::new(check, move || {
        for file in &files {
            black_box(from_wav(file)?);
        }
        Ok(())
    }))
}

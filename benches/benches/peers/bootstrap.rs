//! 95 % intervals of all metrics of MOSEI's 4,659 test rows from 10,000 resamples of videos, as `evaluate` takes them.

use unimse_eval::{Convention, Interval, Resampled, resample, sentiment_measure};

use crate::metrics::{SCORES, prepare_scores, read_scores};
use crate::protocol::{Failure, Job, Side};
use crate::random::{read, write};

const ROWS: usize = 4_659;
/// Of MOSEI's test split, nearly: 4,659 rows of 676 videos.
const ROWS_OF_A_VIDEO: usize = 7;

pub(crate) fn side(job: &Job) -> Result<Side, Failure> {
    let clusters = job.folder.join("clusters.i64");
    if job.side == "prepare" {
        prepare_scores(job, ROWS)?;
        let of_row: Vec<i64> = (0..ROWS)
            .map(|row| (row / ROWS_OF_A_VIDEO) as i64)
            .collect();
        write(&clusters, &of_row, i64::to_le_bytes)?;
        return Ok(Side::prepared());
    }
    let [prediction, truth] = read_scores(job)?;
    let of_row = read(&clusters, |bytes| i64::from_le_bytes(bytes) as usize)?;
    let resamples = job.size(10_000, 200);
    let intervals = move || -> Result<Vec<Interval>, Failure> {
        let measure = sentiment_measure(&prediction, &truth, Convention::Mmsa, &SCORES)?;
        let resampled = resample(&measure, &of_row, resamples, 1);
        Ok(resampled.iter().map(Resampled::interval).collect())
    };
    let found = intervals()?;
    let lows = found.iter().map(|interval| interval.low);
    let highs = found.iter().map(|interval| interval.high);
    let check = lows
        .chain(highs)
        .map(|bound| bound.unwrap_or(f64::NAN))
        .collect();
    Ok(Side::new(check, move || {
        std::hint::black_box(intervals()?);
        Ok(())
    }))
}

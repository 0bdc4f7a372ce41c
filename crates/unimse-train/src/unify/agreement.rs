//! How well donors predict known labels: means with 95 % bootstrap intervals that draw dialogues or videos.

use std::collections::HashSet;

use unimse_eval::{Interval, Measure, resample};
use unimse_labels::{Agreement, Question};
use unimse_run::Agreed;

/// Draws of the bootstrap intervals.
const RESAMPLES: usize = 1000;
/// Seed of the draws.
const SEED: u64 = 1;

/// The means of what donors answered to one question, with their intervals.
pub(crate) fn agreed(answers: &Agreement) -> Agreed {
    let groups: Vec<usize> = answers.rows.iter().map(|row| row.group as usize).collect();
    let means = Measure::means(answers.rows.len(), 3, |rows, sums| {
        for row in rows.iter().map(|&row| &answers.rows[row]) {
            let values = [row.donor, row.random, row.majority];
            sums.iter_mut().zip(values).for_each(|(s, v)| *s += v);
        }
    });
    let resampled = resample(&means, &groups, RESAMPLES, SEED);
    let (donor, random, majority) = (&resampled[0], &resampled[1], &resampled[2]);
    let error = answers.question == Question::Intensity;
    Agreed {
        question: answers.question,
        corpus: answers.corpus.clone(),
        measure: if error {
            "mean absolute error"
        } else {
            "accuracy"
        }
        .to_owned(),
        n: answers.rows.len(),
        groups: groups.iter().collect::<HashSet<_>>().len(),
        donor: donor.interval(),
        random: random.interval(),
        majority: majority.interval(),
        over_random: donor.less(random).interval(),
        over_majority: donor.less(majority).interval(),
    }
}

/// One question as a line of text for a terminal.
pub(crate) fn line(agreed: &Agreed) -> String {
    let value = |i: &Interval| {
        i.estimate
            .map_or_else(|| "undefined".to_owned(), |x| format!("{x:.3}"))
    };
    let show = |i: &Interval| match (i.estimate, i.low, i.high) {
        (Some(x), Some(low), Some(high)) => format!("{x:+.3} [{low:+.3}, {high:+.3}]"),
        _ => format!(
            "{} (no interval: {})",
            value(i),
            i.undefined.as_deref().unwrap_or("undefined")
        ),
    };
    format!(
        "agreement, {} of {} ({} of n = {} in {} dialogues or videos): donor {}, random {}, majority {}; donor minus random {}, minus majority {}",
        agreed.question,
        agreed.corpus,
        agreed.measure,
        agreed.n,
        agreed.groups,
        value(&agreed.donor),
        value(&agreed.random),
        value(&agreed.majority),
        show(&agreed.over_random),
        show(&agreed.over_majority),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use unimse_labels::Judged;

    #[test]
    fn agreement_within_one_dialogue_has_no_interval_and_says_why() {
        let judged = |group, donor| Judged {
            group,
            donor,
            random: 0.5,
            majority: 0.0,
        };
        let asked = |groups: [u32; 4]| {
            let rows = groups.into_iter().zip([1.0, 0.0, 1.0, 1.0]);
            agreed(&Agreement {
                question: Question::Meld,
                corpus: "meld".to_owned(),
                rows: rows.map(|(group, donor)| judged(group, donor)).collect(),
            })
        };
        let one = asked([3; 4]);
        assert_eq!((one.groups, one.donor.estimate), (1, Some(3.0 / 4.0)));
        assert_eq!((one.donor.low, one.donor.high), (None, None));
        let shown = line(&one);
        assert!(
            shown.contains("donor 0.750")
                && shown.contains("0.250 (no interval: all rows are of one cluster"),
            "{shown}"
        );
        let two = asked([3, 3, 4, 4]);
        assert_eq!(two.groups, 2);
        // both of one dialogue, or both of the other
        assert_eq!((two.donor.low, two.donor.high), (Some(0.5), Some(1.0)));
    }
}

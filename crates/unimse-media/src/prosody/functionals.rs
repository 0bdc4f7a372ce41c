//! A contour to a few numbers.

/// Mean and standard deviation (over the number of values); 0 of nothing.
pub(super) fn moments(values: &[f32]) -> (f32, f32) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let square = values.iter().map(|&x| (f64::from(x) - mean).powi(2));
    (mean as f32, (square.sum::<f64>() / n).sqrt() as f32)
}

/// The value below which a share of all lies, between neighbours by a straight line; 0 of nothing. `sorted` rises.
pub(super) fn percentile(sorted: &[f32], share: f64) -> f32 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = share * last as f64;
    let (below, part) = (at.floor() as usize, at.fract() as f32);
    let above = (below + 1).min(last);
    sorted[below] + part * (sorted[above] - sorted[below])
}

/// Mean over three neighbours; within stretches of `kept` only, of what is not kept 0.
pub(super) fn smoothed(values: &[f32], kept: impl Fn(usize) -> bool) -> Vec<f32> {
    let mean = |t: usize| {
        if !kept(t) {
            return 0.0;
        }
        let near = t.saturating_sub(1)..(t + 2).min(values.len());
        let (mut sum, mut count) = (0.0, 0);
        for i in near.filter(|&i| kept(i)) {
            sum += values[i];
            count += 1;
        }
        sum / count as f32
    };
    (0..values.len()).map(mean).collect()
}

/// Mean slopes of the rising and of the falling parts between turning points, in units a second; parts that cross a step that is not kept
/// do not count.
pub(super) fn slopes(values: &[f32], kept: impl Fn(usize) -> bool, step_s: f32) -> (f32, f32) {
    let (mut rising, mut falling) = (Vec::new(), Vec::new());
    let mut start: Option<usize> = None;
    for t in 0..values.len() {
        if !kept(t) {
            start = None;
            continue;
        }
        let from = *start.get_or_insert(t);
        let next = (t + 1 < values.len() && kept(t + 1)).then(|| values[t + 1] - values[t]);
        let last = if t > from {
            values[t] - values[t - 1]
        } else {
            0.0
        };
        // a part ends with its stretch and where the contour turns
        if t > from && next.is_none_or(|next| next * last <= 0.0) {
            let change = values[t] - values[from];
            let slope = change / ((t - from) as f32 * step_s);
            match change {
                change if change > 0.0 => rising.push(slope),
                change if change < 0.0 => falling.push(slope),
                _ => {}
            }
            start = Some(t);
        }
    }
    (moments(&rising).0, moments(&falling).0)
}

/// Maxima that rise over both neighbouring minima by more than a tenth of the contour's range: about syllables, of loudness.
pub(super) fn peaks(values: &[f32]) -> usize {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let needed = 0.1 * (most - least);
    if values.len() < 3 || needed <= 0.0 {
        return 0;
    }
    let (mut count, mut rising, mut turn) = (0, true, least);
    for &value in values {
        if rising {
            turn = turn.max(value);
            if value < turn - needed {
                count += 1;
                (rising, turn) = (false, value);
            }
        } else {
            turn = turn.min(value);
            if value > turn + needed {
                (rising, turn) = (true, value);
            }
        }
    }
    // a rise that the end cuts off counts where it rose enough
    count + usize::from(rising && count > 0)
}

/// Lengths of the stretches that are `kept` or not, in seconds.
pub(super) fn stretches(kept: &[bool], which: bool, step_s: f32) -> Vec<f32> {
    kept.chunk_by(|a, b| a == b)
        .filter(|part| part[0] == which)
        .map(|part| part.len() as f32 * step_s)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_percentiles() {
        assert_eq!(moments(&[1.0, 3.0]), (2.0, 1.0));
        assert_eq!(moments(&[]), (0.0, 0.0));
        let sorted = [0.0, 10.0, 20.0, 30.0, 40.0];
        assert_eq!(percentile(&sorted, 0.5), 20.0);
        assert_eq!(percentile(&sorted, 0.2), 8.0);
        assert_eq!(
            (percentile(&sorted, 1.0), percentile(&[], 0.2)),
            (40.0, 0.0)
        );
    }

    #[test]
    fn contours() {
        let kept = [true, true, false, true, true];
        let smooth = smoothed(&[1.0, 3.0, 100.0, 5.0, 7.0], |t| kept[t]);
        assert_eq!(smooth, [2.0, 2.0, 0.0, 6.0, 6.0]);
        assert_eq!(stretches(&kept, true, 0.5), [1.0, 1.0]);
        assert_eq!(stretches(&kept, false, 0.5), [0.5]);
        // up by 4 in two steps, down by 3 in one, up by 1 in one
        let (up, down) = slopes(&[0.0, 1.0, 4.0, 1.0, 2.0], |_| true, 0.5);
        assert_eq!((up, down), ((4.0 / 1.0 + 1.0 / 0.5) / 2.0, -3.0 / 0.5));
        assert_eq!(slopes(&[5.0], |_| true, 1.0), (0.0, 0.0));
        assert_eq!(peaks(&[0.0, 5.0, 1.0, 9.0, 0.0]), 2);
        assert_eq!(peaks(&[0.0, 5.0, 4.9, 5.1, 0.0]), 1);
        assert_eq!(peaks(&[1.0; 9]), 0);
    }
}

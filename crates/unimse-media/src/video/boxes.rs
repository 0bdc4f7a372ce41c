//! Boxes around faces: overlap, suppression of those that others cover, corrections.

/// A box that a network thinks a face is in, in pixels of the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    /// Left, top, right, bottom.
    pub(super) bounds: [f32; 4],
    /// 0 to 1.
    pub(super) score: f32,
    /// Corrections of the bounds, in widths and heights.
    pub(super) offsets: [f32; 4],
    /// As [`Face::landmarks`](super::Face::landmarks); only the last network finds them.
    pub(super) landmarks: [[f32; 2]; 5],
}

/// What an overlap is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// Share of both together.
    Union,
    /// Share of the smaller one, whose last pixels count.
    Smaller,
}

impl Overlap {
    /// Overlap of two boxes, 0 to 1.
    pub(super) fn of(self, a: [f32; 4], b: [f32; 4]) -> f32 {
        let more = match self {
            Self::Union => 0.0,
            Self::Smaller => 1.0,
        };
        let area = |x: [f32; 4]| (x[2] - x[0] + more) * (x[3] - x[1] + more);
        let width = (a[2].min(b[2]) - a[0].max(b[0]) + more).max(0.0);
        let height = (a[3].min(b[3]) - a[1].max(b[1]) + more).max(0.0);
        let common = width * height;
        let whole = match self {
            Self::Union => area(a) + area(b) - common,
            Self::Smaller => area(a).min(area(b)),
        };
        if whole > 0.0 { common / whole } else { 0.0 }
    }
}

/// The best of boxes that overlap by more than `most`, best first.
pub(super) fn suppressed(mut all: Vec<Candidate>, most: f32, by: Overlap) -> Vec<Candidate> {
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for one in all {
        let covered = |better: &Candidate| by.of(better.bounds, one.bounds) > most;
        if !kept.iter().any(covered) {
            kept.push(one);
        }
    }
    kept
}

/// Bounds that are corrected by offsets; `more` is 1 where the last pixel counts to width and height.
pub(super) fn corrected(bounds: [f32; 4], offsets: [f32; 4], more: f32) -> [f32; 4] {
    let (width, height) = (bounds[2] - bounds[0] + more, bounds[3] - bounds[1] + more);
    let sizes = [width, height, width, height];
    std::array::from_fn(|i| bounds[i] + offsets[i] * sizes[i])
}

/// The square of the longer side around the same centre.
pub(super) fn squared(bounds: [f32; 4]) -> [f32; 4] {
    let (width, height) = (bounds[2] - bounds[0], bounds[3] - bounds[1]);
    let side = width.max(height);
    let left = bounds[0] + width * 0.5 - side * 0.5;
    let top = bounds[1] + height * 0.5 - side * 0.5;
    [left, top, left + side, top + side]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(bounds: [f32; 4], score: f32) -> Candidate {
        Candidate {
            bounds,
            score,
            offsets: [0.0; 4],
            landmarks: [[0.0; 2]; 5],
        }
    }

    #[test]
    fn overlaps_are_shares() {
        let (a, b) = ([0.0, 0.0, 4.0, 4.0], [2.0, 0.0, 6.0, 4.0]);
        assert_eq!(Overlap::Union.of(a, b), 8.0 / (16.0 + 16.0 - 8.0));
        assert_eq!(Overlap::Smaller.of(a, b), (3.0 * 5.0) / (5.0 * 5.0));
        assert_eq!(Overlap::Union.of(a, [5.0, 0.0, 6.0, 4.0]), 0.0);
        assert_eq!(Overlap::Union.of([0.0; 4], [0.0; 4]), 0.0);
    }

    #[test]
    fn of_boxes_that_overlap_the_best_stays() {
        let all = vec![
            candidate([0.0, 0.0, 4.0, 4.0], 0.7),
            candidate([1.0, 0.0, 5.0, 4.0], 0.9),
            candidate([9.0, 9.0, 12.0, 12.0], 0.6),
        ];
        let kept = suppressed(all.clone(), 0.5, Overlap::Union);
        assert_eq!(kept, [all[1], all[2]]);
        assert_eq!(suppressed(all, 0.6, Overlap::Union).len(), 3);
    }

    #[test]
    fn bounds_are_moved_by_shares_of_their_size_and_made_square() {
        let bounds = [10.0, 20.0, 30.0, 60.0];
        let offsets = [0.1, -0.1, 0.5, 0.25];
        let expected = [
            10.0 + 0.1 * 20.0,
            20.0 - 0.1 * 40.0,
            30.0 + 0.5 * 20.0,
            60.0 + 0.25 * 40.0,
        ];
        assert_eq!(corrected(bounds, offsets, 0.0), expected);
        assert_eq!(squared(bounds), [0.0, 20.0, 40.0, 60.0]);
    }
}

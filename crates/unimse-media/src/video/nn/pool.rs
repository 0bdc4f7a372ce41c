//! Pooling.

use super::{Edges, Map};

/// The largest value of every window of `size` by `size`, `stride` apart. Windows reach over the edges: with [`Edges::Inside`] the last ones do where
/// the size does not divide (PyTorch's `ceil_mode`), with [`Edges::Same`] as TensorFlow pads.
pub(in crate::video) fn max_pool(map: &Map, size: usize, stride: usize, edges: Edges) -> Map {
    let along = |length: usize| match edges {
        Edges::Inside => (length.saturating_sub(size).div_ceil(stride) + 1, 0),
        Edges::Same => {
            let count = length.div_ceil(stride);
            (count, edges.before(length, size, stride))
        }
    };
    let ((height, above), (width, left)) = (along(map.height), along(map.width));
    let mut out = Map::zeros(map.channels, height, width);
    let window = |at: usize, before: usize, length: usize| {
        let from = (at * stride).saturating_sub(before);
        from.min(length)..(at * stride + size - before).min(length)
    };
    let planes = map.values.chunks_exact(map.area().max(1));
    for (plane, to) in planes.zip(out.values.chunks_exact_mut((height * width).max(1))) {
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            to.fill(f32::NEG_INFINITY);
            for row in window(y, above, map.height) {
                let row = &plane[row * map.width..][..map.width];
                for (x, to) in to.iter_mut().enumerate() {
                    let values = &row[window(x, left, map.width)];
                    *to = values.iter().fold(*to, |most, x| most.max(*x));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f32]) -> Map {
        let (width, values) = (values.len(), values.to_vec());
        Map {
            channels: 1,
            height: 1,
            width,
            values,
        }
    }

    #[test]
    fn windows_reach_over_the_edges_as_the_frameworks_let_them() {
        let map = line(&[1.0, 9.0, 2.0, 3.0, 4.0]);
        // 0..3, 2..5
        assert_eq!(max_pool(&map, 3, 2, Edges::Inside).values, [9.0, 4.0]);
        // one before the start: ..2, 1..4, 3..
        assert_eq!(max_pool(&map, 3, 2, Edges::Same).values, [9.0, 9.0, 4.0]);
        // an even length is padded behind only: 0..3, 2..
        let map = line(&[1.0, 2.0, 9.0, 3.0]);
        assert_eq!(max_pool(&map, 3, 2, Edges::Same).values, [9.0, 9.0]);
        // 0..2, 2..
        let map = line(&[1.0, 2.0, 9.0]);
        assert_eq!(max_pool(&map, 2, 2, Edges::Inside).values, [2.0, 9.0]);
    }
}

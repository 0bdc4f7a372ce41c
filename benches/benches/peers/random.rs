//! Numbers whose values do not matter, their being fixed does; and files of plain numbers, which Python reads as they are.

use std::path::Path;

use crate::protocol::Failure;

/// A linear congruential generator (Knuth's constants).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 40
    }

    /// In [-1, 1).
    pub(crate) fn float(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() as usize * n) >> 24
    }
}

/// Writes numbers, little-endian, nothing else.
pub(crate) fn write<const N: usize, T: Copy>(
    path: &Path,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<(), Failure> {
    let all: Vec<u8> = values.iter().flat_map(|&value| bytes(value)).collect();
    Ok(std::fs::write(path, all)?)
}

/// Reads numbers as [`write`] wrote them.
pub(crate) fn read<const N: usize, T>(
    path: &Path,
    value: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Failure> {
    let bytes = std::fs::read(path)?;
    let (chunks, _) = bytes.as_chunks::<N>();
    Ok(chunks.iter().map(|&chunk| value(chunk)).collect())
}

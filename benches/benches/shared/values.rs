//! Numbers whose values do not matter, their being fixed does. The references of `guard` are made of them: they must never change.

/// Values in [-1, 1) from a fixed linear congruential generator.
pub(crate) fn values(n: usize, mut state: u64) -> Vec<f32> {
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(n).collect()
}

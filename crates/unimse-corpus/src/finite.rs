//! The one rule for features that are no numbers.

/// Sets every value that is not finite (NaN, infinities, what lay beyond the range of f32) to 0, and says how many there were.
///
/// ```
/// let mut values = [1.0, f32::NAN, 1e300_f64 as f32, -2.0];
/// assert_eq!(unimse_corpus::zero_non_finite(&mut values), 2);
/// assert_eq!(values, [1.0, 0.0, 0.0, -2.0]);
/// ```
pub fn zero_non_finite(values: &mut [f32]) -> usize {
    let mut count = 0;
    for value in values.iter_mut().filter(|value| !value.is_finite()) {
        *value = 0.0;
        count += 1;
    }
    count
}

//! The one rule for values that are no numbers: read as 0, counted, told.

/// Sets every value to 0 that is not finite (NaN, infinities, and what was beyond the range of `f32` before it became one), and says how
/// many those were. Every reader of features goes through here; who calls it tells the file, the row and the count.
///
/// ```
/// let mut values = [1.0, f32::NAN, 1e300_f64 as f32];
/// assert_eq!(unimse_formats::zero_non_finite(&mut values), 2);
/// assert_eq!(values, [1.0, 0.0, 0.0]);
/// ```
pub fn zero_non_finite(values: &mut [f32]) -> usize {
    let mut count = 0;
    for value in values.iter_mut().filter(|value| !value.is_finite()) {
        *value = 0.0;
        count += 1;
    }
    count
}

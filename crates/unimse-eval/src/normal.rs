//! The normal distribution function and its inverse, to about 1e-15: the standard library has neither.

/// Beyond this both tails are lost in the rounding of 1.
const END: f64 = 8.3;

/// The share of a standard normal distribution below `x`, by its series (Marsaglia, "Evaluating the normal distribution", 2004).
pub(crate) fn phi(x: f64) -> f64 {
    if x.abs() > END || x.is_nan() {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut odd, mut before) = (x, x, 1.0, f64::NAN);
    while sum != before {
        odd += 2.0;
        term *= x * x / odd;
        before = sum;
        sum += term;
    }
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    (0.5 + sum * density).clamp(0.0, 1.0)
}

/// The `x` with `phi(x) = share`, by bisection to the last bit.
pub(crate) fn phi_inverse(share: f64) -> f64 {
    let (mut low, mut high) = (-END, END);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return middle;
        }
        if phi(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz and Stegun, table 26.1, and the usual quantiles.
    #[test]
    fn values_of_the_tables() {
        for (x, share) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_543),
            (-2.0, 0.022_750_131_948_179),
            (5.0, 0.999_999_713_348_428),
        ] {
            assert!((phi(x) - share).abs() < 1e-14, "{x}");
        }
        assert!((phi_inverse(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
        assert!((phi_inverse(0.025) + 1.959_963_984_540_054).abs() < 1e-12);
        assert!(phi_inverse(0.5).abs() < 1e-15);
        assert_eq!((phi(-40.0), phi(40.0)), (0.0, 1.0));
    }

    #[test]
    fn the_inverse_inverts() {
        for at in 1..1000 {
            let share = f64::from(at) / 1000.0;
            assert!((phi(phi_inverse(share)) - share).abs() < 1e-15, "{share}");
        }
    }
}

//! Numbers of a configuration that cannot be out of range: checked when they are read, never again.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that its type cannot hold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct OutOfRange {
    /// What the type holds.
    pub expected: String,
    /// What was to become one.
    pub found: String,
}

/// A whole number from `LOW` to `HIGH`.
///
/// ```
/// use unimse_model::config::Count;
/// assert_eq!(Count::<1, 8>::new(8).map(Count::get), Ok(8));
/// assert_eq!(Count::<1, 8>::new(9).unwrap_err().to_string(), "expected a number from 1 to 8, found 9");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count<const LOW: usize, const HIGH: usize>(usize);

impl<const LOW: usize, const HIGH: usize> Count<LOW, HIGH> {
    /// `n`, where it lies in the range.
    ///
    /// # Errors
    /// [`OutOfRange`] where it does not.
    pub fn new(n: usize) -> Result<Self, OutOfRange> {
        Self::checked(n as i128)
    }

    /// `N`, checked by the compiler.
    #[must_use]
    pub const fn literal<const N: usize>() -> Self {
        const { assert!(LOW <= N && N <= HIGH, "the number lies outside the range") };
        Self(N)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }

    fn checked(n: i128) -> Result<Self, OutOfRange> {
        match usize::try_from(n) {
            Ok(n) if (LOW..=HIGH).contains(&n) => Ok(Self(n)),
            _ => Err(OutOfRange {
                expected: format!("a number from {LOW} to {HIGH}"),
                found: n.to_string(),
            }),
        }
    }
}

impl<const LOW: usize, const HIGH: usize> TryFrom<usize> for Count<LOW, HIGH> {
    type Error = OutOfRange;

    fn try_from(n: usize) -> Result<Self, OutOfRange> {
        Self::new(n)
    }
}

impl<const LOW: usize, const HIGH: usize> PartialEq<usize> for Count<LOW, HIGH> {
    fn eq(&self, other: &usize) -> bool {
        self.0 == *other
    }
}

impl<const LOW: usize, const HIGH: usize> fmt::Debug for Count<LOW, HIGH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const LOW: usize, const HIGH: usize> fmt::Display for Count<LOW, HIGH> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<const LOW: usize, const HIGH: usize> Serialize for Count<LOW, HIGH> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, const LOW: usize, const HIGH: usize> Deserialize<'de> for Count<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let n = deserializer.deserialize_i64(Whole)?;
        Self::checked(n).map_err(D::Error::custom)
    }
}

/// Reads any whole number.
struct Whole;

impl Visitor<'_> for Whole {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, not negative")
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<i128, E> {
        match n {
            0.. => Ok(n.into()),
            _ => Err(E::invalid_value(Unexpected::Signed(n), &self)),
        }
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<i128, E> {
        Ok(n.into())
    }
}

/// A whole number from 1 to `HIGH` that is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Count<1, HIGH>", into = "Count<1, HIGH>")]
pub struct Odd<const HIGH: usize>(Count<1, HIGH>);

impl<const HIGH: usize> Odd<HIGH> {
    /// 1.
    pub const ONE: Self = Self(Count::literal::<1>());

    /// The number.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0.get()
    }
}

impl<const HIGH: usize> TryFrom<usize> for Odd<HIGH> {
    type Error = OutOfRange;

    fn try_from(n: usize) -> Result<Self, OutOfRange> {
        Count::new(n)?.try_into()
    }
}

impl<const HIGH: usize> TryFrom<Count<1, HIGH>> for Odd<HIGH> {
    type Error = OutOfRange;

    fn try_from(n: Count<1, HIGH>) -> Result<Self, OutOfRange> {
        match n.get().is_multiple_of(2) {
            false => Ok(Self(n)),
            true => Err(OutOfRange {
                expected: "an odd number".to_owned(),
                found: n.to_string(),
            }),
        }
    }
}

impl<const HIGH: usize> From<Odd<HIGH>> for Count<1, HIGH> {
    fn from(n: Odd<HIGH>) -> Self {
        n.0
    }
}

macro_rules! real {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $x:ident => $holds:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        #[allow(clippy::manual_range_contains, reason = "`contains` is not const")]
        impl $name {
            /// `x`, for values in the source; use it in a `const`, where a number that does not fit is an error of the compiler.
            ///
            /// # Panics
            /// `x` does not fit.
            #[must_use]
            pub const fn literal($x: f64) -> Self {
                assert!($x.is_finite() && $holds, $expected);
                Self($x)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        #[allow(clippy::manual_range_contains, reason = "the same words as above")]
        impl TryFrom<f64> for $name {
            type Error = OutOfRange;

            fn try_from($x: f64) -> Result<Self, OutOfRange> {
                match $x.is_finite() && $holds {
                    true => Ok(Self($x)),
                    false => Err(OutOfRange {
                        expected: $expected.to_owned(),
                        found: $x.to_string(),
                    }),
                }
            }
        }

        impl From<$name> for f64 {
            fn from(x: $name) -> Self {
                x.0
            }
        }

        impl PartialEq<f64> for $name {
            fn eq(&self, other: &f64) -> bool {
                self.0 == *other
            }
        }
    };
}

real! {
    /// A share of a whole, or the probability of dropout: in [0, 1).
    Share, "a number in [0, 1)", x => x >= 0.0 && x < 1.0
}
real! {
    /// A finite number, not negative: a weight, a rate, a spread.
    NonNegative, "a finite number, not negative", x => x >= 0.0
}
real! {
    /// A finite number above 0.
    Positive, "a positive number", x => x > 0.0
}
real! {
    /// A finite number of at least 1.
    AtLeastOne, "a number of at least 1", x => x >= 1.0
}
real! {
    /// A factor that takes away or leaves all: above 0, at most 1.
    Factor, "a number above 0, at most 1", x => x > 0.0 && x <= 1.0
}
real! {
    /// A cosine.
    Cosine, "a cosine from -1 to 1", x => x >= -1.0 && x <= 1.0
}
real! {
    /// Any finite number.
    Finite, "a finite number", x => x.is_finite()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn refused<T: for<'de> Deserialize<'de> + fmt::Debug>(json: &str) -> String {
        serde_json::from_str::<T>(json).unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words() {
        let eight = serde_json::from_str::<Count<1, 8>>("8").unwrap();
        assert_eq!(eight.get(), 8);
        for found in ["9", "0", "18446744073709551615"] {
            let expected = format!("expected a number from 1 to 8, found {found}");
            assert_eq!(refused::<Count<1, 8>>(found), expected);
        }
        assert!(refused::<Count<1, 8>>("-1").contains("expected a whole number, not negative"));
        assert!(refused::<Count<1, 8>>("1.5").contains("expected a whole number"));
        assert!(refused::<Odd<9>>("4").contains("expected an odd number, found 4"));
        assert!(refused::<Share>("1").contains("expected a number in [0, 1), found 1"));
        assert!(refused::<AtLeastOne>("0.5").contains("at least 1, found 0.5"));
        assert!(refused::<Positive>("0").contains("expected a positive number, found 0"));
        assert!(Finite::try_from(f64::NAN).is_err());
        assert!(Cosine::try_from(1.5).is_err());
    }

    #[test]
    fn what_fits_is_written_as_the_number_it_is() {
        assert_eq!(
            serde_json::to_string(&Count::<1, 8>::literal::<3>()).unwrap(),
            "3"
        );
        assert_eq!(serde_json::to_string(&Odd::<9>::ONE).unwrap(), "1");
        assert_eq!(serde_json::to_string(&Share::literal(0.1)).unwrap(), "0.1");
    }
}

//! What an image shows of a factor of variation.

use std::fmt;

/// Numbers are told apart to so many parts of one.
const PARTS: f64 = 10_000.0;

/// A value of a factor: one number or several, such as a place; equal where they are to four decimals, so that 0.15000000000000002 is
/// 0.15. In order by the first number, then the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactorValue(Vec<i64>);

impl FactorValue {
    /// The value of these numbers; those that are not finite count as 0.
    #[must_use]
    pub fn new(numbers: &[f64]) -> Self {
        Self(numbers.iter().map(|number| (number * PARTS).round() as i64).collect())
    }

    /// Its numbers.
    pub fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().map(|&parts| parts as f64 / PARTS)
    }
}

/// The numbers, separated by commas: `0.05,0.95`.
impl fmt::Display for FactorValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, number) in self.numbers().enumerate() {
            let comma = if nth > 0 { "," } else { "" };
            write!(f, "{comma}{number}")?;
        }
        Ok(())
    }
}

/// What one image of a set with a factor of variation shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The value of the factor.
    pub value: FactorValue,
    /// The object, by any number: images of one are not independent.
    pub object: usize,
    /// Everything but the factor, by any number: images of one scene differ by the factor alone.
    pub scene: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_to_four_decimals_and_in_order() {
        let value = FactorValue::new(&[0.15000000000000002, 1.0]);
        assert_eq!(value, FactorValue::new(&[0.15, 1.0]));
        assert_eq!(value.to_string(), "0.15,1");
        assert_eq!(FactorValue::new(&[341.0]).to_string(), "341");
        let mut values = [100.0, 9.0, -2.5].map(|number| FactorValue::new(&[number]));
        values.sort();
        assert_eq!(values.map(|value| value.to_string()), ["-2.5", "9", "100"]);
    }
}

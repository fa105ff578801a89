//! The order in which people number files: `part-2` before `part-10`.

use std::cmp::Ordering;

/// Compares two names, runs of digits by their value and everything else by code point.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (digits_left, rest_left) = split_digits(left);
        let (digits_right, rest_right) = split_digits(right);
        if !digits_left.is_empty() && !digits_right.is_empty() {
            let (value_left, value_right) =
                (digits_left.trim_start_matches('0'), digits_right.trim_start_matches('0'));
            let order = value_left.len().cmp(&value_right.len()).then_with(|| value_left.cmp(value_right));
            if order.is_ne() {
                return order;
            }
            (left, right) = (rest_left, rest_right);
            continue;
        }
        let (mut chars_left, mut chars_right) = (left.chars(), right.chars());
        match (chars_left.next(), chars_right.next()) {
            (Some(l), Some(r)) if l == r => (left, right) = (chars_left.as_str(), chars_right.as_str()),
            // Names that differ in leading zeros alone must still have one order.
            (None, None) => return a.cmp(b),
            (l, r) => return l.cmp(&r),
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn numbers_go_by_value() {
        let mut names = ["b", "a10", "a9", "a", "a09", "a9b", "a100000000000000000000000", "a-1"];
        names.sort_by(|a, b| compare(a, b));
        assert_eq!(names, ["a", "a-1", "a09", "a9", "a9b", "a10", "a100000000000000000000000", "b"]);
    }
}

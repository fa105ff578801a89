//! Names for many files: `shard-{000..123}.tar`, `{train,val}.parquet`, `shards/*.tar`.

use crate::{Error, natural};
use std::path::{Component, Path, PathBuf};

/// A pattern for more names than this is refused.
const LIMIT: usize = 1_000_000;

/// Whether `text` is a pattern and not a name.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The names that the brace lists in `pattern` stand for, in their order: `{a,b}`, and `{08..12}` with as many digits
/// as its ends have. Lists may be nested. Braces without a list in them are taken as they are.
pub(crate) fn braces(pattern: &str) -> Result<Vec<String>, String> {
    let too_many = || format!("`{pattern}` stands for more than {LIMIT} names");
    let mut names = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, list, after)) = first_list(rest) {
        let mut items = Vec::new();
        match range(list) {
            Some((first, last, width)) => {
                if first.abs_diff(last) >= LIMIT as u64 {
                    return Err(too_many());
                }
                let count = first.abs_diff(last) + 1;
                let number = |step: u64| if first <= last { first + step } else { first - step };
                items.extend((0..count).map(|step| format!("{:0width$}", number(step))));
            }
            None => {
                for item in split_list(list) {
                    items.extend(braces(item)?);
                }
            }
        }
        if names.len().checked_mul(items.len()).is_none_or(|count| count > LIMIT) {
            return Err(too_many());
        }
        let join =
            |name: &String| items.iter().map(|item| format!("{name}{before}{item}")).collect::<Vec<_>>();
        names = names.iter().flat_map(join).collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

/// What is before, in and after the first pair of braces that holds a list.
fn first_list(text: &str) -> Option<(&str, &str, &str)> {
    /// Deeper nesting is no honest pattern.
    const DEEPEST: usize = 16;
    let mut from = 0;
    while let Some(open) = text[from..].find('{').map(|at| at + from) {
        let mut depth = 0;
        for (at, c) in text[open..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth > DEEPEST {
                return None;
            }
            if depth == 0 {
                let list = &text[open + 1..open + at];
                if range(list).is_some() || split_list(list).len() > 1 {
                    return Some((&text[..open], list, &text[open + at + 1..]));
                }
                break;
            }
        }
        from = open + 1;
    }
    None
}

/// The numbers of `08..12`, and how many digits they have at least.
fn range(list: &str) -> Option<(u64, u64, usize)> {
    let (first, last) = list.split_once("..")?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = |text: &str| text.len() > 1 && text.starts_with('0');
    if !digits(first) || !digits(last) {
        return None;
    }
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    Some((first.parse().ok()?, last.parse().ok()?, width))
}

/// The items between commas outside inner braces.
fn split_list(list: &str) -> Vec<&str> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&list[start..]);
    items
}

/// The files that a pattern stands for: brace lists in their order, the matches of `*`, `?` and `[…]` in natural
/// order. A name without wildcards must be there; no file at all is an error too.
pub(crate) fn files(pattern: &str) -> Result<Vec<PathBuf>, Error> {
    let names = braces(pattern).map_err(|problem| Error::Layout { path: pattern.into(), problem })?;
    let mut files = Vec::new();
    for name in names {
        if name.contains(['*', '?', '[']) {
            glob(Path::new(&name), &mut files)?;
        } else if Path::new(&name).is_file() {
            files.push(name.into());
        } else {
            return Err(Error::not_found(Path::new(&name)));
        }
    }
    if files.is_empty() {
        return Err(Error::Layout { path: pattern.into(), problem: "matches no file".into() });
    }
    Ok(files)
}

fn glob(pattern: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !text.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut deeper = Vec::new();
        for folder in found {
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
            if !listed.is_dir() {
                continue;
            }
            let error = |source| Error::Io { path: listed.into(), source };
            for entry in std::fs::read_dir(listed).map_err(error)? {
                let name = entry.map_err(error)?.file_name();
                let shown = name.to_string_lossy();
                if matches(&text, &shown) && (text.starts_with('.') || !shown.starts_with('.')) {
                    deeper.push(folder.join(name));
                }
            }
        }
        found = deeper;
    }
    found.retain(|path| path.is_file());
    found.sort_by(|a, b| natural::compare(&a.to_string_lossy(), &b.to_string_lossy()));
    files.extend(found);
    Ok(())
}

/// Whether `name` fits `pattern`: `*` is any run of characters, `?` any one, `[a-z]` one of a set, `[!a-z]` one not of it.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last star was, and what it has taken so far: one is enough, as in every greedy matcher.
    let mut star = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => match class(&pattern[p..], name[n]) {
                Some((length, fits)) => fits.then_some(length),
                None => (name[n] == '[').then_some(1),
            },
            Some(c) => (*c == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(length), _) => (p, n) = (p + length, n + 1),
            (None, Some((at, taken))) => {
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The length of the set `[…]` that `pattern` begins with, and whether `c` is of it; none where it has no end.
fn class(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let negated = pattern.get(1).is_some_and(|c| matches!(c, '!' | '^'));
    let first = 1 + usize::from(negated);
    let end = pattern.iter().skip(first + 1).position(|c| *c == ']')? + first + 1;
    let (mut at, mut fits) = (first, false);
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            fits |= (pattern[at]..=pattern[at + 2]).contains(&c);
            at += 3;
        } else {
            fits |= pattern[at] == c;
            at += 1;
        }
    }
    Some((end + 1, fits != negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Vec<String> {
        braces(pattern).unwrap_or_default()
    }

    #[test]
    fn brace_lists() {
        assert_eq!(expanded("a-{08..11}.tar"), ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]);
        assert_eq!(expanded("{2..0}"), ["2", "1", "0"]);
        assert_eq!(expanded("{9..10}"), ["9", "10"]);
        assert_eq!(expanded("{a,b{1..2},}x"), ["ax", "b1x", "b2x", "x"]);
        assert_eq!(expanded("{a,b}{0..1}"), ["a0", "a1", "b0", "b1"]);
        for plain in ["", "a", "{a}", "{}", "{", "}", "a{b", "{1..x}"] {
            assert_eq!(expanded(plain), [plain], "{plain}");
        }
        for absurd in ["{0..1000000}", "{0..999}{0..999}{0..9}", "{0..18446744073709551615}"] {
            assert!(braces(absurd).is_err(), "{absurd}");
        }
    }

    #[test]
    fn wildcards() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*.tar", "a.tar", true),
            ("*.tar", "a.tar.gz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?.tar", "é.tar", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("a**", "a", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}

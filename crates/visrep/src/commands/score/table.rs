//! CSV files with named columns, whose errors say where they are.

use anyhow::{Context, Error, Result, anyhow, bail};
use csv::{ReaderBuilder, StringRecord, Trim};
use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::path::{Path, PathBuf};

/// A CSV file in memory: a line of column names, and rows.
pub struct Table {
    path: PathBuf,
    header: Vec<String>,
    /// Each row with its line in the file, from 1.
    rows: Vec<(u64, StringRecord)>,
}

/// One value and where it stands.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The text, without blanks around it.
    pub text: &'a str,
    table: &'a Table,
    line: u64,
    column: usize,
}

/// Counts lines. The reader's own count is taken before it passes the second half of a Windows line end and blank lines.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line, from 1, of the first value at or after a byte, which is not before the last one asked for.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).map_or(self.text.len(), |byte| byte.min(self.text.len()));
        let ends = self.text[byte..].iter().take_while(|end| matches!(end, b'\r' | b'\n')).count();
        let until = (byte + ends).max(self.at);
        self.line += self.text[self.at..until].iter().filter(|&&end| end == b'\n').count() as u64;
        self.at = until;
        self.line
    }
}

impl Table {
    /// Reads `path`. There must be at least one row, and every row must have as many values as there are columns.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        // What spreadsheets put before UTF-8.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text);
        let mut lines = Lines::of(text);
        let fault = |lines: &mut Lines<'_>, error: csv::Error| {
            let line = error.position().map_or(1, |at| lines.at(at.byte()));
            anyhow!("{shown}, line {line}: cannot be read as CSV ({error}); save it as comma-separated UTF-8")
        };
        let header: Vec<String> = match reader.headers() {
            Ok(header) => header.iter().map(str::to_owned).collect(),
            Err(error) => return Err(fault(&mut lines, error)),
        };
        // A quotation mark that is not closed takes in all lines up to the next one, of which nothing would be said.
        let lost = "a quotation mark opens a value that goes over the end of its line; close it, or write \"\" for one within a value";
        if header.iter().any(|name| name.contains(['\n', '\r'])) {
            bail!("{shown}, line 1: {lost}");
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| fault(&mut lines, error))?;
            let line = record.position().map_or(0, |at| lines.at(at.byte()));
            if record.iter().any(|value| value.contains(['\n', '\r'])) {
                bail!("{shown}, line {line}: {lost}");
            }
            if record.len() != header.len() {
                bail!(
                    "{shown}, line {line}: {} values where the first line names {} columns; give one for each",
                    record.len(),
                    header.len()
                );
            }
            rows.push((line, record));
        }
        if rows.is_empty() {
            bail!("{shown} has no rows: the first line names the columns, and each that follows is one row");
        }
        Ok(Self { path: path.to_owned(), header, rows })
    }

    /// The place of the column called `name`, which there must be once.
    fn place(&self, name: &str) -> Result<usize> {
        let mut found = self.header.iter().enumerate().filter(|(_, header)| *header == name);
        let shown = self.path.display();
        match (found.next(), found.next()) {
            (Some((place, _)), None) => Ok(place),
            (Some(_), Some(_)) => {
                bail!("{shown}, line 1: two columns are called '{name}'; rename or remove one")
            }
            (None, _) => {
                let columns = match self.header.as_slice() {
                    [one] if one.contains([';', '\t']) => {
                        format!("'{one}' as its only one: separate columns by commas")
                    }
                    columns if columns.len() > 12 => {
                        format!("{} … ({} in all)", columns[..12].join(", "), columns.len())
                    }
                    columns => columns.join(", "),
                };
                bail!(
                    "{shown}, line 1: no column '{name}'; the first line must name it, and it has {columns}"
                )
            }
        }
    }

    /// The cells of these columns, row by row.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> Result<impl Iterator<Item = [Cell<'_>; N]>> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.place(name)?;
        }
        Ok(self.rows.iter().map(move |(line, record)| {
            places.map(|column| {
                let text = record.get(column).unwrap_or_default();
                Cell { text, table: self, line: *line, column }
            })
        }))
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.header.iter().any(|header| header == name)
    }

    /// The first column's name.
    pub fn first_column(&self) -> &str {
        &self.header[0]
    }
}

impl Cell<'_> {
    /// An error about this cell.
    pub fn error(&self, problem: impl Display) -> Error {
        let Self { table, line, column, text } = self;
        let (path, name) = (table.path.display(), &table.header[*column]);
        anyhow!("{path}, line {line}, column '{name}': '{text}' {problem}")
    }

    /// A finite number.
    pub fn number(&self) -> Result<f64> {
        match self.text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            Ok(_) => Err(self.error("is no finite number")),
            Err(_) if self.text.is_empty() => Err(self.error("is empty; a number must stand here")),
            Err(_) => Err(self.error("is no number; write it like 0.25")),
        }
    }

    /// A number in a range, which `expected` describes.
    pub fn number_in(&self, range: std::ops::RangeInclusive<f64>, expected: &str) -> Result<f64> {
        let value = self.number()?;
        if range.contains(&value) { Ok(value) } else { Err(self.error(format_args!("is not {expected}"))) }
    }

    /// A whole number in a range.
    pub fn index_in(&self, range: std::ops::RangeInclusive<usize>) -> Result<usize> {
        match self.text.parse() {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => Err(self.error(format_args!(
                "is not a whole number from {} to {}",
                range.start(),
                range.end()
            ))),
        }
    }
}

/// Keys that may stand in a table once only.
pub struct Unique<K>(HashMap<K, u64>);

impl<K: Eq + Hash> Unique<K> {
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    /// Errs when `key`, which `cell` holds, was there before.
    pub fn add(&mut self, key: K, cell: Cell<'_>) -> Result<()> {
        match self.0.insert(key, cell.line) {
            Some(line) => {
                Err(cell.error(format_args!("was already given in line {line}; keep one of the two rows")))
            }
            None => Ok(()),
        }
    }
}

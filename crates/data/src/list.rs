//! A text file that names images and their labels.

use crate::fingerprint::Fingerprint;
use crate::labels::{ClassTable, Labels};
use crate::source::{Input, Source, Stamp};
use crate::{Dataset, Error, Sample, SampleImage, folder};
use bytes::Bytes;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longer lines are refused.
const MAX_LINE: usize = 1 << 14;
/// The place of every so many lines is kept; those between are found by reading on.
const STRIDE: usize = 32;
/// How columns of images and labels are called in a heading.
const IMAGE: [&str; 8] = ["path", "file", "filename", "file_name", "filepath", "image", "img", "image_path"];
const LABEL: [&str; 6] = ["label", "labels", "class", "class_id", "target", "category"];

/// Images named in a text file, one to a line: `path`, or `path` and `label`.
///
/// Columns are separated by commas in a `.csv` file (with RFC 4180 quotes, within a line), by tabs in a `.tsv` file,
/// and otherwise the label is what follows the last space or tab. A heading that names a column `path`, `file`,
/// `filename`, `file_name`, `filepath`, `image`, `img` or `image_path` is recognised, and the label is then the column
/// named `label`, `labels`, `class`, `class_id`, `target` or `category`; without one they are the first two columns.
/// Labels are class indices where all of them are integers, and else class names in sorted order. Empty lines and those
/// that begin with `#` are passed over.
///
/// Paths are relative to the list's folder. A sample's key is the path as the list has it. Paths are not
/// kept in memory, they are read again when they are needed.
pub struct ListFile {
    path: PathBuf,
    root: PathBuf,
    format: Format,
    stamp: Option<Stamp>,
    /// Where every `STRIDE`-th sample's line begins.
    places: Vec<u64>,
    labels: Labels,
    classes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    separator: Separator,
    image: usize,
    label: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Comma,
    Tab,
    /// The last run of white space.
    Space,
}

impl ListFile {
    /// Opens a list and reads its labels.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |source| Error::Io { path: path.into(), source };
        let source = Source::File(path.into());
        let input = source.open().map_err(io)?;
        let mut lines = Lines::new(BufReader::new(source.stream().map_err(io)?));
        let mut format = None;
        let (mut places, mut table, mut count) = (Vec::new(), ClassTable::default(), 0_usize);
        loop {
            let read = lines.next();
            let row = |problem| Error::Row { key: format!("{}:{}", path.display(), lines.number), problem };
            let Some((place, line)) = read.map_err(row)? else { break };
            let known = match format {
                Some(format) => format,
                None => {
                    let (found, heading) = Format::find(path, &line).map_err(row)?;
                    format = Some(found);
                    if heading {
                        continue;
                    }
                    found
                }
            };
            let (_, label) = known.split(&line).map_err(row)?;
            table.push(label.as_deref()).map_err(row)?;
            if count % STRIDE == 0 {
                places.push(place);
            }
            count += 1;
        }
        let layout = |problem| Error::Layout { path: path.into(), problem };
        let Some(format) = format.filter(|_| count > 0) else {
            return Err(layout("names no images: expected lines of a path and a label".into()));
        };
        let (labels, classes) = table.finish().map_err(layout)?;
        let stamp = input.stamp().map_err(io)?;
        let root = path.parent().unwrap_or(Path::new("")).into();
        Ok(Self { path: path.into(), root, format, stamp, places, labels, classes })
    }

    /// The path in line `index`, as it is written there.
    fn entry(&self, index: usize) -> Result<String, Error> {
        let len = self.len();
        if index >= len {
            return Err(Error::Index { index, len });
        }
        let io = |source| Error::Io { path: self.path.clone(), source };
        let input = Source::File(self.path.clone()).open().map_err(io)?;
        let fail = |problem: String| Error::Row { key: format!("{}:{index}", self.path.display()), problem };
        if input.stamp().map_err(io)? != self.stamp {
            return Err(fail("the list has changed since it was opened".into()));
        }
        let from = self.places[index / STRIDE];
        let to = self.places.get(index / STRIDE + 1).copied();
        let to = to.map_or_else(|| input.len(), Ok).map_err(io)?;
        let mut lines = Lines::new(Piece { input, from, to });
        for _ in 0..index % STRIDE {
            lines.next().map_err(fail)?;
        }
        let line = lines.next().map_err(fail)?.ok_or_else(|| fail("has gone".into()))?.1;
        self.format.split(&line).map(|(path, _)| path).map_err(fail)
    }
}

impl Format {
    /// The format of a list, told from its name and its first line, and whether that is a heading.
    fn find(path: &Path, line: &str) -> Result<(Self, bool), String> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let separator = match extension.as_str() {
            "csv" => Separator::Comma,
            "tsv" => Separator::Tab,
            _ => Separator::Space,
        };
        let fields: Vec<String> = separator
            .fields(line)
            .unwrap_or_default()
            .iter()
            .map(|field| field.trim().to_ascii_lowercase())
            .collect();
        let named =
            |names: &[&str]| names.iter().find_map(|name| fields.iter().position(|field| field == name));
        Ok(match named(&IMAGE) {
            Some(image) => (Self { separator, image, label: named(&LABEL) }, true),
            // Taken for a sample, it would make names of all labels.
            None if separator != Separator::Space && named(&LABEL).is_some() => {
                let names = IMAGE.join("`, `");
                return Err(format!("has a heading without a column of paths: call it one of `{names}`"));
            }
            // A path with a space in it, and no label.
            None if separator == Separator::Space && folder::has_image_extension(Path::new(line)) => {
                (Self { separator: Separator::Tab, image: 0, label: None }, false)
            }
            None => (Self { separator, image: 0, label: (fields.len() > 1).then_some(1) }, false),
        })
    }

    /// Path and label of a line.
    fn split(self, line: &str) -> Result<(String, Option<String>), String> {
        let mut fields = self.separator.fields(line)?;
        let mut take = |at: usize| fields.get_mut(at).map(std::mem::take);
        let path = take(self.image).filter(|path| !path.is_empty()).ok_or("names no image")?;
        let label = match self.label {
            Some(at) => {
                Some(take(at).ok_or("has no label")?.trim().to_owned()).filter(|label| !label.is_empty())
            }
            None => None,
        };
        if path.chars().any(char::is_control) {
            return Err("has control characters in its path".into());
        }
        Ok((path, label))
    }
}

impl Separator {
    fn fields(self, line: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Tab => Ok(line.split('\t').map(String::from).collect()),
            Self::Space => {
                let line = line.trim_end();
                Ok(match line.rsplit_once([' ', '\t']) {
                    Some((path, label)) => vec![path.trim_end().into(), label.into()],
                    None => vec![line.into()],
                })
            }
            Self::Comma => {
                let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
                let mut chars = line.chars().peekable();
                while let Some(c) = chars.next() {
                    match c {
                        '"' if quoted && chars.peek() == Some(&'"') => {
                            chars.next();
                            field.push('"');
                        }
                        '"' if quoted || field.is_empty() => quoted = !quoted,
                        ',' if !quoted => fields.push(std::mem::take(&mut field)),
                        c => field.push(c),
                    }
                }
                if quoted {
                    return Err("has a quote without an end".into());
                }
                fields.push(field);
                Ok(fields)
            }
        }
    }
}

/// The lines of a list that count, with their places.
struct Lines<R> {
    reader: R,
    place: u64,
    number: usize,
}

impl<R: Read> Lines<BufReader<R>> {
    fn new(reader: R) -> Self {
        Self { reader: BufReader::new(reader), place: 0, number: 0 }
    }
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<(u64, String)>, String> {
        loop {
            let mut line = Vec::new();
            let place = self.place;
            let mut limited = (&mut self.reader).take(MAX_LINE as u64 + 1);
            limited.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
            self.number += 1;
            self.place += line.len() as u64;
            if line.is_empty() {
                return Ok(None);
            }
            if line.len() > MAX_LINE {
                return Err(format!("is longer than {MAX_LINE} bytes: no list of images"));
            }
            let line = String::from_utf8(line).map_err(|_| "is not UTF-8 text: no list of images")?;
            let line = line.trim_start_matches('\u{feff}').trim_end_matches(['\n', '\r']);
            if !line.trim().is_empty() && !line.starts_with('#') {
                return Ok(Some((place, line.to_owned())));
            }
        }
    }
}

/// Part of a file, read in order.
struct Piece {
    input: Input,
    from: u64,
    to: u64,
}

impl Read for Piece {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let len = (self.to - self.from).min(out.len() as u64) as usize;
        out[..len].copy_from_slice(&self.input.read_at(self.from, len)?);
        self.from += len as u64;
        Ok(len)
    }
}

impl Dataset for ListFile {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let key = self.entry(index)?;
        let bytes = folder::read_image(&self.root.join(&key))?;
        Ok(Sample { image: SampleImage::Encoded(Bytes::from(bytes)), label: self.labels.get(index), key })
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.get(index)
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Keys are not kept: this reads the list.
    fn key(&self, index: usize) -> String {
        self.entry(index).unwrap_or_else(|_| format!("sample {index}"))
    }

    /// The list's, whatever has become of the images.
    fn fingerprint(&self) -> Result<u64, Error> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Fingerprint::of_files([(&*name, self.stamp)], self.labels.iter(), &self.classes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_must_name_the_paths() {
        let found = |name, line| Format::find(Path::new(name), line);
        let headed = Format { separator: Separator::Comma, image: 1, label: Some(0) };
        assert_eq!(found("a.csv", "label,path"), Ok((headed, true)));
        let bare = Format { separator: Separator::Comma, image: 0, label: Some(1) };
        assert_eq!(found("a.csv", "a.jpg,3"), Ok((bare, false)));
        assert!(found("a.csv", "img_name,label").is_err_and(|error| error.contains("filename")));
        assert!(found("a.txt", "label 3").is_ok());
    }

    #[test]
    fn fields_by_separator() {
        let fields = |separator: Separator, line| separator.fields(line).unwrap_or_default();
        assert_eq!(fields(Separator::Comma, r#"a.jpg,1"#), ["a.jpg", "1"]);
        assert_eq!(fields(Separator::Comma, r#""a,""b"".jpg",x,"#), ["a,\"b\".jpg", "x", ""]);
        assert!(Separator::Comma.fields("\"a,b").is_err());
        assert_eq!(fields(Separator::Tab, "a b.jpg\t3"), ["a b.jpg", "3"]);
        assert_eq!(fields(Separator::Space, "a b.jpg  3 "), ["a b.jpg", "3"]);
        assert_eq!(fields(Separator::Space, "a.jpg"), ["a.jpg"]);
    }
}

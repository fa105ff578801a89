//! What makes a sample of an archive's files: those that follow each other with one key.
//!
//! WebDataset's convention: the key is the path up to the first dot of the file name, the rest is the extension.

use super::entry::{Entry, Fetch, Next, next_file};

/// The extensions, in lower case, by which an image is known.
const IMAGES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];
/// Where labels are, the first that is there.
const LABELS: [&str; 4] = ["cls", "label", "cls.txt", "json"];
/// The fields of a `.json` file that hold a label.
const FIELDS: [&str; 5] = ["label", "cls", "class", "class_id", "target"];
/// Larger label files are passed over.
const MAX_LABEL_BYTES: u64 = 1 << 16;
/// A larger image is refused.
pub(super) const MAX_IMAGE_BYTES: u64 = 1 << 30;

/// A sample's files, as far as they matter.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: String,
    /// Where the headers of its first file begin.
    pub(super) header: u64,
    pub(super) image: Option<Entry>,
    label: Option<(usize, String)>,
    /// An extension, for messages about samples without an image.
    pub(super) extension: String,
}

impl Found {
    /// The label, an integer or a class's name.
    pub(super) fn label(&self) -> Option<&str> {
        self.label.as_ref().map(|(_, label)| label.as_str())
    }
}

/// Key and lower-case extension of a path.
fn split(name: &str) -> (&str, String) {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file..].find('.') {
        Some(dot) => (&name[..file + dot], name[file + dot + 1..].to_ascii_lowercase()),
        None => (name, String::new()),
    }
}

/// Gives an archive's samples one after the other.
pub(super) struct Samples<F> {
    input: F,
    position: u64,
    /// The first file of the next sample.
    ahead: Option<Entry>,
    /// Whether the end was reached, and whether it was marked as such.
    ended: Option<bool>,
    labels: bool,
}

impl<F: Fetch> Samples<F> {
    /// Samples from `position` on, which is a sample's first header; `labels` says whether labels are read.
    pub(super) fn new(input: F, position: u64, labels: bool) -> Self {
        Self { input, position, ahead: None, ended: None, labels }
    }

    pub(super) fn input(&mut self) -> &mut F {
        &mut self.input
    }

    /// Whether the archive has ended, and without the mark of its end.
    pub(super) fn ended_unmarked(&self) -> bool {
        self.ended == Some(false)
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, String> {
        if self.ended.is_some() {
            return Ok(None);
        }
        match next_file(&mut self.input, self.position)? {
            Next::File(entry) => {
                self.position = entry.next()?;
                Ok(Some(entry))
            }
            Next::End { marked } => {
                self.ended = Some(marked);
                Ok(None)
            }
        }
    }

    /// The next sample; `visit` sees each image as it comes, while a stream is still there.
    pub(super) fn next(
        &mut self,
        mut visit: impl FnMut(&mut F, &Entry) -> Result<(), String>,
    ) -> Result<Option<Found>, String> {
        let first = match self.ahead.take() {
            Some(entry) => Some(entry),
            None => self.next_entry()?,
        };
        let Some(mut entry) = first else { return Ok(None) };
        let (key, extension) = split(&entry.name);
        let mut found =
            Found { key: key.to_owned(), header: entry.header, image: None, label: None, extension };
        loop {
            let (_, extension) = split(&entry.name);
            let last = extension.rsplit('.').next().unwrap_or_default();
            if found.image.is_none() && IMAGES.contains(&last) {
                if entry.size > MAX_IMAGE_BYTES {
                    return Err(format!("{}: {} bytes are too many for an image", entry.name, entry.size));
                }
                visit(&mut self.input, &entry)?;
                found.image = Some(entry);
            } else if self.labels
                && entry.size <= MAX_LABEL_BYTES
                && let Some(rank) = LABELS.iter().position(|known| *known == extension)
                && found.label.as_ref().is_none_or(|(known, _)| rank < *known)
            {
                let content =
                    self.input.fetch(entry.data, entry.size as usize).map_err(|error| error.to_string())?;
                found.label = label(&extension, &content).map(|label| (rank, label)).or(found.label);
            }
            match self.next_entry()? {
                Some(next) if split(&next.name).0 == found.key => entry = next,
                ahead => {
                    self.ahead = ahead;
                    return Ok(Some(found));
                }
            }
        }
    }
}

/// The label in a file's content.
fn label(extension: &str, content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?.trim();
    if extension != "json" {
        return Some(text.to_owned()).filter(|text| !text.is_empty());
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    FIELDS.iter().find_map(|field| match value.get(field)? {
        serde_json::Value::String(name) => Some(name.clone()),
        number @ serde_json::Value::Number(_) => Some(number.to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_end_at_the_first_dot_of_the_file_name() {
        for (name, key, extension) in [
            ("a.jpg", "a", "jpg"),
            ("dir.1/a.seg.PNG", "dir.1/a", "seg.png"),
            ("dir/a", "dir/a", ""),
            (".hidden", "", "hidden"),
            ("", "", ""),
        ] {
            assert_eq!(split(name), (key, extension.into()));
        }
    }

    #[test]
    fn labels_in_text_and_json() {
        assert_eq!(label("cls", b" 12\n").as_deref(), Some("12"));
        assert_eq!(label("json", br#"{"label": 7, "caption": "x"}"#).as_deref(), Some("7"));
        assert_eq!(label("json", br#"{"label": null, "class": "cat"}"#).as_deref(), Some("cat"));
        for content in [&b""[..], b"\xff", b"{}", b"[1]", b"{\"label\": [1]}"] {
            assert_eq!(label("json", content), None);
        }
        assert_eq!(label("cls", b" "), None);
    }
}

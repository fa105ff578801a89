//! What the files of a benchmark are called.

use anyhow::Result;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use visrep_data::Dataset;

/// Endings that a file's name loses.
const ENDINGS: [&str; 9] = ["bmp", "gif", "jpeg", "jpg", "png", "ppm", "tif", "tiff", "webp"];

/// `CLASS/NAME` of every sample of a dataset, each different from all others.
pub(super) struct Names {
    labels: Vec<Option<u32>>,
    /// Samples whose name another has before them.
    repeated: HashSet<usize>,
}

impl Names {
    pub(super) fn of(data: &dyn Dataset) -> Result<Self> {
        let labels = data.labels()?;
        let mut names = Self { labels, repeated: HashSet::new() };
        // Only hashes are kept: two names with the same one, of which there is next to none, both get their number.
        let mut seen = HashSet::with_capacity(data.len());
        for index in 0..data.len() {
            let mut hasher = DefaultHasher::new();
            // As on file systems that do not tell the cases of letters apart.
            names.path(data, index).to_string_lossy().to_lowercase().hash(&mut hasher);
            if !seen.insert(hasher.finish()) {
                names.repeated.insert(index);
            }
        }
        Ok(names)
    }

    /// The class's folder, if the sample has one, and the name without an ending.
    pub(super) fn path(&self, data: &dyn Dataset, index: usize) -> PathBuf {
        let key = data.key(index);
        let last = key.rsplit(['/', '\\']).next().unwrap_or(&key);
        let mut name = match last.rsplit_once('.') {
            Some((stem, ending)) if ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) => safe(stem),
            _ => safe(last),
        };
        if self.repeated.contains(&index) {
            name += &format!("-{index}");
        }
        match self.labels.get(index).copied().flatten() {
            None => PathBuf::from(name),
            Some(label) => {
                let class = data.classes().get(label as usize).cloned().unwrap_or_else(|| label.to_string());
                PathBuf::from(safe(&class)).join(name)
            }
        }
    }
}

/// The name of a file or folder without what some system forbids.
fn safe(name: &str) -> String {
    let forbidden = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    let name: String = name.chars().map(|c| if forbidden(c) { '_' } else { c }).collect();
    // Neither nothing, nor a place, nor a hidden file.
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

/// The name of a frame.
pub(super) fn frame(i: usize) -> String {
    format!("{i:02}.png")
}

#[cfg(test)]
mod tests {
    use super::*;
    use visrep_data::{InMemory, Sample, SampleImage};
    use visrep_decode::RgbImage;

    struct Keyed(InMemory, Vec<&'static str>);

    impl Dataset for Keyed {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn get(&self, index: usize) -> Result<Sample, visrep_data::Error> {
            self.0.get(index)
        }
        fn label(&self, index: usize) -> Option<u32> {
            self.0.label(index)
        }
        fn classes(&self) -> &[String] {
            self.0.classes()
        }
        fn key(&self, index: usize) -> String {
            self.1[index].into()
        }
    }

    #[test]
    fn names_are_safe_and_none_stands_for_two_samples() {
        let rows = [
            ("cat/a.jpg", Some(0), "cat/a"),
            ("cat/a.png", Some(0), "cat/a-1"),
            ("dog/a.JPEG", Some(1), "_../a"),
            ("a.parquet:17", Some(0), "cat/a.parquet_17"),
            ("..", None, "_.."),
            ("x/A.b.webp", Some(0), "cat/A.b"),
            ("cat/A.jpg", Some(0), "cat/A-6"),
            ("more", Some(7), "7/more"),
        ];
        let image = || SampleImage::Decoded(RgbImage::filled(1, 1, [0; 3]));
        let sample = |label| Sample { image: image(), label, key: String::new() };
        let samples = rows.iter().map(|row| sample(row.1)).collect();
        let data = InMemory::new(samples, vec!["cat".into(), "..".into()]);
        let data = Keyed(data, rows.iter().map(|row| row.0).collect());
        let names = Names::of(&data).unwrap();
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(names.path(&data, index), PathBuf::from(row.2));
        }
    }
}

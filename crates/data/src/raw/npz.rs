//! NPZ: several NPY arrays in a ZIP file, as dSprites, MedMNIST and Keras' MNIST come.

use super::npy::Array;
use super::{NpyArray, NpyOptions, RawImages, inflate};
use crate::Error;
use crate::labels::Labels;
use crate::source::Source;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The names under which images and their labels are known, by split; "" where there are no splits.
const KNOWN: [(&str, &str, &str); 11] = [
    ("train", "x_train", "y_train"),
    ("train", "train_images", "train_labels"),
    ("val", "val_images", "val_labels"),
    ("test", "x_test", "y_test"),
    ("test", "test_images", "test_labels"),
    ("", "imgs", "latents_classes"),
    ("", "images", "labels"),
    ("", "image", "label"),
    ("", "x", "y"),
    ("", "data", "labels"),
    ("", "arr_0", "arr_1"),
];
/// dSprites stores white as 1.
const BINARY: &str = "imgs";

type Archive = ZipArchive<BufReader<File>>;

fn open_archive(path: &Path) -> Result<Archive, Error> {
    let file = File::open(path).map_err(|source| Error::Io { path: path.into(), source })?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| Error::Layout {
        path: path.into(),
        problem: format!("cannot be read as ZIP: {error}"),
    })
}

/// The arrays' names, without `.npy`.
fn members(archive: &Archive) -> Vec<String> {
    archive.file_names().filter_map(|name| name.strip_suffix(".npy")).map(String::from).collect()
}

/// The splits that an `.npz` file has by its members' names.
pub(crate) fn splits(path: &Path) -> Result<Vec<&'static str>, Error> {
    let members = members(&open_archive(path)?);
    let known =
        KNOWN.iter().filter(|(split, images, _)| !split.is_empty() && members.iter().any(|m| m == images));
    Ok(known.map(|(split, ..)| *split).collect())
}

fn array(path: &Path, archive: &mut Archive, name: &str) -> Result<Array, Error> {
    let layout =
        |problem: String| Error::Layout { path: path.into(), problem: format!("`{name}` {problem}") };
    let io = |source| Error::Io { path: path.into(), source };
    let member = archive.by_name(&format!("{name}.npy")).map_err(|error| layout(error.to_string()))?;
    let (input, start) = match (member.compression(), member.data_start()) {
        (CompressionMethod::Stored, Some(start)) => (Source::File(path.into()).open().map_err(io)?, start),
        _ => {
            // The checksum is verified on the way.
            let size = member.size();
            (inflate::unpack(member, size.min(inflate::LIMIT)).map_err(io)?, 0)
        }
    };
    Array::parse(input, start).map_err(layout)
}

impl NpyArray {
    /// Reads the arrays called `names` of an `.npz` file, as `numpy.savez` names them: `None` for those that are not there.
    ///
    /// # Errors
    /// As [`NpyArray::read`], and for a file that is no ZIP archive.
    pub fn read_npz<const N: usize>(
        path: impl AsRef<Path>,
        names: [&str; N],
    ) -> Result<[Option<Self>; N], Error> {
        let path = path.as_ref();
        let mut archive = open_archive(path)?;
        let members = members(&archive);
        let mut arrays = [const { None }; N];
        for (place, name) in
            arrays.iter_mut().zip(names).filter(|(_, name)| members.iter().any(|m| m == name))
        {
            let layout =
                |problem| Error::Layout { path: path.into(), problem: format!("`{name}` {problem}") };
            *place = Some(array(path, &mut archive, name)?.numbers().map_err(layout)?);
        }
        Ok(arrays)
    }

    /// Writes arrays of `float64`, or of `int64` where [`integers`](Self::integers) says so, as an `.npz` file that
    /// `numpy.load` reads, without compression, from which measured values gain little.
    ///
    /// # Errors
    /// A shape that is not that of the values; a file that cannot be written.
    pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, &Self)]) -> Result<(), Error> {
        let path = path.as_ref();
        let write = || -> std::io::Result<()> {
            let mut writer = ZipWriter::new(BufWriter::new(File::create(path)?));
            for (name, array) in arrays {
                let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
                writer.start_file(format!("{name}.npy"), options.large_file(true))?;
                array.write(&mut writer)?;
            }
            writer.finish()?.flush()
        };
        write().map_err(|source| Error::Io { path: path.into(), source })
    }
}

impl RawImages {
    /// Images and labels in an `.npz` file, in the members that the options name, else in the first pair that
    /// is there of those that datasets use: `images` and `labels`, `imgs` and `latents_classes` (dSprites), `x` and
    /// `y`, … `split` takes those of a split: `x_train`, `train_images`. Classes are numbered.
    pub fn open_npz(
        path: impl AsRef<Path>,
        split: Option<&str>,
        options: &NpyOptions,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut archive = open_archive(path)?;
        let members = members(&archive);
        let has = |name: &str| members.iter().any(|member| member == name);
        let known = KNOWN.iter().find(|(of, images, _)| *of == split.unwrap_or("") && has(images));
        let images = options.images.as_deref().or(known.map(|(_, images, _)| *images)).ok_or_else(|| {
            let problem = format!("has no array of images among {}: name it", members.join(", "));
            Error::Layout { path: path.into(), problem }
        })?;
        let beside =
            known.filter(|(_, known, _)| *known == images).map(|(.., labels)| *labels).filter(|l| has(l));
        let (shape, mut part) = array(path, &mut archive, images)?.into_part(path, images == BINARY)?;
        part.name = format!("{}/{images}", part.name);
        let labels = match options.labels.as_deref().or(beside) {
            Some(name) => {
                array(path, &mut archive, name)?.labels(options.label_column).map_err(|problem| {
                    Error::Layout { path: path.into(), problem: format!("`{name}` {problem}") }
                })?
            }
            None => Labels::default(),
        };
        Self::new(path, shape, vec![part], labels, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("statistics.npz");
        let mu = NpyArray { shape: vec![3], values: vec![0.1, -2.0, 1e300], integers: false };
        let n = NpyArray { shape: vec![], values: vec![50_000.0], integers: true };
        NpyArray::write_npz(&path, &[("mu", &mu), ("n", &n)]).unwrap();
        let found = NpyArray::read_npz(&path, ["n", "sigma", "mu"]).unwrap();
        assert_eq!(found, [Some(n), None, Some(mu.clone())]);

        let crooked = NpyArray { shape: vec![2, 2], ..mu };
        let message = NpyArray::write_npz(&path, &[("mu", &crooked)]).unwrap_err().to_string();
        assert!(message.contains("statistics.npz") && message.contains("[2, 2]"), "{message}");
        std::fs::write(&path, "no archive").unwrap();
        assert!(NpyArray::read_npz(&path, ["mu"]).is_err());
    }
}

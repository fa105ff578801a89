//! IDX, the format of MNIST: <http://yann.lecun.com/exdb/mnist/>, "the IDX file format".
//!
//! Two zero bytes, the type of the values, the number of dimensions, each dimension as a big-endian `u32`, the
//! values. Images are `u8` with three dimensions; labels have one, or two of which the first column counts (QMNIST).

use super::{Layout, MAX_ROWS, Part, RawImages, Shape, gunzip};
use crate::Error;
use crate::labels::Labels;
use crate::source::Input;
use std::path::{Path, PathBuf};

const U8: u8 = 0x08;
const I32: u8 = 0x0c;

/// What an IDX file says of itself.
struct Header {
    kind: u8,
    dimensions: Vec<u64>,
    /// Where the values begin.
    data: u64,
}

impl Header {
    fn read(path: &Path, input: &Input) -> Result<Self, Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let magic = input.read_at(0, 4).map_err(io)?;
        let [0, 0, kind @ (U8 | I32), count @ 1..=4] = *magic else {
            let problem = format!("is no IDX file of bytes or integers: it begins with {magic:02x?}");
            return Err(Error::Layout { path: path.into(), problem });
        };
        let sizes = input.read_at(4, usize::from(count) * 4).map_err(io)?;
        let size = |bytes: &[u8]| u64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        let dimensions = sizes.chunks_exact(4).map(size).collect();
        Ok(Self { kind, dimensions, data: 4 + u64::from(count) * 4 })
    }
}

impl RawImages {
    /// Images in an IDX file such as `train-images-idx3-ubyte`, plain or gzip, with the labels of the file that
    /// `labels` names, if any. Classes are numbered.
    pub fn open_idx(images: impl AsRef<Path>, labels: Option<&Path>) -> Result<Self, Error> {
        let path = images.as_ref();
        let input = gunzip(path).map_err(|source| Error::Io { path: path.into(), source })?;
        let header = Header::read(path, &input)?;
        let (U8, [count, height, width]) = (header.kind, &*header.dimensions) else {
            let problem = format!(
                "holds {:?} values of {}, expected (images, height, width) of bytes",
                header.dimensions,
                if header.kind == U8 { "one byte" } else { "four bytes" }
            );
            return Err(Error::Layout { path: path.into(), problem });
        };
        // Dimensions are `u32` in the file.
        let shape =
            Shape { width: *width as u32, height: *height as u32, layout: Layout::Grey, binary: false };
        let stride = shape.bytes().map_err(|problem| Error::Layout { path: path.into(), problem })? as u64;
        let part = Part::new(path, input, shape, header.data, stride, *count)?;
        let labels = labels.map_or_else(|| Ok(Labels::default()), read_labels)?;
        Self::new(path, shape, vec![part], labels, None)
    }
}

fn read_labels(path: &Path) -> Result<Labels, Error> {
    let layout = |problem| Error::Layout { path: path.into(), problem };
    let io = |source| Error::Io { path: path.into(), source };
    let input = gunzip(path).map_err(io)?;
    let header = Header::read(path, &input)?;
    let (rows, columns) = match *header.dimensions {
        [rows] => (rows, 1),
        [rows, columns @ 1..=1024] => (rows, columns),
        _ => {
            return Err(layout(format!(
                "has the dimensions {:?}, expected one label each",
                header.dimensions
            )));
        }
    };
    if rows > MAX_ROWS {
        return Err(layout(format!("claims {rows} labels")));
    }
    let width = if header.kind == U8 { 1 } else { 4 };
    // Also bounds what is allocated: as much as the file has.
    let bytes = input.read_at(header.data, (rows * columns) as usize * width).map_err(io)?;
    bytes
        .chunks_exact(columns as usize * width)
        .map(|row| match *row {
            [label] => Ok(Some(u32::from(label))),
            _ if width == 1 => Ok(Some(u32::from(row[0]))),
            _ => {
                let label = i32::from_be_bytes([row[0], row[1], row[2], row[3]]);
                u32::try_from(label).map(Some).map_err(|_| layout(format!("label {label} is no class index")))
            }
        })
        .collect::<Result<Vec<_>, _>>()
        .map(|labels| labels.into_iter().collect())
}

/// Whether a file's name is that of a set of images: `train-images-idx3-ubyte.gz`, `t10k-images.idx3-ubyte`.
pub(crate) fn is_images(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    name.contains("images") && name.contains("idx3-ubyte")
}

/// The labels that lie beside a file of images.
fn labels_of(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let plain = name.strip_suffix(".gz").unwrap_or(name).replace("images", "labels");
    let ends = ["idx1-ubyte", "idx2-int"].map(|end| plain.replace("idx3-ubyte", end));
    ends.iter()
        .flat_map(|end| [end.clone(), format!("{end}.gz")])
        .map(|name| images.with_file_name(name))
        .find(|p| p.is_file())
}

/// Opens a file of images with the labels beside it.
pub(crate) fn open(images: &Path) -> Result<RawImages, Error> {
    RawImages::open_idx(images, labels_of(images).as_deref())
}

/// The files of images in `folder` (or its `raw` folder, torchvision's layout): split, file.
pub(crate) fn splits(files: &[PathBuf]) -> Vec<(&'static str, PathBuf)> {
    let mut found: Vec<(&'static str, PathBuf)> = Vec::new();
    for file in files.iter().filter(|file| is_images(file)) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let split = if name.starts_with("train") { "train" } else { "test" };
        // The packed and the unpacked file often lie side by side.
        if (name.starts_with("train") || name.starts_with("t10k"))
            && found.iter().all(|(known, _)| *known != split)
        {
            found.push((split, file.clone()));
        }
    }
    found
}

//! Where samples are: the `Dataset` trait and the sample it gives.

use crate::Error;
use crate::fingerprint::Fingerprint;
use bytes::Bytes;
use visrep_decode::RgbImage;

/// One image with its label and a key that people can find it by.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The image, decoded or not.
    pub image: SampleImage,
    /// Class index, when the dataset has labels.
    pub label: Option<u32>,
    /// What names the sample in messages and outputs: a path relative to the root, or `file.parquet:row`.
    pub key: String,
}

/// An image as its source stores it.
#[derive(Clone, Debug)]
pub enum SampleImage {
    /// The bytes of an image file. Cloning shares them.
    Encoded(Bytes),
    /// Pixels.
    Decoded(RgbImage),
}

/// A set of images that can be read in any order, from many threads at once.
pub trait Dataset: Send + Sync {
    /// The number of samples.
    fn len(&self) -> usize;

    /// Reads sample `index`. `Err` is for a retrieval that truly failed; the error names the file or row.
    ///
    /// # Panics
    /// May panic when `index >= len()`, as slices do.
    fn get(&self, index: usize) -> Result<Sample, Error>;

    /// The label of sample `index` without reading its image; `None` also where the labels cannot be read
    /// (see [`Dataset::labels`]).
    fn label(&self, index: usize) -> Option<u32>;

    /// Class names in label order; empty when the dataset has no labels.
    fn classes(&self) -> &[String];

    /// The key of sample `index` without reading its image, for messages about a sample that cannot be read.
    fn key(&self, index: usize) -> String {
        format!("sample {index}")
    }

    /// Every sample's label, in order. Unlike [`Dataset::label`], which has no way to say that the labels
    /// themselves cannot be read, this gives the error.
    fn labels(&self) -> Result<Vec<Option<u32>>, Error> {
        Ok((0..self.len()).map(|index| self.label(index)).collect())
    }

    /// A number that is the same for the same samples, under the same labels and in the same order, in every process,
    /// and another for other samples; of data in files, it may change whenever the files do. Images are not
    /// looked at. [`convert`](crate::convert) tells by it whether it may go on with what a stopped run has left.
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        (0..self.len()).for_each(|index| hash.text(&self.key(index)));
        hash.labels(self.labels()?);
        self.classes().iter().for_each(|class| hash.text(class));
        Ok(hash.finish())
    }

    /// A number that changes when what lies behind the same names does, as far as that can be told without reading it: by the sizes of
    /// files. 0 where nothing is told, or where [`Dataset::fingerprint`] tells it.
    fn stamp(&self) -> u64 {
        0
    }

    /// What was odd about the source when it was opened and is no error, for people; each names the file.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The positions at which a reader that goes through the whole set should draw indices together,
    /// as ranges that cover `0..len()` (row groups of a Parquet file). One range when it does not matter.
    fn groups(&self) -> Vec<std::ops::Range<usize>> {
        std::iter::once(0..self.len()).collect()
    }

    /// How many of [`Dataset::groups`] a shuffling reader may have open at once: as many as the dataset
    /// holds in memory together. Unlimited where it does not matter.
    fn groups_at_once(&self) -> usize {
        usize::MAX
    }
}

/// Samples that come in one order, such as those of archives that are read from front to back.
pub trait SampleStream: Send + Sync {
    /// Epoch `epoch` from its sample number `skip` on. A pure function of the two: a resumed epoch goes on
    /// exactly as the whole one. A sample that cannot be read is an error in its place.
    fn epoch(&self, epoch: u64, skip: usize) -> Box<dyn Iterator<Item = Result<Sample, Error>> + Send>;

    /// Class names in label order; empty when they are not known.
    fn classes(&self) -> &[String];
}

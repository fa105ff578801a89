//! Sequences of frames: videos in H.264, which the program `ffmpeg` decodes, and folders of images.

mod ffmpeg;
mod files;
mod mp4;

pub use ffmpeg::Ffmpeg;
pub use files::SequenceFiles;

use crate::cache::{Cache, Weighted};
use crate::fingerprint::Fingerprint;
use crate::source::Stamp;
use crate::{Dataset, Error, Sample, SampleImage};
use ffmpeg::Fault;
use std::path::{Path, PathBuf};
use visrep_decode::RgbImage;

/// The bytes of decoded videos that are kept: 55 of ImageNet-P's, and of the largest that there may be as many as are decoded at once.
const KEPT_BYTES: usize = 8 * ffmpeg::MAX_BYTES;

/// How many videos beyond the one that is asked for are decoded by threads that would wait for it.
const AHEAD: usize = 7;

/// The frames of MP4 videos, one video after the other, without labels.
///
/// A video is decoded whole, by one run of [`Ffmpeg`], when the first of its frames is asked for; those decoded last are kept, in 256 MiB,
/// so that a reader that goes in order has each decoded once. Threads that ask for frames of a video which another thread is decoding
/// decode the next ones. How many frames a video has is read from its index when it is opened, in a few reads: to
/// decode all of ImageNet-P only to count would take hours.
///
/// A video that is damaged or cut short, of other frames than its index says, or of more than 32 MiB of pixels is an error that names it.
/// (H.264 has no checksum: a few damaged bits are frames like any other.) A sample's key is the video's path relative to the folder and the
/// frame's number, as in `n01440764/ILSVRC2012_val_00000293.mp4:30`.
pub struct VideoFrames {
    ffmpeg: Ffmpeg,
    root: PathBuf,
    videos: Vec<Video>,
    decoded: Cache<Decoded>,
}

struct Video {
    /// Relative to the root.
    path: String,
    /// The frames of this and all videos before it.
    end: usize,
    stamp: Stamp,
}

/// A video's frames, or why there are none.
struct Decoded(Result<Vec<RgbImage>, Fault>);

impl Weighted for Decoded {
    fn size(&self) -> usize {
        match &self.0 {
            Ok(frames) => frames.iter().map(|frame| frame.data().len()).sum(),
            Err(Fault::Program(problem) | Fault::Video(problem)) => problem.len(),
        }
    }
}

impl VideoFrames {
    /// Videos, each a path relative to `root` with `/` between its parts, in this order.
    ///
    /// # Errors
    /// A file that cannot be read, and [`Error::Video`] for one whose index says no number of frames.
    pub fn open(ffmpeg: Ffmpeg, root: impl Into<PathBuf>, videos: Vec<String>) -> Result<Self, Error> {
        let root = root.into();
        let counted = crate::parallel::map(videos, |path| {
            let (frames, stamp) = look_at(&root.join(&path))?;
            Ok((path, frames, stamp))
        });
        let (mut videos, mut end) = (Vec::with_capacity(counted.len()), 0);
        for video in counted {
            let (path, frames, stamp) = video?;
            end += frames;
            videos.push(Video { path, end, stamp });
        }
        Ok(Self { ffmpeg, root, videos, decoded: Cache::new(KEPT_BYTES) })
    }

    /// How many frames each video has, in order.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.videos.len()).map(|video| self.videos[video].end - self.start(video)).collect()
    }

    /// The program that decodes them.
    pub fn ffmpeg(&self) -> &Ffmpeg {
        &self.ffmpeg
    }

    /// The first frame of a video.
    fn start(&self, video: usize) -> usize {
        video.checked_sub(1).map_or(0, |before| self.videos[before].end)
    }

    /// The video that holds a frame, and the frame's number in it.
    fn locate(&self, index: usize) -> Option<(usize, usize)> {
        let video = self.videos.partition_point(|video| video.end <= index);
        (video < self.videos.len()).then(|| (video, index - self.start(video)))
    }

    /// Decodes a video, unless it is there.
    fn load(&self, video: usize) -> std::sync::Arc<Result<Decoded, String>> {
        self.decoded.get(video as u64, || {
            let of = &self.videos[video];
            Ok(Decoded(self.ffmpeg.decode(&self.root.join(&of.path), of.end - self.start(video))))
        })
    }
}

impl Dataset for VideoFrames {
    fn len(&self) -> usize {
        self.videos.last().map_or(0, |video| video.end)
    }

    fn get(&self, index: usize) -> Result<Sample, Error> {
        let (video, frame) = self.locate(index).ok_or(Error::Index { index, len: self.len() })?;
        if self.decoded.in_progress(video as u64) {
            let mut next = video + 1..self.videos.len().min(video + 1 + AHEAD);
            if let Some(next) = next.find(|&next| !self.decoded.has(next as u64)) {
                // What is wrong with it is told when it is asked for.
                self.load(next);
            }
        }
        let wrong = |problem| Error::Video { path: self.root.join(&self.videos[video].path), problem };
        match &*self.load(video) {
            Ok(Decoded(Ok(frames))) => {
                let image = frames.get(frame).ok_or(Error::Index { index, len: self.len() })?;
                Ok(Sample { image: SampleImage::Decoded(image.clone()), label: None, key: self.key(index) })
            }
            Ok(Decoded(Err(Fault::Program(problem)))) => Err(self.ffmpeg.error(problem.clone())),
            Ok(Decoded(Err(Fault::Video(problem)))) | Err(problem) => Err(wrong(problem.clone())),
        }
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn key(&self, index: usize) -> String {
        match self.locate(index) {
            Some((video, frame)) => format!("{}:{frame}", self.videos[video].path),
            None => format!("sample {index}"),
        }
    }

    /// Of the files' names, sizes and times of their last change, and of how many frames each has. The version of the program does not
    /// count: pixels were the same in all that were compared.
    fn fingerprint(&self) -> Result<u64, Error> {
        let mut hash = Fingerprint::new();
        let files = self.videos.iter().map(|video| (video.path.as_str(), Some(video.stamp)));
        hash.number(Fingerprint::of_files(files, [], &[]));
        self.videos.iter().for_each(|video| hash.number(video.end as u64));
        Ok(hash.finish())
    }

    fn groups(&self) -> Vec<std::ops::Range<usize>> {
        (0..self.videos.len()).map(|video| self.start(video)..self.videos[video].end).collect()
    }

    fn groups_at_once(&self) -> usize {
        1 + AHEAD
    }
}

/// How many frames a video has, and what tells it from another that took its place.
fn look_at(path: &Path) -> Result<(usize, Stamp), Error> {
    let io = |source| Error::Io { path: path.into(), source };
    // Before it is opened, which for a pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(io)?;
    let wrong = |problem| Error::Video { path: path.into(), problem };
    if !metadata.is_file() {
        return Err(wrong("is no regular file".into()));
    }
    let mut file = std::fs::File::open(path).map_err(io)?;
    let frames = mp4::frames(&mut file, metadata.len()).map_err(wrong)?;
    Ok((frames, (metadata.len(), metadata.modified().ok())))
}

//! Which sequences of frames there are below a folder.

use super::{Ffmpeg, VideoFrames};
use crate::{Concat, Dataset, Error, ImageFiles, folder};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The sequences below a folder, each an `.mp4` video or a folder of images: nothing of them is read yet.
///
/// Folders of images come first, sorted by path, then videos, sorted by path without the extension: the same set is in the same order in
/// either form. A video beside which there is a folder of its name, with images, has been unpacked, and is passed over.
/// Links are followed; names that begin with a dot are passed over.
#[derive(Clone, Debug)]
pub struct SequenceFiles {
    root: PathBuf,
    folders: Vec<Vec<String>>,
    /// Without their extension, and with it.
    videos: Vec<(String, String)>,
}

impl SequenceFiles {
    /// Every sequence at any depth below `root`.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn below(root: impl AsRef<Path>) -> Result<Self, Error> {
        let root = root.as_ref();
        let text = |path: &Path| path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let wanted = |path: &Path| is_video(path) || folder::has_image_extension(path);
        let (mut folders, mut names, mut videos) = (Vec::<Vec<String>>::new(), BTreeSet::new(), Vec::new());
        let mut last = None;
        for path in folder::list_files(root, root, wanted)? {
            if is_video(&path) {
                videos.push((text(&path.with_extension("")), text(&path)));
                continue;
            }
            let folder = path.parent().map(Path::to_path_buf);
            match folders.last_mut() {
                Some(files) if folder == last => files.push(text(&path)),
                _ => {
                    names.extend(folder.as_deref().map(text));
                    folders.push(vec![text(&path)]);
                }
            }
            last = folder;
        }
        videos.retain(|(stem, _)| !names.contains(stem));
        videos.sort();
        Ok(Self { root: root.into(), folders, videos })
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.folders.len() + self.videos.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them are videos.
    pub fn videos(&self) -> usize {
        self.videos.len()
    }

    /// The sequences at these places, which ascend; others are left out.
    pub fn only(mut self, places: &[usize]) -> Self {
        let mut at = 0..self.len();
        let mut kept = || at.next().is_some_and(|at| places.binary_search(&at).is_ok());
        self.folders.retain(|_| kept());
        self.videos.retain(|_| kept());
        self
    }

    /// The frames of all sequences, one after the other, and how many each has. `ffmpeg` is asked for where there are videos.
    ///
    /// # Errors
    /// Those of `ffmpeg`, and of [`VideoFrames::open`].
    pub fn open(
        self,
        ffmpeg: impl FnOnce() -> Result<Ffmpeg, Error>,
    ) -> Result<(Arc<dyn Dataset>, Vec<usize>), Error> {
        let mut lengths: Vec<usize> = self.folders.iter().map(Vec::len).collect();
        let images = self.folders.into_iter().flatten().map(|path| (path, None)).collect();
        let frames: Arc<dyn Dataset> = Arc::new(ImageFiles::new(&self.root, images, Vec::new()));
        if self.videos.is_empty() {
            return Ok((frames, lengths));
        }
        let videos = self.videos.into_iter().map(|(_, path)| path).collect();
        let videos = VideoFrames::open(ffmpeg()?, self.root, videos)?;
        lengths.extend(videos.lengths());
        let all: Arc<dyn Dataset> = match frames.is_empty() {
            true => Arc::new(videos),
            false => Arc::new(Concat::of_same_classes(vec![frames, Arc::new(videos)])?),
        };
        Ok((all, lengths))
    }
}

fn is_video(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mp4"))
}

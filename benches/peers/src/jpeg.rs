//! From JPEG bytes: whole images, random resized crops, and the resize alone.

use anyhow::Result;
use std::path::Path;
use visrep_augment::{Filter, Op, View, resize_region};
use visrep_decode::{DecodeOptions, RgbImage, decode};

use crate::Workload;
use crate::corpus::{Entry, crop_list};
use crate::ops::SIDE;
use crate::sink::Sink;

/// Whole images.
pub(crate) struct Decode(Vec<Entry>);

impl Decode {
    pub(crate) fn open(list: &Path) -> Result<Self> {
        Ok(Self(crop_list(list)?))
    }
}

impl Workload for Decode {
    fn units(&self) -> usize {
        self.0.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let options = DecodeOptions::default();
        self.0.iter().try_for_each(|entry| sink.image(&decode(&entry.bytes, &options)?))
    }
}

/// Crops of the list, resized to 224 x 224 and flipped where it says so.
pub(crate) struct Crop(Vec<Entry>);

impl Crop {
    pub(crate) fn open(list: &Path) -> Result<Self> {
        Ok(Self(crop_list(list)?))
    }
}

impl Workload for Crop {
    fn units(&self) -> usize {
        self.0.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        for entry in &self.0 {
            for image in entry.views(|size| vec![view(size, entry)])? {
                sink.image(&image)?;
            }
        }
        Ok(())
    }
}

/// The list's crop of an image of this size.
fn view(size: (u32, u32), entry: &Entry) -> View {
    let mut view = View::new(size);
    let (region, filter) = (entry.crop, Filter::Bilinear);
    view.push(Op::ResizedCrop { region, width: SIDE, height: SIDE, filter });
    if entry.flip {
        view.push(Op::FlipHorizontal);
    }
    view
}

/// The crops of decoded images, resized to 224 x 224.
pub(crate) struct Resize(Vec<(RgbImage, Entry)>);

impl Resize {
    pub(crate) fn open(list: &Path) -> Result<Self> {
        let decoded = crop_list(list)?.into_iter().map(|entry| {
            let image = decode(&entry.bytes, &DecodeOptions::default())?;
            Ok((image, entry))
        });
        Ok(Self(decoded.collect::<Result<_>>()?))
    }
}

impl Workload for Resize {
    fn units(&self) -> usize {
        self.0.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        self.0.iter().try_for_each(|(image, entry)| {
            sink.image(&resize_region(image, entry.crop, SIDE, SIDE, Filter::Bilinear)?)
        })
    }
}

//! Images in memory, as attacks take them.

use crate::Error;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};
use visrep_data::{Dataset, Loader, LoaderOptions, Views};
use visrep_models::Model;
use visrep_probe::{SuiteContext, eval_transform};

/// The images of a set after resize and crop, batch by batch, as bytes on the CPU.
pub(super) struct Pixels {
    batches: Vec<(Tensor, Tensor)>,
    /// A key and a label for each image, in order.
    pub(super) keys: Vec<String>,
    pub(super) labels: Vec<i64>,
}

impl Pixels {
    /// Errs on the first image without a label.
    pub(super) fn load(
        data: &Arc<dyn Dataset>,
        model: &Model,
        context: &SuiteContext,
    ) -> Result<Self, Error> {
        let options = LoaderOptions {
            batch_size: context.batch_size,
            workers: context.workers,
            shuffle: false,
            ..Default::default()
        };
        let views = Views::single(eval_transform(model.preprocessing())?);
        let mut pixels = Self { batches: vec![], keys: vec![], labels: vec![] };
        for batch in Loader::new(Arc::clone(data), views, options)?.epoch(0, 0) {
            let batch = batch?;
            context.go_on()?;
            if let Some(row) = batch.labels.iter().position(|&label| label < 0) {
                return Err(Error::NoLabel { key: batch.keys[row].clone() });
            }
            let labels = Tensor::from_slice(&batch.labels);
            pixels.batches.extend(batch.views.first().map(|view| (view.to_tensor(), labels)));
            pixels.keys.extend(batch.keys);
            pixels.labels.extend(batch.labels);
        }
        Ok(pixels)
    }

    /// How many images there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Each batch's images (N, 3, H, W) from 0 to 1 and labels, on `device`.
    pub(super) fn batches(
        &self,
        device: Device,
    ) -> impl Iterator<Item = Result<(Tensor, Tensor), Error>> + '_ {
        self.batches.iter().map(move |(pixels, labels)| {
            let images = pixels.f_permute([0, 3, 1, 2])?.f_to_device(device)?.f_to_kind(Kind::Float)?;
            Ok((images.f_contiguous()?.f_div_scalar(255.0)?, labels.f_to_device(device)?))
        })
    }
}

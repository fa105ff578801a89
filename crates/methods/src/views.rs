//! The views of a batch, of one size or several, and the backbone over them.

use crate::{Batch, Error};
use tch::Tensor;
use visrep_models::Model;

impl Batch {
    /// The views, if there are `expected` of them; an error in the name of `method` otherwise.
    pub fn views(&self, method: &'static str, expected: usize) -> Result<&[Tensor], Error> {
        if self.images.len() == expected {
            Ok(&self.images)
        } else {
            Err(Error::Views { method, expected, found: self.images.len() })
        }
    }

    /// The two views of a batch of exactly two.
    pub fn pair(&self, method: &'static str) -> Result<[&Tensor; 2], Error> {
        match &self.images[..] {
            [first, second] => Ok([first, second]),
            other => Err(Error::Views { method, expected: 2, found: other.len() }),
        }
    }
}

/// Each run of consecutive `views` (N, H, W, 3) of one size as one batch, in order: multi-crop's global crops, then
/// its local ones. A network makes one pass over each, and batch normalisation sees all crops of it.
pub fn stack_by_size(views: &[Tensor]) -> Result<Vec<Tensor>, Error> {
    let mut batches = Vec::new();
    for run in views.chunk_by(|a, b| a.size().get(1..) == b.size().get(1..)) {
        batches.push(match run {
            [one] => one.shallow_clone(),
            several => Tensor::f_cat(several, 0)?,
        });
    }
    Ok(batches)
}

/// The pooled features (N, D) of u8 images (N, H, W, 3), in training mode.
pub fn pooled(model: &Model, images: &Tensor) -> Result<Tensor, Error> {
    let x = model.preprocessing().normalize(images, model.device())?;
    Ok(model.backbone().forward_features(&x, true)?.pooled)
}

/// The pooled features of V views of N images, (V * N, D), view after view: one pass over each size, as in
/// [`stack_by_size`].
pub fn pooled_views(model: &Model, views: &[Tensor]) -> Result<Tensor, Error> {
    let parts: Vec<Tensor> =
        stack_by_size(views)?.iter().map(|images| pooled(model, images)).collect::<Result<_, _>>()?;
    Ok(Tensor::f_cat(&parts, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};
    use visrep_models::ModelOptions;

    fn view(n: i64, side: i64) -> Tensor {
        tch::manual_seed(side);
        Tensor::randint(256, [n, side, side, 3], (Kind::Uint8, Device::Cpu))
    }

    #[test]
    fn views_of_one_size_make_one_batch() {
        let views = [view(2, 8), view(2, 8), view(2, 4), view(2, 4), view(2, 4), view(2, 8)];
        let batches = stack_by_size(&views).unwrap();
        let sizes: Vec<_> = batches.iter().map(Tensor::size).collect();
        assert_eq!(sizes, [[4, 8, 8, 3], [6, 4, 4, 3], [2, 8, 8, 3]]);
        assert_eq!(batches[1].narrow(0, 2, 2), views[3]);
    }

    #[test]
    fn features_come_view_after_view() {
        let options = ModelOptions { num_classes: Some(0), seed: Some(0), ..ModelOptions::default() };
        let model = Model::create("resnet18_cifar_w16", &options).unwrap();
        let views = [view(3, 16), view(3, 16), view(3, 8)];
        let features = pooled_views(&model, &views).unwrap();
        assert_eq!(features.size(), [9, model.embed_dim()]);
        let small = pooled(&model, &views[2]).unwrap();
        assert!((features.narrow(0, 6, 3) - small).abs().max().double_value(&[]) < 1e-6);
        let batch = Batch { images: views.into(), labels: vec![-1; 3], indices: vec![0, 1, 2] };
        assert_eq!(batch.views("byol", 3).unwrap().len(), 3);
        assert!(matches!(batch.views("byol", 2), Err(Error::Views { expected: 2, found: 3, .. })));
    }
}

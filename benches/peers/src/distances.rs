//! Distances: LPIPS between images, the Fréchet distance between two sets of features, and their precision and recall.

use anyhow::{Result, bail};
use std::path::Path;
use tch::{Device, Kind, Tensor};
use visrep_metrics::{FeatureMatrix, FeatureStatistics, frechet_distance, precision_recall};
use visrep_perceptual::{Lpips, LpipsNet, LpipsVersion, PixelRange};
use visrep_torch::InferenceMode;

use crate::Workload;
use crate::corpus::raw_images;
use crate::ops::SIDE;
use crate::sink::Sink;

/// Opens `lpips NET TRUNK HEADS IMAGES`, `frechet SAMPLES DIMENSIONS` or `precision-recall SAMPLES DIMENSIONS NEIGHBOURS`.
pub(crate) fn open(words: &[&str]) -> Result<Box<dyn Workload>> {
    Ok(match words {
        ["lpips", net, trunk, heads, images] => Box::new(Pairs::open(net, trunk, heads, Path::new(images))?),
        ["frechet", samples, dim] => {
            Box::new(Frechet { sets: feature_sets(samples.parse()?, dim.parse()?)?, dim: dim.parse()? })
        }
        ["precision-recall", samples, dim, neighbours] => Box::new(Neighbourhoods {
            sets: feature_sets(samples.parse()?, dim.parse()?)?,
            dim: dim.parse()?,
            neighbours: neighbours.parse()?,
        }),
        _ => bail!("there is no distance `{}`", words.join(" ")),
    })
}

/// LPIPS between each image and the next.
struct Pairs {
    lpips: Lpips,
    first: Tensor,
    second: Tensor,
}

impl Pairs {
    fn open(net: &str, trunk: &str, heads: &str, images: &Path) -> Result<Self> {
        let net: LpipsNet = net.parse().map_err(anyhow::Error::msg)?;
        let lpips = Lpips::open(net, LpipsVersion::V0_1, trunk, heads)?;
        let images = raw_images(images, SIDE, SIDE)?;
        let pixels: Vec<u8> = images.iter().flat_map(|image| image.data()).copied().collect();
        let side = i64::from(SIDE);
        let first = Tensor::from_slice(&pixels).f_view([-1, side, side, 3])?.f_permute([0, 3, 1, 2])?;
        let first = first.f_to_kind(Kind::Float)?.f_div_scalar(127.5)?.f_sub_scalar(1.0)?.f_contiguous()?;
        Ok(Self { lpips, second: first.f_roll([1_i64], [0_i64])?, first })
    }
}

impl Workload for Pairs {
    fn units(&self) -> usize {
        self.first.size()[0] as usize
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let _inference = InferenceMode::enter()?;
        sink.tensor(&self.lpips.distance(&self.first, &self.second, PixelRange::MinusOneToOne)?)
    }
}

/// From two sets of features to the distance of their Gaussians.
struct Frechet {
    sets: [Vec<f32>; 2],
    dim: usize,
}

/// Features by the formula that `peer/distances.py` has too: each dimension depends on the one before it.
fn feature_sets(samples: i64, dim: i64) -> Result<[Vec<f32>; 2]> {
    let set = |first: i64, scale: f64| -> Result<Vec<f32>> {
        let on = (Kind::Double, Device::Cpu);
        let rows = Tensor::f_arange_start(first, first + samples, on)?.f_unsqueeze(1)?;
        let columns = Tensor::f_arange(dim, on)?.f_unsqueeze(0)?;
        let noise = ((rows * 12.9898) + (columns * 4.1414)).f_sin()?.f_mul_scalar(43_758.545_3)?.f_frac()?;
        let before = noise.f_roll([1_i64], [1_i64])?;
        let x = (noise + before * 0.5) * scale;
        Ok(Vec::try_from(x.f_to_kind(Kind::Float)?.f_flatten(0, -1)?)?)
    };
    Ok([set(0, 1.0)?, set(samples, 1.2)?])
}

impl Workload for Frechet {
    fn units(&self) -> usize {
        1
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let [first, second] = self.sets.each_ref().map(|set| -> Result<_> {
            let mut statistics = FeatureStatistics::new(self.dim);
            statistics.add(&FeatureMatrix::new(set, self.dim)?)?;
            Ok((statistics.mean()?, statistics.covariance()?))
        });
        let (first, second) = (first?, second?);
        let distance = frechet_distance((&first.0, &first.1), (&second.0, &second.1))?;
        sink.tensor(&Tensor::from_slice(&[distance]))
    }
}

/// From two sets of features to the precision and recall of the second.
struct Neighbourhoods {
    sets: [Vec<f32>; 2],
    dim: usize,
    neighbours: usize,
}

impl Workload for Neighbourhoods {
    fn units(&self) -> usize {
        1
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let [real, generated] = self.sets.each_ref().map(|set| FeatureMatrix::new(set, self.dim));
        let found = precision_recall(&real?, &generated?, self.neighbours)?;
        sink.tensor(&Tensor::from_slice(&[found.precision, found.recall]))
    }
}

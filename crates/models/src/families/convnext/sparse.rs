//! The forward pass of masked pre-training: the sparse convolutions of ConvNeXt V2's FCMAE, computed on dense maps.
//!
//! Hidden patches take no part: a depthwise convolution reads zeros there, and everything that works position by position
//! runs on the kept positions alone, as rows of a matrix.

use super::ConvNeXt;
use super::block::{Residual, Rows};
use crate::layers::{Block, Param, run};
use crate::{Error, GrnStatistics, SparseEncoder};
use tch::{Kind, TchError, Tensor};

/// The side of a patch that is kept or hidden, in pixels: a position of the last map.
const PATCH: i64 = 32;

/// The kept positions of one stage's maps.
#[derive(Clone, Debug)]
struct Sites {
    rows: Rows,
    /// (M): the rows' places among all positions of all images.
    places: Param,
    /// The maps' (N, H, W).
    shape: [i64; 3],
}

impl Sites {
    /// Of `kept` (N, H, W).
    fn new(kept: &Tensor, statistics: GrnStatistics) -> Result<Self, TchError> {
        let (count, height, width) = kept.size3()?;
        let places = kept.f_flatten(0, -1)?.f_nonzero()?.f_squeeze_dim(1)?;
        let images = places.f_div_scalar_mode(height * width, "floor")?;
        let rows = Rows { images: Param(images), count, statistics };
        Ok(Self { rows, places: Param(places), shape: [count, height, width] })
    }

    /// The rows (M, C) of maps (N, H, W, C).
    fn gather(&self, maps: &Tensor) -> Result<Tensor, TchError> {
        maps.f_flatten(0, 2)?.f_index_select(0, &self.places)
    }

    /// Maps (N, H, W, C) of rows (M, C), zero where nothing is kept.
    fn scatter(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        let [count, height, width] = self.shape;
        let channels = rows.size()[1];
        let zeros = Tensor::f_zeros([count * height * width, channels], (rows.kind(), rows.device()))?;
        zeros.f_index_copy(0, &self.places, rows)?.f_view([count, height, width, channels])
    }
}

/// A residual block on rows.
#[derive(Clone)]
struct SparseResidual {
    block: Residual,
    sites: Sites,
}

impl Block for SparseResidual {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error> {
        let Self { block, sites } = self;
        let mixed = sites.gather(&block.mix_positions(&sites.scatter(x)?)?)?;
        Ok(block.mix_channels(x, &mixed, Some(&sites.rows), train)?)
    }
}

impl SparseEncoder for ConvNeXt {
    fn forward_sparse(
        &self,
        x: &Tensor,
        mask: &Tensor,
        statistics: GrnStatistics,
        train: bool,
    ) -> Result<Tensor, Error> {
        let kept = kept(x, mask)?;
        // As many positions per patch as the stage's stride leaves.
        let sites = |stage: usize| {
            let scale = (PATCH / 4) >> stage;
            let rows = kept.f_repeat_interleave_self_int(scale, 1, None)?;
            Sites::new(&rows.f_repeat_interleave_self_int(scale, 2, None)?, statistics)
        };
        let mut here = sites(0)?;
        let mut rows = here.gather(&self.stem(x)?)?;
        for (i, blocks) in self.stages.iter().enumerate() {
            if i > 0 {
                let downsample = &self.downsample[i - 1];
                let normed = here.scatter(&downsample.norm.forward(&rows)?)?;
                here = sites(i)?;
                rows = here.gather(&downsample.convolve(&normed)?)?;
            }
            for block in blocks {
                let block = SparseResidual { block: block.clone(), sites: here.clone() };
                rows = run(&self.switches, &block, &rows, train)?;
            }
        }
        Ok(here.scatter(&rows)?.f_permute([0, 3, 1, 2])?)
    }
}

/// Where `mask` keeps patches of the images `x`, (N, H / 32, W / 32).
fn kept(x: &Tensor, mask: &Tensor) -> Result<Tensor, Error> {
    let size = x.size();
    let refuse = |got: Vec<i64>, expected: String| Err(Error::Input { got, expected });
    let [count, _, height, width] = size[..] else {
        return refuse(size, "a ConvNeXt takes (N, C, H, W)".into());
    };
    if height % PATCH != 0 || width % PATCH != 0 {
        return refuse(
            size,
            format!("masked patches have {PATCH} pixels a side, which must divide both sides"),
        );
    }
    let expected = [count, height / PATCH, width / PATCH];
    if mask.size() != expected {
        return refuse(
            mask.size(),
            format!("the mask of images {size:?} is {expected:?}, one value per patch"),
        );
    }
    let kept = mask.f_to_device(x.device())?.f_to_kind(Kind::Bool)?.f_logical_not()?;
    if kept.f_any()?.f_int64_value(&[])? == 0 {
        return refuse(mask.size(), "the mask hides every patch of every image: keep at least one".into());
    }
    Ok(kept)
}

//! AugMix: the mixture of some short random chains of operations.

use super::torchvision::{Kind, Reach, Space};
use super::{AUTO_CONTRAST, Warp, either_sign, pick, posterize, solarize};
use crate::error::{check_range, check_within};
use crate::{Chain, Error, Filter, Op, Rng, Transform, View};
use rand::RngExt as _;
use rand_distr::{Distribution as _, Gamma};

/// Which operations [`AugMix`] has, and how strong they are. The operations are Pillow's in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AugMixOps {
    /// The nine of google-research/augmix (`augmentations.py`), which have nothing of ImageNet-C's corruptions; each magnitude
    /// is uniform from .1 to the severity.
    Original,
    /// These and colour, contrast, brightness and sharpness (`--all-ops` there).
    OriginalAll,
    /// The nine of `torchvision.transforms.AugMix(all_ops=False)`; each magnitude is one of the `severity` lowest of ten bins.
    Torchvision,
    /// These and colour, contrast, brightness and sharpness: torchvision's default. (torchvision applies its tensor operations
    /// even to PIL images, and cuts the sum off.)
    TorchvisionAll,
}

const THIRTEEN: [Kind; 13] = [
    Kind::AutoContrast,
    Kind::Equalize,
    Kind::Posterize,
    Kind::Rotate,
    Kind::Solarize,
    Kind::ShearX,
    Kind::ShearY,
    Kind::TranslateX,
    Kind::TranslateY,
    Kind::Color,
    Kind::Contrast,
    Kind::Brightness,
    Kind::Sharpness,
];

const TORCHVISION: Space = Space {
    shear: 0.3,
    translate: Reach::Share(1.0 / 3.0),
    rotate: 30.0,
    enhance: 0.9,
    posterize: (4.0, 4.0),
    bins: 10,
};

/// AugMix (Hendrycks et al. 2019): the image is mixed, by a weight from Beta(alpha, alpha), with the mixture, by weights from
/// Dirichlet(alpha …), of `width` chains of one to three random operations each. A view holds it as one [`Op::Mix`].
///
/// The paper trains on the clean image and two such views, with a Jensen-Shannon divergence between what is predicted for the
/// three: [`Self::jsd_views`].
#[derive(Clone, Debug, PartialEq)]
pub struct AugMix {
    ops: AugMixOps,
    severity: u32,
    width: usize,
    depth: Option<usize>,
    gamma: Gamma<f64>,
    warp: Warp,
}

impl AugMix {
    /// Severity 3, three chains of random depth, alpha 1, bilinear, black outside: the paper's.
    pub fn new(ops: AugMixOps) -> Result<Self, Error> {
        let warp = Warp { interpolation: Filter::Bilinear, fill: [0; 3] };
        Ok(Self { ops, severity: 3, width: 3, depth: None, gamma: gamma(1.0)?, warp })
    }

    /// Sets how strong the operations are. Errs unless within 1..=10.
    pub fn severity(mut self, severity: u32) -> Result<Self, Error> {
        check_within("AugMix severity", f64::from(severity), 1.0..=10.0)?;
        self.severity = severity;
        Ok(self)
    }

    /// Sets the number of chains. Errs unless within 1..=100.
    pub fn mixture_width(mut self, width: usize) -> Result<Self, Error> {
        check_within("AugMix mixture_width", width as f64, 1.0..=100.0)?;
        self.width = width;
        Ok(self)
    }

    /// Sets how many operations each chain has, else 1 to 3. Errs unless within 1..=100.
    pub fn chain_depth(mut self, depth: usize) -> Result<Self, Error> {
        check_within("AugMix chain_depth", depth as f64, 1.0..=100.0)?;
        self.depth = Some(depth);
        Ok(self)
    }

    /// Sets the parameter of the Beta and the Dirichlet distribution. Errs unless within 0.01..=1000.
    pub fn alpha(mut self, alpha: f64) -> Result<Self, Error> {
        self.gamma = gamma(alpha)?;
        Ok(self)
    }

    /// Sets the interpolation of shears, translations and rotations: `Nearest`, `Bilinear` or `Bicubic`.
    #[must_use]
    pub fn interpolation(mut self, interpolation: Filter) -> Self {
        self.warp.interpolation = interpolation;
        self
    }

    /// Sets the colour outside the image.
    #[must_use]
    pub fn fill(mut self, fill: [u8; 3]) -> Self {
        self.warp.fill = fill;
        self
    }

    /// The three views of the paper's loss: what `base` (crop and flip) gives, and two different mixtures of it.
    #[must_use]
    pub fn jsd_views(&self, base: &View, rng: &mut Rng) -> [View; 3] {
        let mut views = [base.clone(), base.clone(), base.clone()];
        views[1..].iter_mut().for_each(|view| self.draw(view, rng));
        views
    }

    fn kinds(&self) -> &'static [Kind] {
        match self.ops {
            AugMixOps::Original | AugMixOps::Torchvision => &THIRTEEN[..9],
            AugMixOps::OriginalAll | AugMixOps::TorchvisionAll => &THIRTEEN,
        }
    }

    fn op(&self, size: (u32, u32), rng: &mut Rng) -> Option<Op> {
        let kind = *pick(self.kinds(), rng);
        match self.ops {
            AugMixOps::Original | AugMixOps::OriginalAll => {
                original(kind, self.severity, self.warp, size, rng)
            }
            AugMixOps::Torchvision | AugMixOps::TorchvisionAll => {
                let bin = rng.random_range(0..self.severity as usize);
                TORCHVISION.draw(kind, bin, self.warp, size, rng)
            }
        }
    }

    /// Positive weights with a sum of 1.
    fn dirichlet(&self, count: usize, rng: &mut Rng) -> Vec<f64> {
        let drawn: Vec<f64> = (0..count).map(|_| self.gamma.sample(rng).max(f64::MIN_POSITIVE)).collect();
        let sum: f64 = drawn.iter().sum();
        drawn.into_iter().map(|weight| weight / sum).collect()
    }
}

impl Transform for AugMix {
    fn draw(&self, view: &mut View, rng: &mut Rng) {
        let size = view.size();
        let shares = self.dirichlet(2, rng);
        let chains = self.dirichlet(self.width, rng).into_iter().map(|weight| {
            let depth = self.depth.unwrap_or_else(|| rng.random_range(1..=3));
            Chain { weight: weight * shares[1], ops: (0..depth).filter_map(|_| self.op(size, rng)).collect() }
        });
        let chains = chains.collect();
        view.push(Op::Mix { original: shares[0], chains });
    }
}

fn gamma(alpha: f64) -> Result<Gamma<f64>, Error> {
    check_range("AugMix alpha", &(alpha..=alpha), 0.01..=1000.0)?;
    Gamma::new(alpha, 1.0).map_err(|error| Error::Parameter {
        parameter: "AugMix alpha",
        expected: error.to_string(),
        found: alpha.to_string(),
    })
}

/// An operation of google-research/augmix at a drawn level. Where it cuts a parameter to a whole number, so does this.
fn original(kind: Kind, severity: u32, warp: Warp, size: (u32, u32), rng: &mut Rng) -> Option<Op> {
    let level = rng.random_range(0.1..=f64::from(severity));
    let whole = |highest: f64| (level * highest / 10.0).trunc();
    let part = |highest: f64| level * highest / 10.0;
    Some(match kind {
        Kind::AutoContrast => AUTO_CONTRAST,
        Kind::Equalize => Op::Equalize,
        Kind::Posterize => posterize(4 - whole(4.0) as i64),
        Kind::Rotate => warp.rotate(either_sign(whole(30.0), rng)),
        Kind::Solarize => solarize(256 - whole(256.0) as i64),
        Kind::ShearX => warp.shear_x(either_sign(part(0.3), rng)),
        Kind::ShearY => warp.shear_y(either_sign(part(0.3), rng)),
        Kind::TranslateX => warp.translate_x(either_sign(whole(f64::from(size.0) / 3.0), rng)),
        Kind::TranslateY => warp.translate_y(either_sign(whole(f64::from(size.1) / 3.0), rng)),
        Kind::Color => Op::AdjustSaturation { factor: part(1.8) + 0.1 },
        Kind::Contrast => Op::AdjustContrast { factor: part(1.8) + 0.1 },
        Kind::Brightness => Op::AdjustBrightness { factor: part(1.8) + 0.1 },
        Kind::Sharpness => Op::AdjustSharpness { factor: part(1.8) + 0.1 },
        Kind::Identity | Kind::Invert => return None,
    })
}

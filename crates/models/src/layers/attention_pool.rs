//! Pooling by attention: the MAP head of "Scaling vision transformers" (Zhai et al., 2021), after "Set transformer"
//! (Lee et al., 2019); timm's `AttentionPoolLatent`.

use crate::Error;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Activation, Linear, LinearConfig, Mlp, NormKind, Param, TokenNorm, attend, heads};
use tch::Tensor;

/// One learned query attends to all tokens; a residual perceptron follows.
#[derive(Clone, Debug)]
pub(crate) struct AttentionPool {
    latent: Param,
    q: Linear,
    kv: Linear,
    proj: Linear,
    norm: TokenNorm,
    mlp: Mlp,
    heads: i64,
}

impl AttentionPool {
    /// For tokens of length `width`; `hidden` is the perceptron's.
    pub(crate) fn new(
        builder: &Builder<'_>,
        (width, hidden): (i64, i64),
        heads: i64,
        norm: NormKind,
        activation: Activation,
    ) -> Result<Self, Error> {
        let deviation = 1.0 / (width as f64).sqrt();
        let linear =
            |name: &str, output| Linear::new(&(builder / name), LinearConfig::normal02(width, output));
        Ok(Self {
            latent: builder.parameter("latent", &[1, 1, width], Init::TruncatedNormal(deviation))?,
            q: linear("q", width)?,
            kv: linear("kv", 2 * width)?,
            proj: linear("proj", width)?,
            norm: TokenNorm::new(&(builder / "norm"), norm, width)?,
            mlp: Mlp::new(&(builder / "mlp"), width, hidden, activation)?,
            heads,
        })
    }

    /// (N, T, C) to (N, C).
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        let q = self.q.forward(&self.latent)?.f_expand([x.size()[0], -1, -1], false)?;
        let (kv, width) = (self.kv.forward(x)?, q.size()[2]);
        let k = heads(&kv.f_narrow(-1, 0, width)?, self.heads)?;
        let v = heads(&kv.f_narrow(-1, width, width)?, self.heads)?;
        let x = self.proj.forward(&attend(&heads(&q, self.heads)?, &k, &v, None)?)?;
        let x = x.f_add(&self.mlp.forward(&self.norm.forward(&x)?)?)?;
        Ok(x.f_select(1, 0)?)
    }
}

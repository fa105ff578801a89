//! Self-attention.

use super::config::Config;
use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Linear, NormKind, Param, TokenNorm, attend, heads, split};
use tch::{Kind, TchError, Tensor};

/// Multi-head self-attention: `qkv`, `proj`, and `q_norm`, `k_norm` where heads are normalised.
#[derive(Clone)]
pub(super) struct Attention {
    qkv: Linear,
    norms: QkNorm,
    differential: Option<Differential>,
    proj: Linear,
    heads: i64,
}

impl Attention {
    /// `depth` is the index of the block where attention is differential.
    pub(super) fn new(
        builder: &Builder<'_>,
        config: &Config,
        depth: Option<usize>,
    ) -> Result<Self, TchError> {
        let Config { width, heads, start, qkv_bias, .. } = *config;
        let qkv = super::biased(start.qkv(width), qkv_bias);
        let differential = match depth {
            Some(depth) => Some(Differential::new(builder, width / heads, depth)?),
            None => None,
        };
        Ok(Self {
            qkv: Linear::new(&(builder / "qkv"), qkv)?,
            norms: QkNorm::new(builder, config)?,
            differential,
            proj: Linear::new(&(builder / "proj"), start.linear(width, width))?,
            heads,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let qkv = self.qkv.forward(x)?;
        let y = match &self.differential {
            None => {
                let [q, k, v] = split(&qkv, self.heads)?;
                let (q, k) = self.norms.forward(q, k)?;
                attend(&q, &k, &v, None)?
            }
            Some(differential) => {
                let width = qkv.size()[2] / 3;
                let part = |i: i64| qkv.f_narrow(-1, i * width, width);
                differential.attend(&part(0)?, &part(1)?, &part(2)?, self.heads)?
            }
        };
        self.proj.forward(&y)
    }
}

/// The normalisation of each head's queries and keys, where there is one: `q_norm`, `k_norm`.
#[derive(Clone)]
pub(super) struct QkNorm(Option<(TokenNorm, TokenNorm)>);

impl QkNorm {
    pub(super) fn new(builder: &Builder<'_>, config: &Config) -> Result<Self, TchError> {
        let norm = |name: &str| TokenNorm::new(&(builder / name), config.norm, config.width / config.heads);
        Ok(Self(match config.qk_norm {
            true => Some((norm("q_norm")?, norm("k_norm")?)),
            false => None,
        }))
    }

    pub(super) fn forward(&self, q: Tensor, k: Tensor) -> Result<(Tensor, Tensor), TchError> {
        Ok(match &self.0 {
            Some((q_norm, k_norm)) => (q_norm.forward(&q)?, k_norm.forward(&k)?),
            None => (q, k),
        })
    }
}

/// The difference of two attentions, which cancels what both attend to without reason ("Differential transformer", Ye et
/// al., 2024): each head has two queries and keys of half its width, one value, and a learned share of the second attention.
#[derive(Clone)]
pub(super) struct Differential {
    lambda_q1: Param,
    lambda_k1: Param,
    lambda_q2: Param,
    lambda_k2: Param,
    sub_norm: TokenNorm,
    lambda_init: f64,
}

impl Differential {
    /// For heads of `width`, in the block of index `depth`: the share starts larger in deeper blocks.
    pub(super) fn new(builder: &Builder<'_>, width: i64, depth: usize) -> Result<Self, TchError> {
        let lambda = |name| builder.parameter(name, &[width / 2], Init::Normal(0.1));
        Ok(Self {
            lambda_q1: lambda("lambda_q1")?,
            lambda_k1: lambda("lambda_k1")?,
            lambda_q2: lambda("lambda_q2")?,
            lambda_k2: lambda("lambda_k2")?,
            sub_norm: TokenNorm::new(&(builder / "sub_norm"), NormKind::Rms(1e-5), width)?,
            lambda_init: 0.8 - 0.6 * (-0.3 * depth as f64).exp(),
        })
    }

    /// Queries, keys and values (N, T, C) to (N, T, C).
    pub(super) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, count: i64) -> Result<Tensor, TchError> {
        let exponential = |q: &Tensor, k: &Tensor| q.f_mul(k)?.f_sum(Kind::Float)?.f_exp();
        let lambda = exponential(&self.lambda_q1, &self.lambda_k1)?
            .f_sub(&exponential(&self.lambda_q2, &self.lambda_k2)?)?
            .f_add_scalar(self.lambda_init)?
            .f_to_kind(q.kind())?;
        let (n, t, c) = q.size3()?;
        let halves =
            |x: &Tensor, i| x.f_reshape([n, t, count, 2, c / count / 2])?.f_select(3, i)?.f_transpose(1, 2);
        let v = heads(v, count)?;
        let first = attend(&halves(q, 0)?, &halves(k, 0)?, &v, None)?;
        let second = attend(&halves(q, 1)?, &halves(k, 1)?, &v, None)?;
        let y = first.f_sub(&second.f_mul(&lambda)?)?.f_reshape([n, t, count, c / count])?;
        self.sub_norm.forward(&y)?.f_mul_scalar(1.0 - self.lambda_init)?.f_reshape([n, t, c])
    }
}

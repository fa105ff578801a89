//! A backbone with its projector: what siamese methods have one or two of.

use crate::method::named_variables;
use crate::{
    Error, HeadLayout, NamedTensor, ProjectionHead, Setup, Step, Teacher, feature_std, pooled, views,
};
use tch::{Device, Tensor, nn};
use visrep_models::{Model, ModelOptions};

/// A backbone without classifier and a projector on its pooled features.
pub struct Encoder {
    /// The backbone.
    pub model: Model,
    /// The head.
    pub projector: ProjectionHead,
}

/// What an [`Encoder`] makes of images.
#[derive(Debug)]
pub struct Encoded {
    /// The backbone's pooled features (N, D).
    pub features: Tensor,
    /// What the projector makes of them.
    pub projections: Tensor,
}

/// A projector, from a backbone's features on.
#[derive(Clone, Copy, Debug)]
pub struct Projector {
    /// Linear layers, at least 1.
    pub layers: u32,
    /// Width of the hidden ones; `None`: the backbone's embedding dimension.
    pub hidden_dim: Option<u32>,
    /// Length of the projections.
    pub output_dim: u32,
    /// What stands between the layers.
    pub layout: HeadLayout,
}

impl Projector {
    /// The head for features of `embed` values; `seed` decides its weights.
    pub fn build(&self, embed: i64, device: Device, seed: i64) -> Result<ProjectionHead, Error> {
        if self.layers == 0 {
            let (parameter, expected) = ("projector_layers", "at least 1");
            return Err(Error::Parameter { parameter, expected, found: 0.0 });
        }
        let hidden = self.hidden_dim.map_or(embed, i64::from);
        let mut dims = vec![hidden; self.layers as usize + 1];
        dims[0] = embed;
        dims[self.layers as usize] = i64::from(self.output_dim);
        ProjectionHead::new(&dims, &self.layout, device, seed)
    }
}

impl Encoder {
    /// A backbone as `setup` says, and a projector, whose weights are drawn from the next seed.
    pub fn new(setup: &Setup<'_>, projector: &Projector) -> Result<Self, Error> {
        let model = backbone(setup)?;
        let seed = (setup.seed as i64).wrapping_add(1);
        let projector = projector.build(model.embed_dim(), setup.device, seed)?;
        Ok(Self { model, projector })
    }

    /// Encodes images (N, H, W, 3) in training mode.
    pub fn encode(&self, images: &Tensor) -> Result<Encoded, Error> {
        self.project(pooled(&self.model, images)?)
    }

    /// Encodes V views of N images, view after view, in one pass for each size: [`views::pooled_views`].
    pub fn encode_views(&self, images: &[Tensor]) -> Result<Encoded, Error> {
        self.project(views::pooled_views(&self.model, images)?)
    }

    /// The projections of `features`, in training mode.
    pub fn project(&self, features: Tensor) -> Result<Encoded, Error> {
        let projections = self.projector.forward(&features, true)?;
        Ok(Encoded { features, projections })
    }

    /// The variables of both parts, for a [`Teacher`].
    pub fn var_stores(&self) -> [&nn::VarStore; 2] {
        [self.model.var_store(), self.projector.var_store()]
    }

    /// The variables of both parts, as `prefix` followed by `model.` and `projector.`.
    pub fn state(&self, prefix: &str) -> Vec<NamedTensor> {
        let mut state = named_variables(&format!("{prefix}model"), self.model.var_store());
        state.extend(named_variables(&format!("{prefix}projector"), self.projector.var_store()));
        state
    }

    /// Ties `teacher` to this encoder.
    pub fn teach(&self, teacher: &Self, momentum: crate::Momentum) -> Result<Teacher, Error> {
        let ([a, b], [c, d]) = (self.var_stores(), teacher.var_stores());
        Teacher::new(&[(a, c), (b, d)], momentum)
    }
}

impl Encoded {
    /// The collapse watch of features and projections; empty on steps that are not logged.
    pub fn watch(&self, step: &Step) -> Result<Vec<(&'static str, f64)>, Error> {
        if !step.log {
            return Ok(Vec::new());
        }
        Ok(vec![
            ("feature_std", feature_std(&self.features)?),
            ("projection_std", feature_std(&self.projections)?),
        ])
    }
}

/// A backbone without classifier, with the initial values of the seed.
pub(crate) fn backbone(setup: &Setup<'_>) -> Result<Model, Error> {
    let options = ModelOptions {
        num_classes: Some(0),
        device: setup.device,
        seed: Some(setup.seed as i64),
        ..ModelOptions::default()
    };
    Ok(Model::create(setup.model, &options)?)
}

/// Keeps `model`'s patch embedding as it is (MoCo v3, SDSSL); an error when it has none.
pub(crate) fn freeze_patch_embedding(model: &Model) -> Result<(), Error> {
    let variables = model.var_store().variables().into_iter();
    let mut frozen = variables.filter(|(name, _)| name.starts_with("patch_embed.")).peekable();
    if frozen.peek().is_none() {
        return Err(Error::NoPatchEmbedding { model: model.name().to_owned() });
    }
    for (_, tensor) in frozen {
        let _ = tensor.f_set_requires_grad(false)?;
    }
    Ok(())
}

/// A head of two layers on projections of `dim` numbers, which gives as many; its weights are drawn from the seed after
/// the projector's.
pub fn predictor(
    setup: &Setup<'_>,
    dim: u32,
    hidden_dim: u32,
    layout: &HeadLayout,
) -> Result<ProjectionHead, Error> {
    let dims = [dim, hidden_dim, dim].map(i64::from);
    ProjectionHead::new(&dims, layout, setup.device, (setup.seed as i64).wrapping_add(2))
}

/// Rows of length one; rows shorter than 1e-12 are divided by that instead.
pub(crate) fn unit(rows: &Tensor) -> Result<Tensor, Error> {
    let norm = rows.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?;
    Ok(rows.f_div(&norm)?)
}

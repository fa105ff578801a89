//! `visrep forward`: a model on tensors, for scripts and for comparison with other frameworks.

use super::{ComputeArgs, output};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};
use visrep_models::{Error, Model, StateDict};
use visrep_torch::{InferenceMode, Precision, with_batch};

/// Run a model on a tensor of images
///
/// X must hold `x` (N, 3, H, W) f32, already normalised (see `visrep preprocess`). Y will hold `logits`
/// (N, classes), when the weights have a classifier, and `features` (N, D), pooled, before the classifier; both f32
/// in any --precision.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    visrep preprocess --model resnet50 cat.jpg dog.jpg --output x.safetensors\n  \
    visrep forward --model resnet50 --weights resnet50.safetensors --input x.safetensors --output y.safetensors")]
pub struct Forward {
    /// Model name, such as resnet50 or vit_base_patch16_224.dino (see `visrep models`)
    /// [default: what the folder --weights says]
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Its weights: safetensors, .pth, .npz, a folder of the Hugging Face hub, or a compiled package (.pt2, which is a
    /// program; it needs --model)
    #[arg(long, value_name = "W")]
    weights: PathBuf,
    /// The images
    #[arg(long, value_name = "X.safetensors")]
    input: PathBuf,
    /// Where to write the results
    #[arg(long, value_name = "Y.safetensors")]
    output: PathBuf,
    /// Images in one pass
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(i64).range(1..))]
    batch_size: i64,
    #[command(flatten)]
    compute: ComputeArgs,
}

impl Forward {
    pub fn run(self) -> Result<()> {
        let x = read_images(&self.input)?;
        let compute = self.compute.resolve()?;
        let model = super::open_model(self.model.as_deref(), &self.weights, &compute)?;
        let (mut features, mut logits) = (Vec::new(), Vec::new());
        for start in (0..x.size()[0]).step_by(self.batch_size as usize) {
            let length = self.batch_size.min(x.size()[0] - start);
            let batch = x.narrow(0, start, length);
            let found = with_batch(compute.device, length as usize, |samples| {
                forward(&model, &batch.f_narrow(0, 0, samples as i64)?, compute.precision)
            })?;
            features.push(found.0);
            logits.extend(found.1);
        }
        let mut outputs = vec![("features", Tensor::cat(&features, 0))];
        if !logits.is_empty() {
            outputs.push(("logits", Tensor::cat(&logits, 0)));
        }
        output::replace(&self.output, |path| Ok(Tensor::write_safetensors(&outputs, path)?))
    }
}

/// Features and, where there is a classifier, logits: f32 on the CPU.
fn forward(model: &Model, x: &Tensor, precision: Precision) -> Result<(Tensor, Option<Tensor>), Error> {
    let _inference = InferenceMode::enter()?;
    let x = x.f_to_device(model.device())?;
    let exact = |tensor: &Tensor| tensor.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu);
    precision.run(model.device(), || {
        let features = model.backbone().forward_features(&x, false)?;
        let logits = match model.num_classes() {
            0 => None,
            _ => Some(exact(&model.logits(&features, false)?)?),
        };
        Ok((exact(&features.pooled)?, logits))
    })
}

fn read_images(path: &std::path::Path) -> Result<Tensor> {
    let state = StateDict::read(path)?;
    let Some(x) = state.tensors().get("x") else {
        let names: Vec<_> = state.tensors().keys().map(String::as_str).collect();
        bail!("{}: there is no tensor `x`; it holds: {}", path.display(), names.join(", "));
    };
    match x.size()[..] {
        [n, 3, h, w] if n > 0 && h > 0 && w > 0 && x.kind() == Kind::Float => Ok(x.shallow_clone()),
        _ => bail!(
            "{}: `x` must be (N, 3, H, W) f32 with at least one image, found {:?} {:?}",
            path.display(),
            x.size(),
            x.kind()
        ),
    }
}

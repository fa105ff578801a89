//! `visrep forward`: a model on tensors, for scripts and for comparison with other frameworks.

use super::{DeviceArg, output};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use tch::{Kind, Tensor, no_grad};
use visrep_models::StateDict;

/// Run a model on a tensor of images
///
/// X must hold `x` (N, 3, H, W) f32, already normalised (see `visrep preprocess`). Y will hold `logits`
/// (N, classes), when the weights have a classifier, and `features` (N, D), pooled, before the classifier.
#[derive(Args)]
#[command(after_help = "Example:\n  \
    visrep preprocess --model resnet50 cat.jpg dog.jpg --output x.safetensors\n  \
    visrep forward --model resnet50 --weights resnet50.safetensors --input x.safetensors --output y.safetensors")]
pub struct Forward {
    /// Model name, such as resnet50 or vit_base_patch16_224.dino (see `visrep models`)
    /// [default: what the folder --weights says]
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Its weights: safetensors, .pth, .npz, or a folder of the Hugging Face hub
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
    device: DeviceArg,
}

impl Forward {
    pub fn run(self) -> Result<()> {
        let x = read_images(&self.input)?;
        let model = super::open_model(self.model.as_deref(), &self.weights, self.device.resolve()?)?;
        let (mut features, mut logits) = (Vec::new(), Vec::new());
        no_grad(|| -> Result<()> {
            for start in (0..x.size()[0]).step_by(self.batch_size as usize) {
                let length = self.batch_size.min(x.size()[0] - start);
                let batch = x.narrow(0, start, length).to_device(model.device());
                let found = model.backbone().forward_features(&batch, false)?;
                if model.num_classes() > 0 {
                    logits.push(model.logits(&found, false)?.to_device(tch::Device::Cpu));
                }
                features.push(found.pooled.to_device(tch::Device::Cpu));
            }
            Ok(())
        })?;
        let mut outputs = vec![("features", Tensor::cat(&features, 0))];
        if !logits.is_empty() {
            outputs.push(("logits", Tensor::cat(&logits, 0)));
        }
        output::replace(&self.output, |path| Ok(Tensor::write_safetensors(&outputs, path)?))
    }
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

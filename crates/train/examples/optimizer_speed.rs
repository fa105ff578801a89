//! The time of an optimiser's step on the parameters of a model, without a forward or backward pass:
//!
//! ```sh
//! cargo run -p visrep-train --example optimizer_speed
//! ```
//!
//! It reads lines `MODEL OPTIMIZER` (`vit_small_patch16_224 adamw`) from its input and answers each with the best time of ten
//! steps in seconds (on a CPU, processor time), which is how `benches/train/compare.py` takes turns with the peer. `ema` and `clip` are a step of the
//! average and of clipping to a global norm. `VISREP_DEVICE=cuda` measures on the GPU.

use cpu_time::ProcessTime;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;
use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions};
use visrep_train::{Clip, Ema, Optimizer, OptimizerConfig, ParameterOptions, Rates};

const STEPS: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    visrep_torch::keep_freed_memory();
    let choice = std::env::var("VISREP_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device = choice.parse::<visrep_torch::DeviceChoice>()?.resolve()?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (model, work) = line.split_once(' ').ok_or("write MODEL OPTIMIZER")?;
        writeln!(output, "{:.9}", measure(model, work, device)?)?;
        output.flush()?;
    }
    Ok(())
}

fn measure(model: &str, work: &str, device: Device) -> Result<f64, Box<dyn Error>> {
    let model = Model::create(model, &ModelOptions { device, seed: Some(0), ..Default::default() })?;
    let mut named: Vec<(String, Tensor)> = model.var_store().variables().into_iter().collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named.retain(|(_, tensor)| tensor.requires_grad());
    let gradients: Vec<Tensor> = named
        .iter()
        .map(|(_, t)| Tensor::f_randn(t.size(), (Kind::Float, device)))
        .collect::<Result<_, _>>()?;
    // Rules may overwrite gradients, and a training step makes new ones: their copies are made outside the clock.
    let copies = || gradients.iter().map(Tensor::copy).collect::<Vec<_>>();
    match work {
        "ema" => {
            let mut ema = Ema::new(&named)?;
            best(device, || (), |()| Ok(ema.update(&named, 0.999)?))
        }
        "clip" => {
            let parameters: Vec<Tensor> = named.iter().map(|(_, t)| t.shallow_clone()).collect();
            let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
            let clip = Clip::Global { norm: 1.0 };
            best(device, copies, |mut gradients| Ok(clip.apply(&mut gradients, &parameters, &names)?))
        }
        _ => {
            let decayed = |_: &str, tensor: &Tensor| ParameterOptions {
                weight_decay: if tensor.dim() > 1 { 0.05 } else { 0.0 },
                ..ParameterOptions::default()
            };
            let mut optimizer = Optimizer::new(optimizer(work)?.rule(), named, decayed)?;
            best(device, copies, |gradients| Ok(optimizer.apply(gradients, &Rates::constant(1e-5))?))
        }
    }
}

fn optimizer(name: &str) -> Result<OptimizerConfig, Box<dyn Error>> {
    let toml = match name {
        "sgd" => "name = 'sgd'\nmomentum = 0.9",
        "lars" => "name = 'lars'\nvariant = 'larc'\nadapt = 'decayed'",
        "adamw" | "lamb" | "adafactor" => return Ok(toml::from_str(&format!("name = '{name}'"))?),
        other => return Err(format!("unknown work {other}").into()),
    };
    Ok(toml::from_str(toml)?)
}

/// The best time of `work` on what `make` gives, in seconds, after two calls that are not counted: processor time on a CPU, which
/// other programs do not change much.
fn best<T>(
    device: Device,
    make: impl Fn() -> T,
    mut work: impl FnMut(T) -> Result<(), Box<dyn Error>>,
) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for round in 0..STEPS + 2 {
        let input = make();
        let (start, processor) = (Instant::now(), ProcessTime::now());
        work(input)?;
        let elapsed = if let Device::Cuda(index) = device {
            tch::Cuda::synchronize(index as i64);
            start.elapsed()
        } else {
            processor.elapsed()
        };
        if round >= 2 {
            best = best.min(elapsed.as_secs_f64());
        }
    }
    Ok(best)
}

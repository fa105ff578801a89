//! Images per second of a model in f32, inference and training steps (forward and backward), on random images:
//! `cargo run -p visrep-models --example model_speed -- resnet50 32 [--train] [--device cuda]`.

use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, batch, flags @ ..] = arguments.as_slice() else {
        return Err("usage: speed MODEL BATCH [--train] [--device cuda]".into());
    };
    let train = flags.iter().any(|flag| flag == "--train");
    let device = if flags.iter().any(|flag| flag == "cuda") { Device::Cuda(0) } else { Device::Cpu };
    let model = Model::create(name, &ModelOptions { device, ..Default::default() })?;
    let side = i64::from(model.preprocessing().input_size);
    let x = Tensor::f_randn([batch.parse()?, 3, side, side], (Kind::Float, device))?;

    let step = || -> Result<(), visrep_models::Error> {
        if train {
            for mut variable in model.var_store().trainable_variables() {
                variable.zero_grad();
            }
            model.forward(&x, true)?.f_square()?.f_mean(Kind::Float)?.f_backward()?;
        } else {
            let _logits = tch::no_grad(|| model.forward(&x, false))?;
        }
        if device.is_cuda() {
            tch::Cuda::synchronize(0);
        }
        Ok(())
    };
    for _ in 0..2 {
        step()?;
    }
    let mut times: Vec<Duration> = Vec::new();
    let start = Instant::now();
    while times.len() < 5 || start.elapsed() < Duration::from_secs(4) {
        let begin = Instant::now();
        step()?;
        times.push(begin.elapsed());
    }
    times.sort();
    let rate = |time: Duration| x.size()[0] as f64 / time.as_secs_f64();
    println!(
        "{name} batch {batch} at {side} px, {}: median {:.1} images/s, best {:.1}",
        if train { "training step" } else { "inference" },
        rate(times[times.len() / 2]),
        rate(times[0]),
    );
    Ok(())
}

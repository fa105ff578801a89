//! The speed of one model, inference or training step (forward and backward), on random images:
//!
//! ```sh
//! cargo run -p visrep-models --example model_speed -- resnet50 32 f32 contiguous inference
//! ```
//!
//! prints the median and the best time of a step in seconds; `resnet18@32` takes images of 32 x 32 instead of the model's own
//! size. Without arguments it reads such lines from its input and answers each with a line, which is how
//! `benches/models/compare.py` takes turns with the peer. `VISREP_DEVICE=cuda` measures on the GPU.

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use visrep_models::{MemoryFormat, Model, ModelOptions};

/// The model of the last request, so that requests in a row do not make it anew.
struct Bench {
    device: Device,
    model: Option<Model>,
}

impl Bench {
    fn run(&mut self, request: &str) -> Result<String, Box<dyn Error>> {
        let words: Vec<&str> = request.split_whitespace().collect();
        let &[name, batch, kind, format, mode] = words.as_slice() else {
            return Err(
                "usage: MODEL[@SIDE] BATCH f32|bf16 contiguous|channels_last inference|training".into()
            );
        };
        let (name, side) = name.split_once('@').map_or((name, None), |(name, side)| (name, Some(side)));
        let kind = match kind {
            "f32" => Kind::Float,
            "bf16" => Kind::BFloat16,
            other => return Err(format!("unknown kind {other}: give f32 or bf16").into()),
        };
        let format = match format {
            "contiguous" => MemoryFormat::Contiguous,
            "channels_last" => MemoryFormat::ChannelsLast,
            other => return Err(format!("unknown format {other}: give contiguous or channels_last").into()),
        };
        let train = mode == "training";
        if self.model.as_ref().is_none_or(|model| model.name() != name) {
            let options = ModelOptions { device: self.device, ..Default::default() };
            self.model = Some(Model::create(name, &options)?);
        }
        let model = self.model.as_mut().ok_or("no model")?;
        model.set_kind(kind)?;
        model.set_memory_format(format)?;
        let side = side.map_or(Ok(i64::from(model.preprocessing().input_size)), str::parse)?;
        let x =
            Tensor::f_randn([batch.parse()?, 3, side, side], (Kind::Float, self.device))?.f_to_kind(kind)?;
        let x = match format {
            MemoryFormat::ChannelsLast => visrep_torch::channels_last(&x)?,
            MemoryFormat::Contiguous => x,
        };
        let times = measure(|| step(model, &x, train))?;
        Ok(format!("{:.6} {:.6}", times[times.len() / 2].as_secs_f64(), times[0].as_secs_f64()))
    }
}

fn step(model: &Model, x: &Tensor, train: bool) -> Result<(), Box<dyn Error>> {
    if train {
        for mut variable in model.var_store().trainable_variables() {
            variable.zero_grad();
        }
        model.forward(x, true)?.f_square()?.f_mean(Kind::Float)?.f_backward()?;
    } else {
        let _logits = tch::no_grad(|| model.forward(x, false))?;
    }
    if x.device().is_cuda() {
        tch::Cuda::synchronize(0);
    }
    Ok(())
}

/// Sorted times of at least 3 steps and one second, after a step that is not counted.
fn measure(mut step: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<Vec<Duration>, Box<dyn Error>> {
    step()?;
    let mut times: Vec<Duration> = Vec::new();
    let start = Instant::now();
    while times.len() < 3 || start.elapsed() < Duration::from_secs(1) {
        let begin = Instant::now();
        step()?;
        times.push(begin.elapsed());
    }
    times.sort();
    Ok(times)
}

fn main() -> Result<(), Box<dyn Error>> {
    visrep_torch::keep_freed_memory();
    let device = std::env::var("VISREP_DEVICE").unwrap_or("cpu".into());
    let device = device.parse::<visrep_torch::DeviceChoice>()?.resolve()?;
    let mut bench = Bench { device, model: None };
    let request = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    if !request.is_empty() {
        println!("{}", bench.run(&request)?);
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        println!("{}", bench.run(&line?)?);
        std::io::stdout().flush()?;
    }
    Ok(())
}

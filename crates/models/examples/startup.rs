//! What a program does before it can answer: open a weight file, make the model, run it once.
//! `cargo run -p visrep-models --example startup -- vit_base_patch16_224 FILE.safetensors` prints the first logit.

use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, path] = arguments.as_slice() else {
        return Err("usage: startup MODEL FILE".into());
    };
    let (model, _) = Model::from_weights(name, path, &ModelOptions::default())?;
    let side = i64::from(model.preprocessing().input_size);
    let x = Tensor::f_zeros([1, 3, side, side], (Kind::Float, Device::Cpu))?;
    let logits = tch::no_grad(|| model.forward(&x, false))?;
    println!("{}", logits.double_value(&[0, 0]));
    Ok(())
}

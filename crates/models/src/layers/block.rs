//! The unit of gradient checkpointing.

use crate::Error;
use crate::backbone::Collected;
use crate::builder::Switches;
use tch::Tensor;

/// A part of a network that maps one tensor to one. Cloning it must be cheap: handles on the same parameters.
pub(crate) trait Block: Clone + Send + 'static {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, Error>;
}

/// Runs `block`; under gradient checkpointing what it computes on the way is dropped, and computed again in the
/// backward pass ("Training deep nets with sublinear memory cost", Chen et al., 2016).
pub(crate) fn run<B: Block>(
    switches: &Switches,
    block: &B,
    x: &Tensor,
    train: bool,
) -> Result<Tensor, Error> {
    if !switches.checkpointing() || !train {
        return block.forward(x, train);
    }
    let block = block.clone();
    visrep_torch::checkpoint([x], move |[x]| block.forward(&x, true))
}

/// Runs stages of blocks one after the other, and keeps the output of each under its name in `taps`.
pub(crate) fn run_stages<B: Block>(
    switches: &Switches,
    stages: &[Vec<B>],
    taps: &[String],
    mut x: Tensor,
    train: bool,
    collected: &mut Collected<'_>,
) -> Result<Tensor, Error> {
    for (name, stage) in taps.iter().zip(stages) {
        for block in stage {
            x = run(switches, block, &x, train)?;
        }
        collected.keep(name, &x);
    }
    Ok(x)
}

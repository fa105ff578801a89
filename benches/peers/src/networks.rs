//! Whole networks: inference, and training steps with cross-entropy and AdamW, on the CPU or a GPU.

use anyhow::{Result, bail};
use tch::{Device, Kind, Reduction, Tensor};
use visrep_models::{MemoryFormat, Model, ModelOptions};
use visrep_torch::{
    CudaGraph, DeviceChoice, InferenceMode, Precision, PrecisionChoice, Stream, channels_last,
    keep_freed_memory,
};

use crate::Workload;
use crate::optimizer::AdamW;
use crate::sink::Sink;

/// Opens `MODEL[@SIDE] BATCH fp32|bf16 contiguous|channels_last inference|training|graph DEVICE`.
pub(crate) fn open(words: &[&str]) -> Result<Box<dyn Workload>> {
    let &[name, batch, precision, format, mode, device] = words else {
        bail!("a network takes: MODEL[@SIDE] BATCH PRECISION FORMAT MODE DEVICE");
    };
    keep_freed_memory();
    let (name, side) = name.split_once('@').map_or((name, None), |(name, side)| (name, Some(side)));
    let device = device.parse::<DeviceChoice>()?.resolve()?;
    let precision = precision.parse::<PrecisionChoice>()?.resolve(device)?;
    let mut model = Model::create(name, &ModelOptions { device, ..Default::default() })?;
    let side = side.map_or(Ok(i64::from(model.preprocessing().input_size)), str::parse)?;
    let samples: i64 = batch.parse()?;
    let mut x = Tensor::f_randn([samples, 3, side, side], (Kind::Float, device))?;
    match format {
        "contiguous" => {}
        "channels_last" => {
            model.set_memory_format(MemoryFormat::ChannelsLast)?;
            x = channels_last(&x)?;
        }
        _ => bail!("unknown format {format}: give contiguous or channels_last"),
    }
    let images = Images { model, x, precision, device, samples: samples as usize };
    Ok(match mode {
        "inference" => Box::new(Inference(images)),
        "training" => Box::new(Training::new(images)?),
        "graph" => {
            let device = images.device;
            let mut training = Training::new(images)?;
            let (graph, loss) = CudaGraph::capture(device, 3, || training.step())?;
            Box::new(Graph { graph, loss, training })
        }
        _ => bail!("unknown mode {mode}: give inference, training or graph"),
    })
}

/// A network and a batch of noise.
struct Images {
    model: Model,
    x: Tensor,
    precision: Precision,
    device: Device,
    samples: usize,
}

/// Forward passes.
struct Inference(Images);

impl Workload for Inference {
    fn units(&self) -> usize {
        self.0.samples
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let Images { model, x, precision, device, .. } = &self.0;
        let _inference = InferenceMode::enter()?;
        let logits = precision.run(*device, || model.forward(x, false))?;
        finish(*device, &logits, sink)
    }
}

/// Forward, backward and the optimiser's step.
struct Training {
    images: Images,
    labels: Tensor,
    optimizer: AdamW,
}

impl Training {
    fn new(images: Images) -> Result<Self> {
        let optimizer = AdamW::new(images.model.var_store().trainable_variables());
        let samples = images.samples as i64;
        let labels = Tensor::f_arange(samples, (Kind::Int64, images.device))?
            .f_remainder(images.model.num_classes())?;
        Ok(Self { images, labels, optimizer })
    }

    fn step(&mut self) -> Result<Tensor> {
        let Images { model, x, precision, device, .. } = &self.images;
        let loss = precision.run(*device, || {
            let logits = model.forward(x, true)?;
            let loss =
                logits.f_cross_entropy_loss::<Tensor>(&self.labels, None, Reduction::Mean, -100, 0.0)?;
            Ok::<_, visrep_models::Error>(loss)
        })?;
        let gradients = Tensor::f_run_backward(&[&loss], self.optimizer.parameters(), false, false)?;
        self.optimizer.step(&gradients)?;
        Ok(loss.f_detach()?)
    }
}

impl Workload for Training {
    fn units(&self) -> usize {
        self.images.samples
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let loss = self.step()?;
        finish(self.images.device, &loss, sink)
    }
}

/// Training steps of a GPU, recorded once.
struct Graph {
    graph: CudaGraph,
    loss: Tensor,
    /// Owns the memory that the graph reads and writes.
    training: Training,
}

impl Workload for Graph {
    fn units(&self) -> usize {
        self.training.images.samples
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        self.graph.replay()?;
        finish(self.training.images.device, &self.loss, sink)
    }
}

/// Waits for the device and hands the result on.
fn finish(device: Device, result: &Tensor, sink: &mut Sink) -> Result<()> {
    Stream::current(device)?.synchronize()?;
    if matches!(sink, Sink::File(_)) {
        sink.tensor(&result.f_to_kind(Kind::Float)?)?;
    }
    Ok(())
}

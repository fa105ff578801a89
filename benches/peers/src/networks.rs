//! Whole networks: inference, and training steps with cross-entropy and AdamW, on the CPU or a GPU; also fed with bytes of the host.

use anyhow::{Result, bail};
use tch::{Device, Kind, Reduction, Tensor};
use visrep_models::{MemoryFormat, Model, ModelOptions, Preprocessing};
use visrep_torch::{
    CudaGraph, DeviceChoice, InferenceMode, Precision, PrecisionChoice, Prefetcher, Stream, channels_last,
    keep_freed_memory,
};

use crate::Workload;
use crate::optimizer::AdamW;
use crate::sink::Sink;

/// Opens `MODEL[@SIDE] BATCH fp32|bf16 contiguous|channels_last inference|training|fed|graph DEVICE`.
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
        "fed" => Box::new(Fed::new(images, format == "channels_last", side)?),
        "graph" => {
            let device = images.device;
            let mut training = Training::new(images)?;
            let (graph, loss) = CudaGraph::capture(device, 3, || training.step())?;
            Box::new(Graph { graph, loss, training })
        }
        _ => bail!("unknown mode {mode}: give inference, training, fed or graph"),
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

/// Training steps on batches of bytes in the host's memory: copied to the device while the step before runs, and normalised there.
struct Fed {
    training: Training,
    batches: Batches,
    preprocessing: Preprocessing,
    channels_last: bool,
}

type Batches = Prefetcher<
    Box<dyn Iterator<Item = Result<Tensor, visrep_torch::Error>>>,
    fn(&Tensor) -> Result<Vec<Tensor>, visrep_torch::Error>,
    Tensor,
    visrep_torch::Error,
>;

impl Fed {
    fn new(images: Images, channels_last: bool, side: i64) -> Result<Self> {
        let batch =
            || Tensor::f_randint(256, [images.samples as i64, side, side, 3], (Kind::Uint8, Device::Cpu));
        // More than one, as a loader has them: none is in the processor's caches.
        let host = [batch()?, batch()?, batch()?];
        let batches = (0..).map(move |i: usize| Ok(host[i % host.len()].shallow_clone()));
        let batches = Prefetcher::new(images.device, Box::new(batches) as _, one as _)?;
        let preprocessing = images.model.preprocessing().clone();
        Ok(Self { training: Training::new(images)?, batches, preprocessing, channels_last })
    }
}

fn one(batch: &Tensor) -> Result<Vec<Tensor>, visrep_torch::Error> {
    Ok(vec![batch.shallow_clone()])
}

impl Workload for Fed {
    fn units(&self) -> usize {
        self.training.images.samples
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let Some(batch) = self.batches.next() else { bail!("the batches have no end") };
        let device = self.training.images.device;
        let x = self.preprocessing.normalize(&batch?.1[0], device)?;
        self.training.images.x = if self.channels_last { channels_last(&x)? } else { x };
        self.training.pass(sink)
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

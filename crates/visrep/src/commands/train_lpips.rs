//! `visrep train-lpips`: LPIPS's heads from judgements.

use super::{DeviceArg, output};
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    BappsFolder, BappsSet, HeadPasses, HeadTrainer, HeadTraining, Lpips, LpipsHeads, LpipsNet, LpipsVersion,
    train_heads,
};
use visrep_train::stop_on_signals;

/// Train LPIPS's heads on BAPPS
///
/// The "lin" variant of Zhang et al. 2018: the network stays as it is, and a weight for each channel of its taps is learned from which of two
/// patches people find nearer. The defaults are the authors'. The heads are written after every epoch, as safetensors under
/// the names of the lpips package.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    visrep data get bapps-2afc-train --data ROOT\n  \
    visrep train-lpips --net alex --weights alexnet.pth --data ROOT --output alex-heads.safetensors\n  \
    visrep distance a.png b.png --model alexnet --weights alexnet.pth --heads alex-heads.safetensors\n\n\
    ROOT holds bapps/2afc/train/{traditional,cnn,mix}/{ref,p0,p1,judge}/: BAPPS's training part, which is published apart from what \
    the suite bapps-2afc reads (github.com/richzhang/PerceptualSimilarity, scripts/download_dataset.sh).")]
pub struct TrainLpips {
    /// The network: alex, vgg or squeeze
    #[arg(long, value_name = "NET")]
    net: LpipsNet,
    /// Its weights: torchvision's alexnet, vgg16 or squeezenet1_1, or others of that architecture
    #[arg(long, value_name = "W")]
    weights: PathBuf,
    /// The folder with bapps/
    #[arg(long, value_name = "ROOT")]
    data: PathBuf,
    /// Where to write the heads
    #[arg(long, value_name = "H.safetensors")]
    output: PathBuf,
    /// The training sets, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "traditional,cnn,mix")]
    sets: Vec<BappsSet>,
    /// The scaling of images before the network
    #[arg(long, value_name = "V", default_value_t = LpipsVersion::V0_1)]
    lpips_version: LpipsVersion,
    /// Epochs at the full learning rate
    #[arg(long, value_name = "N", default_value_t = HeadTraining::default().epochs, value_parser = clap::value_parser!(u32).range(..=10_000))]
    epochs: u32,
    /// Epochs after them, in which it falls to 0
    #[arg(long, value_name = "N", default_value_t = HeadTraining::default().decay_epochs, value_parser = clap::value_parser!(u32).range(..=10_000))]
    decay_epochs: u32,
    /// Adam's learning rate
    #[arg(long, value_name = "LR", default_value_t = HeadTraining::default().learning_rate)]
    learning_rate: f64,
    /// Triplets in one step
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// At most this many triplets of each set, for a trial
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Seed of the first values and of the order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads that read and decode
    #[arg(long, value_name = "N", default_value_t = super::default_workers())]
    workers: usize,
    #[command(flatten)]
    device: DeviceArg,
}

impl TrainLpips {
    pub fn run(self) -> Result<()> {
        output::check(&self.output)?;
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            bail!("--learning-rate {}: give a number above 0, such as 1e-4", self.learning_rate);
        }
        if self.epochs + self.decay_epochs == 0 {
            bail!("--epochs and --decay-epochs are both 0: nothing would be trained");
        }
        let root = self.data.join("bapps");
        let open = |&set: &BappsSet| BappsFolder::two_afc(&root, true, set);
        let sets = self.sets.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let stop = stop_on_signals()?;
        let device = self.device.resolve()?;
        let options = ModelOptions { num_classes: Some(0), device, ..ModelOptions::default() };
        let (trunk, _) = Model::from_weights(self.net.architecture(), &self.weights, &options)?;
        let seed = self.seed.cast_signed();
        // The ranking network and the dropout draw from LibTorch's generator.
        tch::manual_seed(seed);
        let lpips = Lpips::new(self.net, self.lpips_version, trunk, LpipsHeads::random(self.net, seed)?)?;
        let training = HeadTraining {
            learning_rate: self.learning_rate,
            epochs: self.epochs,
            decay_epochs: self.decay_epochs,
            ..HeadTraining::default()
        };
        let mut trainer = HeadTrainer::new(lpips, training)?;
        let passes = HeadPasses {
            batch: self.batch_size as usize,
            limit: self.limit.map(|limit| limit as usize),
            seed: self.seed,
            workers: self.workers,
        };
        let epochs = self.epochs + self.decay_epochs;
        train_heads::<anyhow::Error>(&mut trainer, &training, &sets, &passes, |trainer, done| {
            let mut written = done.epoch;
            if done.step == done.steps {
                eprintln!("epoch {} of {epochs}: loss {:.4}", done.epoch + 1, done.loss);
                output::replace(&self.output, |path| Ok(trainer.lpips().heads().save(path)?))?;
                written += 1;
            }
            if stop.load(Ordering::Relaxed) && written < epochs {
                match written {
                    0 => bail!("interrupted in the first epoch: nothing is written"),
                    _ => bail!(
                        "interrupted: {} has the heads of {written} of {epochs} epochs",
                        self.output.display()
                    ),
                }
            }
            Ok(())
        })?;
        eprintln!("heads  {}", self.output.display());
        Ok(())
    }
}

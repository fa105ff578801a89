//! `visrep score fid`.

use super::super::{Compute, ComputeArgs, open_model, output};
use crate::downloads::sha256;
use crate::source::Source;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use visrep_metrics::{DensityCoverage, InceptionScore, KernelDistance, PrecisionRecall};
use visrep_models::find_pretrained;
use visrep_perceptual::{
    ExtractOptions, GenerativePreset, Inception, InceptionSet, frechet, inception_score, kid, neighbours,
};
use visrep_probe::{Progress, limited};

/// FID, KID, Inception score, precision and recall of generated images
///
/// Images go through a published pipeline, --preset, to FID's Inception v3. Every image below a folder counts, whatever its
/// sub-folders are called. Prints what --metrics asks for: `fid` (from 0, less is nearer the reference); `kid` and `inception_score`
/// with `mean` and `std`, over subsets and over splits; `precision`, `recall` and `coverage` (fractions) and `density` (1 for the same
/// distribution). Beside them stand `preset` and `protocol`, the pipeline and its settings; `images` and `reference`, with `source` and
/// `n`; the `network` with its sha256, and `warnings`: figures of different pipelines, or of different numbers of images, cannot be
/// compared.
#[derive(Args)]
#[command(after_help = "Pipelines:\n  \
    pytorch-fid     bilinear without antialiasing, as PyTorch's interpolate; what most papers print\n  \
    clean-fid       Pillow's bicubic with antialiasing, in floating point\n  \
    torch-fidelity  TensorFlow 1's bilinear, as the original code; Inception score over shuffled images\n  \
    ttur            the original code: the same resize, and images beyond the last whole 50 are left out\n\n\
    Examples:\n  \
    W=$(visrep weights get inception_v3_fid)\n  \
    visrep score fid --images samples/ --reference photos/ --weights $W\n  \
    visrep score fid --images samples/ --reference photos/ --weights $W --preset clean-fid --metrics fid,kid,prdc\n  \
    visrep score fid --images photos/ --weights $W --save-stats photos.npz\n  \
    visrep score fid --images samples/ --reference photos.npz --weights $W\n  \
    visrep score fid --images samples/ --weights $W --preset torch-fidelity --metrics is\n\n\
    An .npz file of statistics holds mu and sigma, as those of pytorch-fid and clean-fid do, or feats, as clean-fid's for KID do.\n\n\
    The example with --preset clean-fid prints:\n\n  \
    {\"fid\": 11.82, \"kid\": {\"mean\": 0.0047, \"std\": 0.0006}, \"precision\": 0.71, \"recall\": 0.48, \"density\": 0.88, \"coverage\": 0.82,\n   \
    \"preset\": \"clean-fid\", \"images\": {\"source\": \"samples/\", \"n\": 10000, …}, …}")]
pub struct Fid {
    /// The generated images: a folder of images, flat or nested; or Parquet, Arrow, tar, .npy files and so on; or an .npz file of
    /// statistics
    #[arg(long, value_name = "SRC")]
    images: Source,
    /// What they are compared with: real images, or an .npz file of statistics. The Inception score needs none
    #[arg(long, value_name = "SRC|STATS.npz")]
    reference: Option<Source>,
    /// FID's Inception v3: `visrep weights get inception_v3_fid`. Not needed where both sides are statistics
    #[arg(long, value_name = "W")]
    weights: Option<PathBuf>,
    /// Whose pipeline: pytorch-fid, clean-fid, torch-fidelity or ttur
    #[arg(long, value_name = "NAME", default_value_t = GenerativePreset::PYTORCH_FID)]
    preset: GenerativePreset,
    /// Which figures: fid, kid, is (Inception score), prdc (precision, recall, density, coverage) [default: fid where there
    /// is a --reference, else none, for --save-stats alone]
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    metrics: Vec<Metric>,
    /// KID's subsets [default: the pipeline's, 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    kid_subsets: Option<u32>,
    /// Images in each [default: the pipeline's, 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    kid_subset_size: Option<u32>,
    /// Splits of the Inception score [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    splits: Option<u32>,
    /// The neighbour that is the radius of a neighbourhood [default: 3 for precision and recall, 5 for density and coverage]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    neighbour: Option<u32>,
    /// Keep the mean and covariance of --images in this file, for use as --reference
    #[arg(long, value_name = "FILE.npz")]
    save_stats: Option<PathBuf>,
    /// Keep the features there as well, for figures other than FID
    #[arg(long, requires = "save_stats")]
    save_features: bool,
    /// At most this many images of either side, evenly spread, for a trial
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Images in one pass
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: u32,
    /// Threads that decode and resize
    #[arg(long, value_name = "N", default_value_t = super::super::default_workers())]
    workers: usize,
    #[command(flatten)]
    compute: ComputeArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Metric {
    Fid,
    Kid,
    Is,
    Prdc,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    figures: Figures,
    preset: &'static str,
    images: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Side>,
    /// Where images went through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    resize: Option<&'static str>,
    /// The pipeline as it was run, overridden parameters included.
    protocol: GenerativePreset,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Default, Serialize)]
struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    fid: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<KernelDistance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inception_score: Option<InceptionScore>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    precision_recall: Option<PrecisionRecall>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    density_coverage: Option<DensityCoverage>,
}

#[derive(Serialize)]
struct Side {
    source: String,
    /// How many images; null where a file of statistics does not say.
    n: Option<usize>,
    /// The pipeline that made its features; null where a file of statistics does not say.
    pipeline: Option<String>,
}

#[derive(Serialize)]
struct Network {
    model: &'static str,
    weights: PathBuf,
    sha256: String,
    /// Whether they are, byte for byte, the file by which FID is defined.
    published: bool,
    #[serde(flatten)]
    compute: BTreeMap<&'static str, String>,
}

impl Fid {
    pub fn run(self) -> Result<()> {
        let metrics = self.metrics()?;
        let mut preset = self.preset();
        if let Some(path) = &self.save_stats {
            output::check(path)?;
        }
        let has = |metric| metrics.contains(&metric);
        let kept = has(Metric::Kid) || has(Metric::Prdc);
        let mut inputs = vec![Input::open(&self.images)?];
        inputs.extend(self.reference.as_ref().map(Input::open).transpose()?);
        for (nth, input) in inputs.iter().enumerate() {
            let metrics: Vec<Metric> =
                metrics.iter().copied().filter(|&metric| nth == 0 || metric != Metric::Is).collect();
            let gaussian = metrics.contains(&Metric::Fid) || nth == 0 && self.save_stats.is_some();
            input.check(&metrics, gaussian, &preset, self.limit)?;
        }
        let network = match inputs.iter().any(|input| matches!(input, Input::Images { .. })) {
            true => Some(self.open_network()?),
            false => None,
        };
        let mut sets = Vec::new();
        for (nth, input) in inputs.into_iter().enumerate() {
            let generated = nth == 0;
            let options = ExtractOptions {
                batch_size: self.batch_size as usize,
                workers: self.workers,
                features: kept || generated && self.save_features,
                logits: generated && has(Metric::Is),
                ..ExtractOptions::default()
            };
            let what = if generated { "images" } else { "reference" };
            let network = network.as_ref().map(|(network, _, compute)| (network, compute));
            sets.push(input.read(network, &preset, options, self.limit, what)?);
        }
        let (generated, reference) = (&sets[0], sets.get(1));
        let fewest = sets.iter().filter_map(InceptionSet::samples).min();
        if let (true, Some(fewest)) = (preset.kid.shrinks, fewest) {
            preset.kid.subset_size = preset.kid.subset_size.min(fewest);
        }
        if let Some(path) = &self.save_stats {
            output::replace(path, |path| Ok(generated.write(path, self.save_features)?))?;
        }
        let mut figures = Figures::default();
        if has(Metric::Is) {
            figures.inception_score = Some(inception_score(generated, &preset.inception_score)?);
        }
        if let Some(reference) = reference {
            if has(Metric::Fid) {
                figures.fid = Some(frechet(generated, reference)?);
            }
            if has(Metric::Kid) {
                figures.kid = Some(kid(generated, reference, &preset.kid)?);
            }
            if has(Metric::Prdc) {
                let found = neighbours(generated, reference, &preset.neighbours)?;
                figures.precision_recall = Some(found.precision_recall);
                figures.density_coverage = Some(found.density_coverage);
            }
        }
        let mut warnings = if has(Metric::Fid) { few(&sets) } else { Vec::new() };
        warnings.extend(self.unlimited(&sets));
        let side = |source: &Source, set: &InceptionSet| Side {
            source: source.to_string(),
            n: set.samples(),
            pipeline: set.pipeline().map(str::to_owned),
        };
        let report = Report {
            figures,
            preset: preset.name,
            images: side(&self.images, generated),
            reference: self.reference.as_ref().zip(reference).map(|(source, set)| side(source, set)),
            resize: network.is_some().then(|| preset.resize.description()),
            protocol: preset,
            warnings,
            network: network.map(|(_, network, _)| network),
        };
        report.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        super::print(&report)
    }

    /// What --limit has no say in.
    fn unlimited(&self, sets: &[InceptionSet]) -> Vec<String> {
        let Some(limit) = self.limit else { return Vec::new() };
        let sources = std::iter::once(&self.images).chain(&self.reference);
        let of = |(source, set): (&Source, &InceptionSet)| match set.samples() {
            Some(samples) if samples <= limit as usize => None,
            _ => Some(format!("{source} is statistics, of which --limit takes no part")),
        };
        sources.zip(sets).filter_map(of).collect()
    }

    fn metrics(&self) -> Result<Vec<Metric>> {
        let mut metrics = self.metrics.clone();
        if metrics.is_empty() && self.reference.is_some() {
            metrics.push(Metric::Fid);
        }
        if let Some(metric) = metrics.iter().find(|&&metric| metric != Metric::Is)
            && self.reference.is_none()
        {
            let name = metric.to_possible_value().map_or_else(String::new, |value| value.get_name().into());
            bail!("{name} compares with a --reference: give one, or --metrics is");
        }
        if metrics.is_empty() && self.save_stats.is_none() {
            bail!("there is nothing to do: give a --reference, --metrics is, or --save-stats");
        }
        Ok(metrics)
    }

    /// The pipeline, with what the user wants otherwise.
    fn preset(&self) -> GenerativePreset {
        let mut preset = self.preset;
        let set =
            |place: &mut usize, value: Option<u32>| *place = value.map_or(*place, |value| value as usize);
        set(&mut preset.kid.subsets, self.kid_subsets);
        set(&mut preset.kid.subset_size, self.kid_subset_size);
        set(&mut preset.inception_score.splits, self.splits);
        set(&mut preset.neighbours.precision_recall, self.neighbour);
        set(&mut preset.neighbours.density_coverage, self.neighbour);
        preset
    }

    fn open_network(&self) -> Result<(Inception, Network, Compute)> {
        let Some(weights) = &self.weights else {
            bail!(
                "images need the network: give --weights, such as $(visrep weights get {})",
                Inception::MODEL
            );
        };
        let compute = self.compute.resolve()?;
        let network = Inception::new(open_model(Some(Inception::MODEL), weights, &compute)?)?;
        let known = find_pretrained(Inception::MODEL)?;
        // A folder has no digest; what was made of the published file has another.
        let digest = if weights.is_file() { sha256(weights)? } else { String::new() };
        let published = [known.url_sha256, known.sha256].into_iter().flatten().any(|known| known == digest);
        if !published {
            let file = known.url.unwrap_or_default();
            eprintln!(
                "{}: is not, byte for byte, the file that FID is defined by: {file}",
                weights.display()
            );
        }
        let compute_protocol = compute.protocol(network.model()).into_iter().collect();
        let (model, weights) = (Inception::MODEL, weights.clone());
        Ok((
            network,
            Network { model, weights, sha256: digest, published, compute: compute_protocol },
            compute,
        ))
    }
}

/// A side of the comparison.
enum Input {
    Statistics { set: InceptionSet, source: String },
    Images { data: std::sync::Arc<dyn visrep_data::Dataset>, source: String },
}

impl Input {
    fn open(source: &Source) -> Result<Self> {
        if let Source::Path(path) = source
            && is_npz(path)
            && visrep_data::open(path).is_err()
        {
            return Ok(Self::Statistics { set: InceptionSet::read(path)?, source: source.to_string() });
        }
        Ok(Self::Images { data: source.open_images()?, source: source.to_string() })
    }

    /// Errs where a figure could not be computed in the end.
    fn check(
        &self,
        metrics: &[Metric],
        gaussian: bool,
        preset: &GenerativePreset,
        limit: Option<u32>,
    ) -> Result<()> {
        let has = |metric| metrics.contains(&metric);
        let (source, samples) = match self {
            Self::Statistics { set, source } => {
                if let Some(other) = set.pipeline().filter(|pipeline| *pipeline != preset.name) {
                    bail!(
                        "{source} was made by the pipeline of {other}: add --preset {other}, or make it again by {}",
                        preset.name
                    );
                }
                if has(Metric::Kid) || has(Metric::Prdc) {
                    set.features().with_context(|| source.clone())?;
                }
                (source, set.samples())
            }
            Self::Images { data, source } => {
                let most = limit.map_or(usize::MAX, |limit| limit as usize);
                (source, Some(preset.used(data.len().min(most))))
            }
        };
        let Some(samples) = samples else { return Ok(()) };
        let least = if gaussian { 2 } else { 1 };
        if samples < least {
            bail!("{source}: it takes {least} images at least, and {samples} count: give more");
        }
        let size = preset.kid.subset_size;
        if has(Metric::Kid) && !preset.kid.shrinks && samples < size {
            return Err(visrep_perceptual::Error::TooFewForKid { size, samples })
                .with_context(|| format!("{source}, --kid-subset-size"));
        }
        let splits = preset.inception_score.splits;
        if has(Metric::Is) && samples < splits {
            bail!(
                "{source}: {samples} images are fewer than the Inception score's {splits} splits: give more, or fewer --splits"
            );
        }
        let neighbour = preset.neighbours.precision_recall.max(preset.neighbours.density_coverage);
        if has(Metric::Prdc) && samples <= neighbour {
            bail!(
                "{source}: {samples} images have no neighbour number {neighbour}: give more, or a nearer --neighbour"
            );
        }
        Ok(())
    }

    fn read(
        self,
        network: Option<(&Inception, &Compute)>,
        preset: &GenerativePreset,
        options: ExtractOptions,
        limit: Option<u32>,
        what: &str,
    ) -> Result<InceptionSet> {
        match (self, network) {
            (Self::Images { data, source }, Some((network, compute))) => {
                let data = match limit {
                    Some(limit) => limited(data, limit as usize),
                    None => data,
                };
                let mut progress = Progress::new(true, what, preset.used(data.len()));
                let options = ExtractOptions { precision: compute.precision, ..options };
                let set = network.extract(data, preset, &options, |images| progress.advance(images));
                set.with_context(|| source)
            }
            (Self::Statistics { set, .. }, _) if !options.logits => Ok(set),
            (Self::Statistics { source, .. }, _) => {
                bail!("{source}: the Inception score needs images, not statistics")
            }
            (Self::Images { source, .. }, None) => bail!("{source}: images need the network"),
        }
    }
}

fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// What makes a Fréchet distance hard to compare.
fn few(sets: &[InceptionSet]) -> Vec<String> {
    let of = |(set, what): (&InceptionSet, &str)| {
        let (n, dim) = (set.samples()?, set.dim());
        let said = "their covariance is singular, and FID grows as images get fewer: it is comparable only with FIDs of as many";
        (n <= dim).then(|| format!("{what}: {n} images are no more than the {dim} dimensions: {said}"))
    };
    sets.iter().zip(["--images", "--reference"]).filter_map(of).collect()
}

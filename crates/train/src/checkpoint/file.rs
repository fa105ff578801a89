//! One checkpoint file.
//!
//! The tensors are those of the run under a prefix each: `method.`, `optimizer.`, `ema.`, `online.`. The metadata's key
//! `visrep.checkpoint` holds the [`Header`] as JSON. Randomness needs no state: the loader's and LibTorch's
//! generators are seeded from the run's seed and the position.

use crate::compute::Compute;
use crate::tensors::{self, HostTensor};
use crate::{Error, Recipe};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::Path;
use visrep_methods::NamedTensor;
use visrep_models::write_atomically;

/// The version of the format, raised whenever an older reader would resume wrongly.
const VERSION: u32 = 3;
const KEY: &str = "visrep.checkpoint";

/// Everything in a checkpoint but the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// [`VERSION`] at the time of writing.
    pub(crate) version: u32,
    /// The effective recipe, as TOML.
    pub(crate) recipe: String,
    /// The run's seed.
    pub(crate) seed: u64,
    /// The number of samples that it trains on.
    pub(crate) samples: usize,
    /// Their classes.
    pub(crate) classes: Vec<String>,
    /// Steps completed.
    pub(crate) step: u64,
    /// The epoch of the next batch.
    pub(crate) epoch: u64,
    /// The position of the next batch in that epoch.
    pub(crate) batch: usize,
    /// How the networks compute.
    pub(crate) compute: Compute,
    /// A moving average of the loss.
    pub(crate) loss_average: Option<f64>,
    /// The figure of the best checkpoint so far; more is better.
    pub(crate) best: Option<f64>,
    /// SHA-256 of this header, with this field empty, and of all tensors' names and bytes in the order of their
    /// names, in hexadecimal.
    digest: String,
}

impl Header {
    pub(crate) fn new(
        recipe: &Recipe,
        seed: u64,
        samples: usize,
        classes: &[String],
        compute: Compute,
    ) -> Result<Self, Error> {
        Ok(Self {
            version: VERSION,
            recipe: recipe.to_toml()?,
            seed,
            samples,
            classes: classes.to_vec(),
            step: 0,
            epoch: 0,
            batch: 0,
            compute,
            loss_average: None,
            best: None,
            digest: String::new(),
        })
    }

    /// The header as it is stored.
    fn json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }

    /// The checksum that belongs to this header and tensors in the order of their names.
    fn digest_of<'a>(&self, parts: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<String, String> {
        let json = Self { digest: String::new(), ..self.clone() }.json()?;
        let mut sha = Sha256::new();
        let mut add = |field: &[u8]| {
            sha.update((field.len() as u64).to_le_bytes());
            sha.update(field);
        };
        add(json.as_bytes());
        for (name, bytes) in parts {
            add(name.as_bytes());
            add(bytes);
        }
        Ok(sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// How this run differs from `asked` in what decides the result; none means that it can go on. Of the dataset
    /// the number of samples and the names of the classes are compared, not the images.
    pub(crate) fn differences(&self, asked: &Self, recipe: &Recipe) -> Result<Vec<String>, Error> {
        let mut differences = match Recipe::parse(&self.recipe, "in the checkpoint") {
            Ok(saved) => saved.differences(recipe)?,
            Err(error) => vec![format!("its recipe cannot be read by this version: {error}")],
        };
        let mut compare = |what: &str, saved: String, asked: String| {
            if saved != asked {
                differences.push(format!("{what}: {saved} in the checkpoint, {asked} asked for"));
            }
        };
        compare("compute", self.compute.to_string(), asked.compute.to_string());
        compare("seed", self.seed.to_string(), asked.seed.to_string());
        compare("samples of the dataset", self.samples.to_string(), asked.samples.to_string());
        compare("classes of the dataset", self.classes.join(", "), asked.classes.join(", "));
        Ok(differences)
    }
}

/// Writes a checkpoint at `path`, which keeps its old content until the new one is whole and on the disk.
pub(crate) fn write(path: &Path, header: &Header, tensors: &[NamedTensor]) -> Result<(), Error> {
    let mut sorted: Vec<&NamedTensor> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let host: Vec<(&str, HostTensor)> = sorted
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), HostTensor::new(name, tensor)?)))
        .collect::<Result<_, Error>>()?;
    let failed = |message: String| Error::CheckpointWrite { path: path.to_owned(), message };
    let parts = host.iter().map(|(name, tensor)| (*name, tensor.bytes()));
    let digest = header.digest_of(parts).map_err(failed)?;
    let json = Header { digest, ..header.clone() }.json().map_err(failed)?;
    let views = host.iter().map(|(name, tensor)| (*name, tensor));
    let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)])));
    let bytes = bytes.map_err(|error| failed(error.to_string()))?;
    write_atomically(path, &bytes).map_err(|error| failed(std::io::Error::from(error).to_string()))
}

/// Reads and checks the header of the checkpoint whose bytes are `bytes`; `path` is for messages.
pub(crate) fn read_header(path: &Path, bytes: &[u8]) -> Result<Header, Error> {
    let damaged = |message: String| Error::CheckpointDamaged { path: path.to_owned(), message };
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
    let json = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| damaged(format!("its metadata has no {KEY}")))?;
    let value: serde_json::Value = serde_json::from_str(json).map_err(|error| damaged(error.to_string()))?;
    match value["version"].as_u64() {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            let differences =
                vec![format!("format {version} in the checkpoint, this version reads {VERSION}")];
            return Err(Error::CheckpointMismatch { path: path.to_owned(), differences });
        }
        None => return Err(damaged("its header has no version".to_owned())),
    }
    let header: Header = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
    let mut names = tensors.names();
    names.sort_unstable();
    let parts = names.iter().filter_map(|name| Some((*name, tensors.tensor(name).ok()?.data())));
    if header.digest_of(parts).map_err(damaged)? != header.digest {
        return Err(damaged("its checksum is wrong".to_owned()));
    }
    Ok(header)
}

/// Copies the values of the checkpoint `bytes` into `tensors`. Every tensor must be there, and no other; all
/// that do not fit are named.
pub(crate) fn restore(path: &Path, bytes: &[u8], tensors: &[NamedTensor]) -> Result<(), Error> {
    let damaged = |message: String| Error::CheckpointDamaged { path: path.to_owned(), message };
    let saved = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
    let wanted: std::collections::HashSet<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    let mut problems: Vec<String> = saved
        .names()
        .into_iter()
        .filter(|name| !wanted.contains(name))
        .map(|name| format!("{name} is not part of this run"))
        .collect();
    for (name, tensor) in tensors {
        match saved.tensor(name) {
            Err(_) => problems.push(format!("{name} is missing")),
            Ok(view) => match tensors::restore(name, &view, tensor) {
                Err(Error::State { message }) => problems.push(message),
                other => other?,
            },
        }
    }
    problems.sort();
    if problems.is_empty() { Ok(()) } else { Err(damaged(problems.join("; "))) }
}

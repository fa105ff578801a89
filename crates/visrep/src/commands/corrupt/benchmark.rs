//! The benchmark as image files, in the published layout.

use super::names::Names;
use super::plan::{Kind, Plan};
use crate::commands::made::files::{self, Done, Failure};
use crate::commands::made::record;
use anyhow::{Context, Result, bail};
use visrep_corrupt::{Corruption, Corruptor, Severity, encode_jpeg};
use visrep_data::{Condition, CorruptedViews, Dataset, SampleImage};
use visrep_decode::encode_png;

/// The corruptions and severities, in order, and the samples under them. The pixels have not been through JPEG yet.
pub(super) fn views(plan: &Plan) -> Result<(CorruptedViews, Vec<(Corruption, Severity)>)> {
    let Kind::Corruptions { corruptions, severities, frost, .. } = &plan.kind else {
        bail!("sequences are no corruptions")
    };
    let pairs: Vec<_> = corruptions
        .iter()
        .flat_map(|&corruption| severities.iter().map(move |&severity| (corruption, severity)))
        .collect();
    let corruptor = Corruptor::new(plan.scale).with_frost(frost.clone());
    let conditions: Vec<Condition> = pairs.iter().copied().map(Some).collect();
    let views = CorruptedViews::new(plan.data.clone(), plan.transform()?, corruptor, conditions, plan.seed)?;
    Ok((views, pairs))
}

/// The bytes of the file of the sample `key`.
pub(super) fn encoded(
    image: &SampleImage,
    key: &str,
    jpeg: Option<u8>,
) -> Result<Vec<u8>, visrep_data::Error> {
    let problem = |problem: String| visrep_data::Error::Row {
        key: key.into(),
        problem: format!("cannot encode: {problem}"),
    };
    match (image, jpeg) {
        (SampleImage::Encoded(bytes), _) => Ok(bytes.to_vec()),
        (SampleImage::Decoded(image), Some(quality)) => {
            encode_jpeg(image, quality).map_err(|error| problem(error.to_string()))
        }
        (SampleImage::Decoded(image), None) => encode_png(image).map_err(|error| problem(error.to_string())),
    }
}

/// Writes `CORRUPTION/SEVERITY/CLASS/NAME.JPEG` (or `.png`), but for what is there already.
pub(super) fn write(plan: &Plan) -> Result<Done> {
    let Kind::Corruptions { jpeg, .. } = &plan.kind else { bail!("sequences are no corruptions") };
    std::fs::create_dir_all(&plan.output)
        .with_context(|| format!("cannot create {}", plan.output.display()))?;
    let _held = record::claim(&plan.output, super::RECORD, &plan.settings())?;
    let (views, pairs) = views(plan)?;
    let names = Names::of(&*plan.data)?;
    let ending = if jpeg.is_some() { "JPEG" } else { "png" };
    let folders: Vec<_> = pairs
        .iter()
        .map(|(corruption, severity)| {
            plan.output.join(corruption.name()).join(corruption.severity_folder(*severity, plan.scale))
        })
        .collect();
    files::each_sample(plan.data.len(), plan.workers, |sample| {
        let name = names.path(&*plan.data, sample);
        let mut written = 0;
        for (nth, folder) in folders.iter().enumerate() {
            let mut path = folder.join(&name).into_os_string();
            path.push(".");
            path.push(ending);
            let path = std::path::PathBuf::from(path);
            if !files::is_whole(&path) {
                let view = views.get(sample * pairs.len() + nth)?;
                files::write(&path, &encoded(&view.image, &view.key, *jpeg)?).map_err(Failure::Fatal)?;
                written += 1;
            }
        }
        Ok((written, folders.len() - written))
    })
}

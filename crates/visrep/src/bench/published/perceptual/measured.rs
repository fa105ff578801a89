//! The distances that a perceptual suite scores on one model: every form on its activations, LPIPS where it is one of its networks, and
//! the references from pixels.

use std::path::Path;
use visrep_data::Fingerprint;
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{
    DistanceForm, FeatureDistances, ImageDistances, Lpips, LpipsHeads, LpipsNet, LpipsVersion, PixelDistance,
    StructuralDistance,
};
use visrep_probe::{Error, Recorder};

/// How figures of one distance are recorded.
pub struct Row {
    /// `baseline`, `style`, `lpips`, `ssim` and so on; the protocol's entry `form`.
    pub form: String,
    /// What the distance is; the protocol's entry `distance`.
    pub name: String,
    /// What precedes the names of tasks: nothing for the baseline on the usual taps together, which is the model's perceptual score.
    pub prefix: String,
    /// How images reach it.
    pub preprocessing: String,
    /// Whether it is one tap alone, of which the means over sets are recorded where there are any, and no more.
    pub tap: bool,
}

impl Row {
    /// Says in the protocol of the figures that follow which distance they are of.
    pub fn enter(&self, record: &mut Recorder<'_>) {
        record.entry("distance", &self.name);
        record.entry("form", &self.form);
        record.entry("preprocessing", &self.preprocessing);
    }
}

/// A number for data of this fingerprint and the heads that lie in a folder.
pub fn fingerprint(data: u64, heads: &Path) -> Result<u64, Error> {
    let mut hash = Fingerprint::new();
    hash.number(data);
    for file in LpipsNet::ALL.map(|net| heads.join(format!("{net}.pth"))) {
        if file.is_file() {
            hash.file(&file)?;
        }
    }
    Ok(hash.finish())
}

/// Distances, and a row for each that they measure.
pub struct Measured<'m> {
    pub rows: Vec<Row>,
    distances: Vec<Box<dyn ImageDistances + 'm>>,
}

impl<'m> Measured<'m> {
    /// All that can be measured with `model` on images of `side` x `side` pixels; LPIPS's heads are in the folder `heads`.
    pub fn new(model: &'m Model, heads: &Path, side: u32, suite: &'static str) -> Result<Self, Error> {
        let failed = super::failed(suite);
        let features = FeatureDistances::all(model).map_err(&failed)?.with_each_tap();
        let size = features.input_size(side, side).map_err(&failed)?;
        let (mean, std) = (model.preprocessing().mean, model.preprocessing().std);
        let fitted = match size {
            size if size == (side, side) => format!("images of {side} x {side} as they are"),
            (width, height) => format!(
                "images of {side} x {side} enlarged to {width} x {height} (bicubic), which the network takes"
            ),
        };
        let own = format!("{fitted}, mean {mean:?}, std {std:?}");
        let mut found = Self { rows: Vec::new(), distances: Vec::new() };
        let forms =
            DistanceForm::ALL.into_iter().filter(|form| !features.taps().is_empty() || !form.needs_taps());
        let mut names: Vec<(String, String, bool)> = forms
            .map(|form| {
                let prefix = if form == DistanceForm::Baseline { String::new() } else { format!("{form}-") };
                (form.to_string(), prefix, false)
            })
            .collect();
        names.extend(features.taps().iter().map(|tap| (format!("tap {tap}"), format!("tap {tap}: "), true)));
        for ((form, prefix, tap), name) in names.into_iter().zip(features.names()) {
            found.rows.push(Row { form, name, prefix, preprocessing: own.clone(), tap });
        }
        found.distances.push(Box::new(features));
        if let Some(lpips) = lpips(model, heads, suite)? {
            found.add("lpips", lpips, format!("images of {side} x {side} as they are, LPIPS's own scaling"));
        }
        let levels = || format!("images of {side} x {side} as they are, levels from 0 to 255");
        found.add("psnr", PixelDistance, levels());
        found.add("ssim", StructuralDistance::Ssim, levels());
        found.add("ms-ssim", StructuralDistance::MsSsim, levels());
        Ok(found)
    }

    fn add(&mut self, form: &str, distance: impl ImageDistances + 'm, preprocessing: String) {
        let name = distance.names().concat();
        let (form, prefix) = (form.to_owned(), format!("{form}-"));
        self.rows.push(Row { form, name, prefix, preprocessing, tap: false });
        self.distances.push(Box::new(distance));
    }

    /// What measures them; together they have a distance for each row.
    pub fn distances(&self) -> Vec<&dyn ImageDistances> {
        self.distances.iter().map(|distance| &**distance as &dyn ImageDistances).collect()
    }
}

/// LPIPS with the measured model as its network, where it is one of the three and its heads are there.
fn lpips(model: &Model, heads: &Path, suite: &'static str) -> Result<Option<Lpips>, Error> {
    let failed = super::failed(suite);
    let Some(net) = LpipsNet::ALL.into_iter().find(|net| net.architecture() == model.name()) else {
        return Ok(None);
    };
    let heads = heads.join(format!("{net}.pth"));
    if !heads.is_file() {
        return Ok(None);
    }
    let heads = LpipsHeads::read(net, heads).map_err(&failed)?;
    // LPIPS owns and freezes its network: it gets one of its own with the same weights.
    let folder = tempfile::tempdir().map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
    let weights = folder.path().join("trunk.safetensors");
    model.save_weights(&weights)?;
    let options = ModelOptions { num_classes: Some(0), device: model.device(), ..ModelOptions::default() };
    let (trunk, _) = Model::from_weights(net.architecture(), &weights, &options)?;
    Lpips::new(net, LpipsVersion::V0_1, trunk, heads).map(Some).map_err(failed)
}

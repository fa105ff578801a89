//! The evaluation transform that lies beside published weights: `config.json` in timm's form, or transformers'
//! `config.json` with its `preprocessor_config.json`.

use crate::preprocessing::{CropMode, IMAGENET_MEAN, IMAGENET_STD, Interpolation};
use crate::{Error, Preprocessing};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// More than any configuration has: a larger file is not read.
const MAX_BYTES: u64 = 8 << 20;

/// What a Hugging Face folder says of its model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HubConfig {
    /// timm's name of the network; none in transformers' form, which has no such names.
    pub architecture: Option<String>,
    /// timm's tag of the weights, where the file gives one.
    pub tag: Option<String>,
    /// The evaluation transform.
    pub preprocessing: Preprocessing,
    /// Outputs of the classifier; none where the file does not say.
    pub num_classes: Option<i64>,
}

impl Preprocessing {
    /// Reads what a Hugging Face folder says of its model: `path` is the folder or its `config.json`.
    ///
    /// timm's form has everything in `config.json` (`architecture`, `num_classes`, `pretrained_cfg`; old files have
    /// the latter's keys at the top). For transformers' form, `preprocessor_config.json` must stand beside it. Keys
    /// that are left out have timm's defaults: 224 pixels, crop 0.875, bicubic, ImageNet's statistics.
    ///
    /// # Errors
    /// A file that is missing or no JSON object, a value of another kind or out of range, and transforms that
    /// [`Preprocessing`] cannot say (sides that differ, crop mode `border`, other filters, no normalisation); each
    /// names the file and the key.
    pub fn from_hub_config(path: impl AsRef<Path>) -> Result<HubConfig, Error> {
        let path = path.as_ref();
        let path = if path.is_dir() { path.join("config.json") } else { path.to_owned() };
        let config = File::read(path.clone())?;
        let preprocessor = path.with_file_name("preprocessor_config.json");
        if let Some(inner) = config.get("pretrained_cfg") {
            let Value::Object(inner) = inner else {
                return Err(config.fault("pretrained_cfg", "is not an object"));
            };
            let inner = File { object: inner.clone(), prefix: "pretrained_cfg.", path };
            return timm(&config, &inner);
        }
        match config.get("model_type").is_some() || (preprocessor.exists() && config.get("mean").is_none()) {
            true => transformers(&config, &File::read(preprocessor)?),
            false => timm(&config, &config),
        }
    }
}

/// `outer` has the model's own keys, `inner` those of the weights.
fn timm(outer: &File, inner: &File) -> Result<HubConfig, Error> {
    if outer.get("architecture").is_none() {
        return Err(
            outer.fault("architecture", "is missing: this is neither timm's configuration nor transformers'")
        );
    }
    let input_size = match inner.numbers::<3>("input_size")? {
        None => 224,
        Some([channels, height, width]) if channels == 3.0 && height == width => {
            inner.side("input_size", height)?
        }
        Some(_) => return Err(inner.fault("input_size", "is not three channels of a square")),
    };
    let crop_mode = match inner.text("crop_mode")?.as_deref() {
        None | Some("center") => CropMode::Center,
        Some("squash") => CropMode::Squash,
        Some(other) => {
            return Err(inner.fault("crop_mode", &format!("is `{other}`; known are center and squash")));
        }
    };
    let preprocessing = Preprocessing {
        input_size,
        crop_pct: inner.crop_pct("crop_pct")?.unwrap_or(0.875),
        crop_mode,
        interpolation: match inner.text("interpolation")?.as_deref() {
            None | Some("bicubic") => Interpolation::Bicubic,
            Some("bilinear") => Interpolation::Bilinear,
            Some(other) => {
                return Err(
                    inner.fault("interpolation", &format!("is `{other}`; known are bilinear and bicubic"))
                );
            }
        },
        mean: inner.numbers("mean")?.unwrap_or(IMAGENET_MEAN),
        std: inner.deviation("std")?.unwrap_or(IMAGENET_STD),
    };
    let num_classes = match outer.count("num_classes")? {
        None => inner.count("num_classes")?,
        known => known,
    };
    Ok(HubConfig {
        architecture: outer.text("architecture")?,
        tag: inner.text("tag")?,
        preprocessing,
        num_classes,
    })
}

/// `images` is the image processor's file.
fn transformers(config: &File, images: &File) -> Result<HubConfig, Error> {
    for (key, otherwise) in
        [("do_resize", "is false"), ("do_normalize", "is false"), ("do_rescale", "is false")]
    {
        if images.get(key) == Some(&Value::Bool(false)) {
            return Err(images.fault(key, &format!("{otherwise}: such a transform cannot be said here")));
        }
    }
    if let Some(factor) = images.number("rescale_factor")?
        && (factor * 255.0 - 1.0).abs() > 1e-6
    {
        return Err(images.fault("rescale_factor", "is not 1/255"));
    }
    let (size, crop_mode) = images.size("size")?.ok_or_else(|| images.fault("size", "is missing"))?;
    let crops = images.get("do_center_crop") == Some(&Value::Bool(true));
    let crop = if crops { images.size("crop_size")?.map(|(side, _)| side) } else { None };
    let (input_size, crop_pct) = match (crop, images.crop_pct("crop_pct")?) {
        (Some(crop), _) if crop > size => return Err(images.fault("crop_size", "is larger than `size`")),
        (Some(crop), _) => (crop, f64::from(crop) / f64::from(size)),
        // ConvNeXt's image processor: below 384 pixels the edge is size / crop_pct, from there on it squashes.
        (None, Some(crop_pct)) if size < 384 => (size, crop_pct),
        (None, _) => (size, 1.0),
    };
    let crop_mode = match images.get("size") {
        // Where a crop follows, as in CLIP's, a bare number is the shortest edge.
        Some(Value::Number(_)) if crops => CropMode::Center,
        _ if !crops && size >= 384 && images.get("crop_pct").is_some() => CropMode::Squash,
        _ => crop_mode,
    };
    let preprocessing = Preprocessing {
        input_size,
        crop_pct,
        crop_mode,
        // Pillow's numbers.
        interpolation: match images.number("resample")? {
            None | Some(2.0) => Interpolation::Bilinear,
            Some(3.0) => Interpolation::Bicubic,
            Some(_) => return Err(images.fault("resample", "is neither 2 (bilinear) nor 3 (bicubic)")),
        },
        mean: images.numbers("image_mean")?.unwrap_or(IMAGENET_MEAN),
        std: images.deviation("image_std")?.unwrap_or(IMAGENET_STD),
    };
    let num_classes = match (config.get("id2label"), config.count("num_labels")?) {
        (Some(Value::Object(labels)), _) => i64::try_from(labels.len()).ok(),
        (_, number) => number,
    };
    Ok(HubConfig { architecture: None, tag: None, preprocessing, num_classes })
}

/// An object of a file, whose faults name both.
struct File {
    object: Map<String, Value>,
    /// Stands before the keys in messages.
    prefix: &'static str,
    path: PathBuf,
}

impl File {
    fn read(path: PathBuf) -> Result<Self, Error> {
        let read = || {
            let size = std::fs::metadata(&path)?.len();
            if size > MAX_BYTES {
                return Err(std::io::Error::other(format!("it has {size} bytes; a configuration has less")));
            }
            std::fs::read(&path)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(source) => return Err(Error::HubConfig { path, reason: source.to_string() }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self { object, prefix: "", path }),
            Ok(_) => Err(Error::HubConfig { path, reason: "it is not a JSON object".into() }),
            Err(source) => Err(Error::HubConfig { path, reason: format!("it is not JSON: {source}") }),
        }
    }

    fn fault(&self, key: &str, fault: &str) -> Error {
        Error::HubConfig { path: self.path.clone(), reason: format!("`{}{key}` {fault}", self.prefix) }
    }

    /// The value, unless it is left out or null.
    fn get(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Result<Option<String>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.fault(key, "is not a string")),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.as_f64().map(Some).ok_or_else(|| self.fault(key, "is not a number"))
    }

    fn count(&self, key: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.as_i64() {
            Some(count @ 0..=10_000_000) => Ok(Some(count)),
            _ => Err(self.fault(key, "is not a number of classes")),
        }
    }

    fn crop_pct(&self, key: &str) -> Result<Option<f64>, Error> {
        match self.number(key)? {
            Some(share) if !(share > 0.0 && share <= 1.0) => Err(self.fault(key, "is not within (0, 1]")),
            other => Ok(other),
        }
    }

    fn numbers<const N: usize>(&self, key: &str) -> Result<Option<[f64; N]>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let numbers =
            value.as_array().and_then(|values| values.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
        match numbers.and_then(|numbers| <[f64; N]>::try_from(numbers).ok()) {
            Some(numbers) => Ok(Some(numbers)),
            None => Err(self.fault(key, &format!("is not a list of {N} numbers"))),
        }
    }

    /// Three numbers to divide by.
    fn deviation(&self, key: &str) -> Result<Option<[f64; 3]>, Error> {
        match self.numbers(key)? {
            Some(values) if values.iter().any(|&value| value <= 0.0) => {
                Err(self.fault(key, "is not positive"))
            }
            other => Ok(other),
        }
    }

    fn side(&self, key: &str, value: f64) -> Result<u32, Error> {
        match value {
            1.0..=65536.0 if value.fract() == 0.0 => Ok(value as u32),
            _ => Err(self.fault(key, "is not a number of pixels")),
        }
    }

    /// transformers' size: a number, `{shortest_edge}` or `{height, width}`. One that sets both edges squashes.
    fn size(&self, key: &str) -> Result<Option<(u32, CropMode)>, Error> {
        let side = |value: &Value| match value.as_f64() {
            Some(value) => self.side(key, value),
            None => Err(self.fault(key, "is not a number of pixels")),
        };
        match self.get(key) {
            None => Ok(None),
            Some(Value::Object(size)) => {
                match (size.get("shortest_edge"), size.get("height"), size.get("width")) {
                    (Some(edge), None, None) => Ok(Some((side(edge)?, CropMode::Center))),
                    (None, Some(height), Some(width)) if height == width => {
                        Ok(Some((side(height)?, CropMode::Squash)))
                    }
                    _ => Err(self.fault(key, "is neither a shortest edge nor a square")),
                }
            }
            Some(value) => Ok(Some((side(value)?, CropMode::Squash))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(files: &[(&str, Value)]) -> Result<HubConfig, Error> {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in files {
            std::fs::write(folder.path().join(name), value.to_string()).unwrap();
        }
        Preprocessing::from_hub_config(folder.path())
    }

    fn timm_config() -> Value {
        json!({
            "architecture": "vit_base_patch16_clip_384",
            "num_classes": 1000,
            "pretrained_cfg": {
                "tag": "openai_ft_in1k", "input_size": [3, 384, 384], "crop_pct": 0.95, "crop_mode": "squash",
                "interpolation": "bicubic", "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "pool_size": null
            }
        })
    }

    #[test]
    fn timms_form_is_read_old_and_new() {
        let config = read(&[("config.json", timm_config())]).unwrap();
        assert_eq!(config.architecture.as_deref(), Some("vit_base_patch16_clip_384"));
        assert_eq!((config.tag.as_deref(), config.num_classes), (Some("openai_ft_in1k"), Some(1000)));
        let expected = Preprocessing {
            input_size: 384,
            crop_pct: 0.95,
            crop_mode: CropMode::Squash,
            interpolation: Interpolation::Bicubic,
            mean: [0.1, 0.2, 0.3],
            std: [0.4, 0.5, 0.6],
        };
        assert_eq!(config.preprocessing, expected);
        let old = json!({"architecture": "resnet18", "num_classes": 7, "input_size": [3, 64, 64],
            "interpolation": "bilinear"});
        let old = read(&[("config.json", old)]).unwrap();
        assert_eq!((old.num_classes, old.preprocessing.input_size), (Some(7), 64));
        assert_eq!((old.preprocessing.mean, old.preprocessing.crop_pct), (IMAGENET_MEAN, 0.875));
    }

    #[test]
    fn transformers_forms_are_read() {
        let labels = json!({"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}});
        let vit = json!({"do_normalize": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5], "size": 224, "resample": 2});
        let vit = read(&[("config.json", labels.clone()), ("preprocessor_config.json", vit)]).unwrap();
        assert_eq!((vit.architecture, vit.num_classes), (None, Some(2)));
        let p = vit.preprocessing;
        assert_eq!((p.input_size, p.crop_pct, p.crop_mode), (224, 1.0, CropMode::Squash));
        assert_eq!((p.interpolation, p.mean), (Interpolation::Bilinear, [0.5; 3]));

        let dino = json!({"do_center_crop": true, "crop_size": {"height": 224, "width": 224}, "resample": 3,
            "size": {"shortest_edge": 256}, "rescale_factor": 0.00392156862745098});
        let dino = read(&[("config.json", labels.clone()), ("preprocessor_config.json", dino)]).unwrap();
        let p = dino.preprocessing;
        assert_eq!((p.input_size, p.resize_size(), p.crop_mode), (224, 256, CropMode::Center));

        let clip = json!({"do_center_crop": true, "crop_size": 224, "size": 224, "resample": 3});
        let clip = read(&[("config.json", labels.clone()), ("preprocessor_config.json", clip)]).unwrap();
        assert_eq!((clip.preprocessing.crop_mode, clip.preprocessing.resize_size()), (CropMode::Center, 224));

        for (size, resize, mode) in [(224, 256, CropMode::Center), (384, 384, CropMode::Squash)] {
            let convnext = json!({"crop_pct": 0.875, "size": {"shortest_edge": size}, "resample": 3});
            let files = [("config.json", labels.clone()), ("preprocessor_config.json", convnext)];
            let p = read(&files).unwrap().preprocessing;
            assert_eq!((p.input_size, p.resize_size(), p.crop_mode), (size, resize, mode));
        }
    }

    #[test]
    fn what_cannot_be_said_or_read_is_named_with_its_key() {
        let missing = Preprocessing::from_hub_config("/nowhere/config.json").unwrap_err().to_string();
        assert!(missing.contains("/nowhere/config.json"), "{missing}");
        for (key, value) in [
            ("input_size", json!([1, 224, 224])),
            ("input_size", json!([3, 224, 192])),
            ("input_size", json!("large")),
            ("crop_mode", json!("border")),
            ("interpolation", json!("lanczos")),
            ("crop_pct", json!(0)),
            ("crop_pct", json!(1.5)),
            ("mean", json!([0.5])),
            ("std", json!([1.0, 0.0, 1.0])),
        ] {
            let mut config = timm_config();
            config["pretrained_cfg"][key] = value;
            let error = read(&[("config.json", config)]).unwrap_err().to_string();
            assert!(
                error.contains("config.json") && error.contains(&format!("`pretrained_cfg.{key}`")),
                "{error}"
            );
        }
        for (config, word) in [
            (json!([1]), "not a JSON object"),
            (json!({}), "`architecture`"),
            (json!({"architecture": "a", "num_classes": -1}), "`num_classes`"),
            (json!({"architecture": "a", "pretrained_cfg": 3}), "`pretrained_cfg`"),
            (json!({"model_type": "vit"}), "preprocessor_config.json"),
        ] {
            let error = read(&[("config.json", config)]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        for (images, word) in [
            (json!({"size": 224, "do_normalize": false}), "`do_normalize`"),
            (json!({"size": 224, "rescale_factor": 1.0}), "`rescale_factor`"),
            (json!({"size": {"longest_edge": 224}}), "`size`"),
            (json!({"size": 224, "resample": 0}), "`resample`"),
            (json!({"size": 224, "do_center_crop": true, "crop_size": 256}), "`crop_size`"),
            (json!({}), "`size`"),
        ] {
            let files = [("config.json", json!({"model_type": "vit"})), ("preprocessor_config.json", images)];
            let error = read(&files).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

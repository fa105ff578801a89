//! CLEVR v1.0: `images/<split>/CLEVR_<split>_000000.png` and `scenes/CLEVR_<split>_scenes.json`, in which each scene has its
//! image's name and its objects; an object's `pixel_coords` end with its distance from the camera.

use crate::error::{io, layout};
use crate::labels::{clevr_count, clevr_distance};
use serde::Deserialize;
use std::io::BufReader;
use std::path::Path;
use visrep_data::{Error, ImageFiles};

/// What the class of a CLEVR image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClevrLabel {
    /// The number of objects, 3 to 10.
    Count,
    /// The nearest object's distance, in 6 bins.
    Distance,
}

#[derive(Deserialize)]
struct Scenes {
    scenes: Vec<Scene>,
}

#[derive(Deserialize)]
struct Scene {
    image_filename: String,
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    pixel_coords: [f64; 3],
}

/// Opens a split (`train` or `val`; `test` has no scenes) of CLEVR in `root`, the folder with `images` and `scenes`, in the
/// order of its file of scenes.
///
/// # Errors
/// A file of scenes that is missing, is no such JSON or cut short; a scene whose label is outside the classes.
pub fn open_clevr(root: impl AsRef<Path>, split: &str, label: ClevrLabel) -> Result<ImageFiles, Error> {
    let root = root.as_ref();
    let path = root.join("scenes").join(format!("CLEVR_{split}_scenes.json"));
    let file = std::fs::File::open(&path).map_err(io(&path))?;
    let scenes: Scenes = serde_json::from_reader(BufReader::with_capacity(1 << 20, file))
        .map_err(|error| layout(&path, format!("is no file of CLEVR's scenes: {error}")))?;
    let of_scene = |(row, scene): (usize, &Scene)| {
        let distances = scene.objects.iter().map(|object| object.pixel_coords[2]);
        let class = match label {
            ClevrLabel::Count => clevr_count(scene.objects.len()),
            ClevrLabel::Distance => clevr_distance(distances),
        };
        class.map(|class| (scene.image_filename.clone(), class)).ok_or_else(|| Error::Row {
            key: format!("{}:scene {row}", path.display()),
            problem: format!("has {} objects, which give no class of {label:?}", scene.objects.len()),
        })
    };
    let files = scenes.scenes.iter().enumerate().map(of_scene).collect::<Result<Vec<_>, _>>()?;
    let classes = match label {
        ClevrLabel::Count => (3..=10).map(|count| format!("{count} objects")).collect(),
        ClevrLabel::Distance => {
            ["up to 8", "up to 8.5", "up to 9", "up to 9.5", "up to 10", "beyond 10"].map(String::from).into()
        }
    };
    ImageFiles::labelled(root.join("images").join(split), files, classes)
}

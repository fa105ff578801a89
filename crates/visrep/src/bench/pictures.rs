//! The report's pictures: augmented views, and nearest neighbours.

use super::contestants::Contestant;
use crate::report::gallery::{Found, Neighbours, Query, ViewRow, Views, data_uri};
use anyhow::Result;
use tch::{Kind, Tensor};
use visrep_augment::{Filter, Transform, resize, view_rng};
use visrep_data::{Dataset, decode_sample};
use visrep_decode::{DecodeOptions, RgbImage};
use visrep_probe::FeatureSet;

/// Pictures are shown at this size; smaller ones are enlarged by the browser, larger ones reduced here.
const SHOWN: u32 = 64;

/// Images of which views are shown, and how many of each.
const ROWS: usize = 4;
const COLUMNS: u64 = 10;

/// Test images whose neighbours are shown, and how many of each.
const QUERIES: usize = 6;
const NEAREST: i64 = 5;

/// Rows of augmented views of images spread over `data`.
pub fn views(contestant: &Contestant, data: &dyn Dataset, seed: u64) -> Result<Option<Views>> {
    let Some(recipe) = &contestant.recipe else { return Ok(None) };
    let transform = recipe.views.build()?;
    let mut rows = Vec::new();
    for row in 0..ROWS.min(data.len()) {
        // Odd steps through the set, so that neighbouring samples of one class are not all that is shown.
        let index = (2 * row + 1) * data.len() / (2 * ROWS);
        let image = load(data, index)?;
        let views = (0..COLUMNS)
            .map(|view| data_uri(&transform.apply(image.clone(), &mut view_rng(seed, 0, index as u64, view))))
            .collect::<Result<_, _>>()?;
        rows.push(ViewRow { original: data_uri(&shrunk(image))?, views });
    }
    let about = format!(
        "Training images and views of them as the {} recipe draws them: the network learns that the views of one image belong together.",
        contestant.entry.label
    );
    Ok(Some(Views { about, rows }))
}

/// What each model finds nearest to a few test images. `features` holds, for each model, the features of the
/// training and the test images.
pub fn neighbours(
    name: &str,
    train: &dyn Dataset,
    test: &dyn Dataset,
    features: &[(&FeatureSet, &FeatureSet)],
) -> Result<Neighbours> {
    let class =
        |label: i64| usize::try_from(label).ok().and_then(|label| train.classes().get(label)).cloned();
    let mut queries = Vec::new();
    for query in 0..QUERIES.min(test.len()) {
        let index = (2 * query + 1) * test.len() / (2 * QUERIES);
        let label = features[0].1.labels[index];
        let mut found = Vec::new();
        for (of_train, of_test) in features {
            found.push(
                nearest(of_train, of_test, index, NEAREST)?
                    .into_iter()
                    .map(|(at, similarity)| {
                        Ok(Found {
                            uri: data_uri(&shrunk(load(train, at)?))?,
                            label: class(of_train.labels[at]).unwrap_or_default(),
                            same: of_train.labels[at] == label,
                            similarity: format!("{similarity:.2}"),
                        })
                    })
                    .collect::<Result<_>>()?,
            );
        }
        let uri = data_uri(&shrunk(load(test, index)?))?;
        queries.push(Query { uri, label: class(label).unwrap_or_default(), found });
    }
    Ok(Neighbours { name: name.to_owned(), queries })
}

/// The `count` training samples with the highest cosine similarity to test sample `index`.
fn nearest(train: &FeatureSet, test: &FeatureSet, index: usize, count: i64) -> Result<Vec<(usize, f64)>> {
    let unit = |x: &Tensor| x / x.norm_scalaropt_dim(2.0, [-1i64], true).clamp_min(1e-12);
    let query = unit(&test.features.get(index as i64).to_kind(Kind::Float));
    let similarities = unit(&train.features.to_kind(Kind::Float)).f_mv(&query)?;
    let (values, indices) = similarities.f_topk(count.min(train.len() as i64), 0, true, true)?;
    let (values, indices): (Vec<f64>, Vec<i64>) =
        (values.to_kind(Kind::Double).try_into()?, indices.try_into()?);
    Ok(indices.into_iter().map(|at| at as usize).zip(values).collect())
}

fn load(data: &dyn Dataset, index: usize) -> Result<RgbImage> {
    Ok(decode_sample(&data.get(index)?, &DecodeOptions::default())?)
}

/// At most `SHOWN` pixels on the shorter side.
fn shrunk(image: RgbImage) -> RgbImage {
    let shortest = image.width().min(image.height());
    if shortest <= SHOWN {
        return image;
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(SHOWN) / u64::from(shortest)) as u32;
    resize(&image, scaled(image.width()), scaled(image.height()), Filter::Bilinear)
}

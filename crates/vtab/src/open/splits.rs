//! Taking datasets apart, and the 1000 examples.

use super::{OpenOptions, TaskData};
use crate::{Error, Task};
use rand::seq::SliceRandom;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_augment::view_rng;
use visrep_data::{Concat, Dataset, Map, Subset};

/// Test sets that are not published are drawn with this seed, whatever the run's, so that results compare.
const TEST_SEED: u64 = 0;

/// Where a dataset's splits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The dataset's own, from which VTAB's test set follows.
    Official,
    /// A mirror's, which says that they are.
    Mirror,
    /// Drawn here, since the dataset has none or VTAB's cannot be known.
    Drawn,
}

/// A whole dataset, from which the 1000 examples are drawn.
pub struct Whole {
    /// For training.
    pub train: Arc<dyn Dataset>,
    /// For validation; without it, a part of `train`.
    pub val: Option<Arc<dyn Dataset>>,
    /// For testing.
    pub test: Arc<dyn Dataset>,
    /// Where the test set comes from.
    pub origin: Origin,
    /// Where the splits come from, in words.
    pub note: String,
}

/// The samples of `data` at `indices`.
pub(super) fn pick(data: &Arc<dyn Dataset>, indices: impl IntoIterator<Item = usize>) -> Arc<dyn Dataset> {
    Arc::new(Subset::new(data.clone(), indices.into_iter().collect()))
}

/// The indices below `len` in a random order.
fn shuffled(len: usize, seed: u64, salt: u64) -> Vec<usize> {
    let mut all: Vec<usize> = (0..len).collect();
    all.shuffle(&mut view_rng(seed, 0, salt, 0));
    all
}

/// `data` in parts of these shares, drawn with [`TEST_SEED`]; the last part takes what is left. Each is in the order of `data`.
pub(crate) fn parts<const N: usize>(data: &Arc<dyn Dataset>, shares: [f64; N]) -> [Arc<dyn Dataset>; N] {
    let order = shuffled(data.len(), TEST_SEED, 1);
    let mut from = 0;
    let mut nth = 0;
    shares.map(|share| {
        nth += 1;
        let count = if nth == N { data.len() - from } else { (data.len() as f64 * share).floor() as usize };
        let to = (from + count).min(data.len());
        let part = part(data, &order, from..to);
        from = to;
        part
    })
}

fn part(data: &Arc<dyn Dataset>, order: &[usize], range: Range<usize>) -> Arc<dyn Dataset> {
    let mut indices = order[range].to_vec();
    indices.sort_unstable();
    pick(data, indices)
}

/// `first` and `second`, which have the same classes, in a row.
pub(super) fn joined(first: Arc<dyn Dataset>, second: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
    let classes = first.classes().to_vec();
    let count = classes.len().max(1) as u32;
    // The second's labels are moved behind the first's classes.
    Arc::new(Map::labels(Arc::new(Concat::new(vec![first, second])), classes, move |label| {
        label.map(|label| label % count)
    }))
}

/// `data` with the task's classes. Mirrors of dSprites may have the latent classes themselves, which are put into bins.
pub(super) fn relabelled(task: Task, data: Arc<dyn Dataset>, path: &Path) -> Result<Arc<dyn Dataset>, Error> {
    let (wanted, found) = (task.info().classes, data.classes().len());
    if found == wanted {
        return Ok(data);
    }
    let numbered = (0..wanted).map(|class| class.to_string()).collect();
    let bin: fn(u32) -> Option<u32> = match (task, found) {
        (Task::DspritesLocation, 17..=32) => crate::labels::dsprites_location,
        (Task::DspritesOrientation, 17..=40) => crate::labels::dsprites_orientation,
        // Of names, one that is not there would move the labels behind it.
        (_, 1..) if found < wanted && numbered_from_0(data.classes()) => Some,
        _ => {
            let problem = format!(
                "{} has {found} classes, the task has {wanted}: give it a folder for each, or labels from 0 to {}",
                path.display(),
                wanted - 1
            );
            return Err(Error::Split { task: task.name(), problem });
        }
    };
    Ok(Arc::new(Map::labels(data, numbered, move |label| label.and_then(bin))))
}

fn numbered_from_0(classes: &[String]) -> bool {
    classes.iter().enumerate().all(|(label, class)| *class == label.to_string())
}

/// At most `limit` samples, evenly spread, and whether those are all.
pub(super) fn limited(data: Arc<dyn Dataset>, limit: Option<usize>) -> (Arc<dyn Dataset>, bool) {
    match limit.filter(|limit| *limit < data.len()) {
        None => (data, true),
        Some(limit) => (pick(&data, (0..limit).map(|nth| nth * data.len() / limit)), false),
    }
}

/// 800 and 200 examples of a whole dataset.
pub(super) fn thousand(
    task: Task,
    whole: Whole,
    place: PathBuf,
    options: &OpenOptions,
) -> Result<TaskData, Error> {
    let Whole { train, val, test, origin, note } = whole;
    let classes = task.info().classes;
    let split = |problem: String| Error::Split { task: task.name(), problem };
    for (name, data) in [("training", Some(&train)), ("validation", val.as_ref()), ("test", Some(&test))] {
        let Some(data) = data else { continue };
        if data.is_empty() {
            return Err(split(format!("there are no {name} images in {}", place.display())));
        }
        if data.classes().len() != classes {
            let found = data.classes().len();
            return Err(split(format!(
                "the {name} images of {} have {found} classes, not {classes}",
                place.display()
            )));
        }
    }
    let order = shuffled(train.len(), options.seed, 2);
    let most = train.len().min(1000);
    let first = part(&train, &order, 0..most);
    let (train800, val200, trainval1000) = match &val {
        Some(val) => {
            let of_val = shuffled(val.len(), options.seed, 3);
            let part_of_val = |count: usize| part(val, &of_val, 0..val.len().min(count));
            // Of trainval, training images come first.
            let trainval = if most < 1000 { joined(first, part_of_val(1000 - most)) } else { first };
            (part(&train, &order, 0..train.len().min(800)), part_of_val(200), trainval)
        }
        None => {
            // A small set is divided in the same proportion.
            let cut = (most * 4).div_ceil(5).min(most.saturating_sub(1));
            (part(&train, &order, 0..cut), part(&train, &order, cut..most), first)
        }
    };
    let train1000 = joined(train800.clone(), val200.clone());
    let (test, whole) = limited(test, options.limit);
    let sizes = task.info().sizes;
    let official_test =
        origin == Origin::Official && whole && sizes.is_none_or(|sizes| sizes.test == test.len());
    let origin = match origin {
        Origin::Official => "the dataset's",
        Origin::Mirror => "the mirror's",
        Origin::Drawn => "drawn here with seed 0, not VTAB's",
    };
    let description = format!(
        "{} training and {} validation examples drawn with seed {}, not the official ones; {} test images, {origin}{} ({note})",
        train800.len(),
        val200.len(),
        options.seed,
        test.len(),
        if whole { "" } else { ", not all" },
    );
    Ok(TaskData {
        task,
        train800,
        val200,
        train1000,
        trainval1000: Some(trainval1000),
        test,
        official_train: false,
        official_test,
        stand_in: false,
        description,
        place,
    })
}

//! Caltech-101: folders of classes, of which 30 images each are drawn for training.

use std::path::Path;
use std::sync::Arc;
use visrep_data::{Dataset, Error, ImageFolder, Subset};
use visrep_metrics::NumpyRandom;

/// Training images of each class.
const SHOTS: usize = 30;
/// What TFDS seeds NumPy's generator with before it draws them.
const SEED: u32 = 1234;

/// The training and the test images of Caltech-101 in `root` (the folder `caltech-101` of its archive, with `101_ObjectCategories`): 30
/// of each class, drawn by TFDS's rule, and the others. The rule draws from names in the order in which a file system listed
/// them, which cannot be known; here they are sorted, so that the images are others than TFDS's.
///
/// # Errors
/// Folders that cannot be read.
pub fn open_caltech101(root: &Path) -> Result<[Subset; 2], Error> {
    let all: Arc<dyn Dataset> = Arc::new(ImageFolder::open(root.join("101_ObjectCategories"))?);
    let mut classes = vec![Vec::new(); all.classes().len()];
    for (index, label) in all.labels()?.into_iter().enumerate() {
        if let Some(class) = label.and_then(|label| classes.get_mut(label as usize)) {
            class.push(index);
        }
    }
    let mut generator = NumpyRandom::new(SEED);
    let mut train = Vec::new();
    for class in &classes {
        train.extend(generator.choice(class.len(), SHOTS).into_iter().map(|at| class[at]));
    }
    train.sort_unstable();
    let test = (0..all.len()).filter(|index| train.binary_search(index).is_err()).collect();
    Ok([train, test].map(|indices| Subset::new(Arc::clone(&all), indices)))
}

//! The small free data sets that are compiled into the binary; `fixtures/README.md` has sources and licences.

use bytes::Bytes;
use std::sync::Arc;
use visrep_data::{
    Dataset, Error, InMemory, Parquet, PatchOptions, Patches, Sample, SampleImage, Splits, Subset,
};

static DIGITS: &[u8] = include_bytes!("../../../fixtures/digits.parquet");

/// Rows before this one are training digits, the rest test digits: see fixtures/README.md.
const DIGITS_TRAIN: usize = 1437;

macro_rules! photos {
    ($($class:literal / $file:literal),* $(,)?) => {
        &[$((
            $class,
            concat!($class, "/", $file),
            include_bytes!(concat!("../../../fixtures/photos/", $class, "/", $file)),
        )),*]
    };
}

/// Class, key and bytes of each photograph.
static PHOTOS: &[(&str, &str, &[u8])] = photos![
    "astronaut" / "astronaut.png",
    "brick" / "brick.png",
    "camera" / "camera.png",
    "chelsea" / "chelsea.png",
    "clock" / "clock.png",
    "coffee" / "coffee.png",
    "grass" / "grass.png",
    "gravel" / "gravel.png",
    "hubble" / "hubble.jpg",
    "retina" / "retina.jpg",
    "rocket" / "rocket.jpg",
];

/// The 1,797 handwritten digits in their order.
pub fn all_digits() -> Result<Arc<dyn Dataset>, Error> {
    Ok(Arc::new(Parquet::from_bytes(Bytes::from_static(DIGITS), "digits.parquet")?))
}

/// The 1,797 handwritten digits, split as their README says.
pub fn digits() -> Result<Splits, Error> {
    let all = all_digits()?;
    let rows = all.len();
    Ok(Splits {
        train: Arc::new(Subset::new(all.clone(), (0..DIGITS_TRAIN).collect())),
        test: Arc::new(Subset::new(all, (DIGITS_TRAIN..rows).collect())),
        description: format!("rows 0..{DIGITS_TRAIN} train, {DIGITS_TRAIN}..{rows} test (other writers)"),
    })
}

/// The photographs, one class each.
pub fn photos() -> InMemory {
    let samples = PHOTOS.iter().zip(0..).map(|((_, key, bytes), label)| Sample {
        image: SampleImage::Encoded(Bytes::from_static(bytes)),
        label: Some(label),
        key: (*key).to_owned(),
    });
    InMemory::new(samples.collect(), PHOTOS.iter().map(|(class, ..)| (*class).to_owned()).collect())
}

/// Which photograph does this patch come from? Train and test patches from disjoint regions.
pub fn patches() -> Result<Splits, Error> {
    let (train, test) = Patches::new(Arc::new(photos()), &PatchOptions::default())?;
    Ok(Splits {
        train: Arc::new(train),
        test: Arc::new(test),
        description: "patches of 64 px; train and test patches come from disjoint regions of each photograph"
            .to_owned(),
    })
}

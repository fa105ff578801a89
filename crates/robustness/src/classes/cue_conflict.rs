//! The 16 classes of the cue-conflict images (Geirhos et al. 2019), and ImageNet's classes that stand for each.

use std::ops::RangeInclusive;
use visrep_metrics::{Error, ScoreMatrix};

/// One of the 16 classes, by its place in alphabetical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CueConflictClass(usize);

/// The 16 classes in alphabetical order with the indices, of the 1000 in the order of their synsets, that stand for each
/// (`probabilities_to_decision.py` of rgeirhos/texture-vs-shape).
pub const CUE_CONFLICT_CLASSES: [(&str, &[RangeInclusive<u16>]); 16] = [
    ("airplane", &[404..=404]),
    ("bear", &[294..=297]),
    ("bicycle", &[444..=444, 671..=671]),
    ("bird", &[8..=8, 10..=16, 18..=20, 22..=24, 80..=83, 87..=96, 98..=100, 127..=133, 135..=145]),
    ("boat", &[472..=472, 554..=554, 625..=625, 814..=814, 914..=914]),
    ("bottle", &[440..=440, 720..=720, 737..=737, 898..=898, 899..=899, 901..=901, 907..=907]),
    ("car", &[436..=436, 511..=511, 817..=817]),
    ("cat", &[281..=286]),
    ("chair", &[423..=423, 559..=559, 765..=765, 857..=857]),
    ("clock", &[409..=409, 530..=530, 892..=892]),
    (
        "dog",
        &[152..=191, 193..=203, 205..=226, 228..=241, 243..=250, 252..=257, 259..=259, 261..=263, 265..=268],
    ),
    ("elephant", &[385..=385, 386..=386]),
    ("keyboard", &[508..=508, 878..=878]),
    ("knife", &[499..=499]),
    ("oven", &[766..=766]),
    ("truck", &[555..=555, 569..=569, 656..=656, 675..=675, 717..=717, 734..=734, 864..=864, 867..=867]),
];

impl CueConflictClass {
    /// The class of this name.
    pub fn named(name: &str) -> Option<Self> {
        CUE_CONFLICT_CLASSES.iter().position(|(known, _)| *known == name).map(Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        CUE_CONFLICT_CLASSES[self.0].0
    }

    /// Its place in alphabetical order, from 0.
    pub fn index(self) -> usize {
        self.0
    }

    /// The decision of each row of probabilities of the 1000 classes: the class with the highest **mean** over its own (by
    /// sums, dogs with their hundred breeds would nearly always win); of equal means the first.
    pub fn decide<T: Copy + Into<f64>>(probabilities: &ScoreMatrix<'_, T>) -> Result<Vec<Self>, Error> {
        if probabilities.classes() != 1000 {
            let value = probabilities.classes() as f64;
            return Err(Error::Parameter { parameter: "classes", value, expected: "1000, ImageNet's" });
        }
        let decide = |row: &[T]| {
            let mean = |class: usize| {
                let own = || CUE_CONFLICT_CLASSES[class].1.iter().cloned().flatten();
                let sum: f64 = own().map(|index| row[usize::from(index)].into()).sum();
                sum / own().count() as f64
            };
            let means: [f64; 16] = std::array::from_fn(mean);
            Self((1..16).fold(0, |best, class| if means[class] > means[best] { class } else { best }))
        };
        Ok(probabilities.rows().map(decide).collect())
    }
}

/// What a cue-conflict image shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stimulus {
    /// The class of its shape.
    pub shape: CueConflictClass,
    /// The class of its texture.
    pub texture: CueConflictClass,
}

impl Stimulus {
    /// From the image's file name, such as `cat1-airplane1.png`; folders before it and the extension do not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        let file = name.rsplit(['/', '\\']).next()?;
        let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
        let (shape, texture) = stem.split_once('-')?;
        let class = |part: &str| {
            let name = part.trim_end_matches(|c: char| c.is_ascii_digit());
            if name.len() == part.len() { None } else { CueConflictClass::named(name) }
        };
        Some(Self { shape: class(shape)?, texture: class(texture)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_classes_share_no_index() {
        let mut all: Vec<u16> =
            CUE_CONFLICT_CLASSES.iter().flat_map(|(_, own)| own.iter().cloned().flatten()).collect();
        assert_eq!(all.len(), 207);
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && all.last() < Some(&1000));
        assert!(CUE_CONFLICT_CLASSES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let count = |name: &str| {
            let class = CueConflictClass::named(name).unwrap();
            assert_eq!(class.name(), name);
            CUE_CONFLICT_CLASSES[class.index()].1.iter().cloned().flatten().count()
        };
        assert_eq!((count("dog"), count("bird"), count("airplane"), count("cat")), (109, 49, 1, 6));
    }

    #[test]
    fn names_of_images_are_read() {
        let read = |name| Stimulus::from_name(name).map(|found| (found.shape.name(), found.texture.name()));
        assert_eq!(read("cat1-airplane1.png"), Some(("cat", "airplane")));
        assert_eq!(read("stimuli/airplane/airplane10-oven2.png"), Some(("airplane", "oven")));
        assert_eq!(read("clock10-clock3"), Some(("clock", "clock")));
        for wrong in ["", "cat1.png", "cat-airplane1.png", "cat1-plane1.png", "1-2.png", "cat1-airplane.png"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn means_decide_not_sums() {
        let mut row = vec![0.0_f64; 1000];
        (151..=268).for_each(|index| row[index] = 0.005);
        row[404] = 0.02;
        let matrix = ScoreMatrix::new(&row, 1000).unwrap();
        assert_eq!(CueConflictClass::decide(&matrix).unwrap()[0].name(), "airplane");
        assert!(CueConflictClass::decide(&ScoreMatrix::new(&row, 500).unwrap()).is_err());
    }
}

//! The nine classes of ImageNet-9 (Xiao et al. 2021), and ImageNet's classes that stand for each.

use std::ops::RangeInclusive;

/// The nine classes in the order of their labels with the indices, of the 1000 in the order of their synsets, that stand for each
/// (`in_to_in9.json` of MadryLab/backgrounds_challenge). The other 630 stand for none: to predict one of them is wrong.
pub const IMAGENET_9_CLASSES: [(&str, &[RangeInclusive<u16>]); 9] = [
    ("dog", &[151..=170, 173..=268]),
    ("bird", &[7..=24, 87..=100, 127..=146]),
    (
        "vehicle",
        &[
            407..=408,
            428..=428,
            436..=436,
            444..=444,
            468..=468,
            511..=511,
            547..=547,
            555..=555,
            561..=561,
            565..=565,
            569..=569,
            573..=573,
            586..=586,
            603..=603,
            609..=609,
            612..=612,
            627..=627,
            656..=656,
            661..=661,
            665..=665,
            670..=671,
            675..=675,
            690..=690,
            705..=705,
            717..=717,
            734..=734,
            751..=751,
            757..=757,
            791..=791,
            802..=803,
            817..=817,
            820..=820,
            829..=829,
            847..=847,
            864..=864,
            866..=867,
            870..=870,
            880..=880,
        ],
    ),
    ("reptile", &[33..=68]),
    ("carnivore", &[269..=280, 286..=299, 356..=362, 387..=388]),
    ("insect", &[300..=326]),
    (
        "instrument",
        &[
            401..=402,
            420..=420,
            432..=432,
            486..=486,
            494..=494,
            513..=513,
            541..=541,
            546..=546,
            558..=558,
            566..=566,
            577..=577,
            579..=579,
            593..=594,
            641..=642,
            683..=684,
            687..=687,
            699..=699,
            776..=776,
            822..=822,
            875..=875,
            881..=881,
            889..=889,
        ],
    ),
    ("primate", &[365..=384]),
    ("fish", &[0..=6, 389..=397]),
];

/// The label in ImageNet-9 of class `index` of the 1000; `None` for the 630 that it lacks.
pub fn imagenet_9_label(index: u16) -> Option<usize> {
    IMAGENET_9_CLASSES.iter().position(|(_, own)| own.iter().any(|range| range.contains(&index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hundred_and_seventy_classes_stand_for_nine() {
        let counts = IMAGENET_9_CLASSES.map(|(_, own)| own.iter().cloned().flatten().count());
        // As the authors state them.
        assert_eq!(counts, [116, 52, 42, 36, 35, 27, 26, 20, 16]);
        let labels: Vec<_> = (0..1000).map(imagenet_9_label).collect();
        assert_eq!(labels.iter().flatten().count(), 370);
        // Tench, cock, Mexican hairless, tabby, Egyptian cat, minivan, sax, wombat, golden retriever.
        let shown = [0, 7, 268, 281, 285, 656, 776, 106, 207].map(|index: usize| labels[index]);
        assert_eq!(shown, [Some(8), Some(1), Some(0), None, None, Some(2), Some(6), None, Some(0)]);
    }
}

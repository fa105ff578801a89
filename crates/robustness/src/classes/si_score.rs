//! The classes of SI-Score (Djolonga et al. 2021), and ImageNet's class that stands for each.

use super::synset_index;

/// Every class that SI-Score's generator knows, in the order of their names, with its index of the 1000 in the order of their synsets
/// (`label_str_to_imagenet_classes.py` of google-research/si-score). The published sets have 61 of them.
pub const SI_SCORE_CLASSES: [(&str, u16); 112] = [
    ("ambulance", 407),
    ("armadillo", 363),
    ("artichoke", 944),
    ("backpack", 414),
    ("bagel", 931),
    ("balance beam", 416),
    ("banana", 954),
    ("band-aid", 419),
    ("beaker", 438),
    ("bell pepper", 945),
    ("billiard table", 736),
    ("binoculars", 447),
    ("broccoli", 937),
    ("brown bear", 294),
    ("burrito", 965),
    ("candle", 470),
    ("canoe", 472),
    ("cello", 486),
    ("cheetah", 293),
    ("cocktail shaker", 503),
    ("common fig", 952),
    ("computer mouse", 673),
    ("cowboy hat", 515),
    ("cucumber", 943),
    ("diaper", 529),
    ("digital clock", 530),
    ("dumbbell", 543),
    ("envelope", 549),
    ("eraser", 767),
    ("filing cabinet", 553),
    ("flowerpot", 738),
    ("flute", 558),
    ("frying pan", 567),
    ("golf ball", 574),
    ("goose", 99),
    ("guacamole", 924),
    ("hair dryer", 589),
    ("hair spray", 585),
    ("hammer", 587),
    ("hamster", 333),
    ("harmonica", 593),
    ("hedgehog", 334),
    ("hippopotamus", 344),
    ("hot dog", 934),
    ("ipod", 605),
    ("jeans", 608),
    ("kite", 21),
    ("koala", 105),
    ("ladle", 618),
    ("laptop", 620),
    ("lemon", 951),
    ("light switch", 844),
    ("lighthouse", 437),
    ("limousine", 627),
    ("lipstick", 629),
    ("lynx", 287),
    ("magpie", 18),
    ("maracas", 641),
    ("measuring cup", 647),
    ("microwave oven", 651),
    ("miniskirt", 655),
    ("missile", 657),
    ("mixing bowl", 659),
    ("mobile phone", 487),
    ("mushroom", 947),
    ("orange", 950),
    ("ostrich", 9),
    ("otter", 360),
    ("paper towel", 700),
    ("pencil case", 709),
    ("pig", 341),
    ("pillow", 721),
    ("pitcher (container)", 725),
    ("pizza", 963),
    ("plastic bag", 728),
    ("polar bear", 296),
    ("pomegranate", 957),
    ("pretzel", 932),
    ("printer", 742),
    ("punching bag", 747),
    ("racket", 752),
    ("red panda", 387),
    ("remote control", 761),
    ("rugby ball", 768),
    ("ruler", 769),
    ("saxophone", 776),
    ("screwdriver", 784),
    ("sea lion", 150),
    ("seat belt", 785),
    ("skunk", 361),
    ("snowmobile", 802),
    ("soap dispenser", 804),
    ("sock", 806),
    ("sombrero", 808),
    ("spatula", 813),
    ("starfish", 327),
    ("strawberry", 949),
    ("studio couch", 831),
    ("taxi", 468),
    ("teapot", 849),
    ("teddy bear", 850),
    ("tennis ball", 852),
    ("toaster", 859),
    ("toilet paper", 999),
    ("torch", 862),
    ("traffic light", 920),
    ("vase", 883),
    ("volleyball (ball)", 890),
    ("washing machine", 897),
    ("wok", 909),
    ("zebra", 340),
    ("zucchini", 939),
];

/// The index, of the 1000, of the class whose folder has this name: one of [`SI_SCORE_CLASSES`], or, for objects of one's own, a
/// synset.
pub fn si_score_class(name: &str) -> Option<u16> {
    let place = SI_SCORE_CLASSES.binary_search_by_key(&name, |&(known, _)| known);
    place.ok().map(|place| SI_SCORE_CLASSES[place].1).or_else(|| synset_index(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ascend_and_stand_for_different_classes() {
        assert!(SI_SCORE_CLASSES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut indices: Vec<_> = SI_SCORE_CLASSES.iter().map(|&(_, index)| index).collect();
        // The sum tells a misprint from the published table.
        assert_eq!(indices.iter().map(|&index| u32::from(index)).sum::<u32>(), 71_691);
        indices.sort_unstable();
        indices.dedup();
        assert!(indices.len() == 112 && indices.last() < Some(&1000));
        // All names but the first and last lie between them.
        assert_eq!(si_score_class("ambulance"), Some(407));
        assert_eq!(si_score_class("pitcher (container)"), Some(725));
        assert_eq!(si_score_class("zucchini"), Some(939));
        assert_eq!(si_score_class("n01440764"), Some(0));
        assert_eq!([si_score_class("Koala"), si_score_class("bell_pepper")], [None; 2]);
    }
}

//! The objects of ObjectPose (Abbas & Deny 2023), and ImageNet's classes that stand for each.

/// The 17 objects in the order of their names with the indices, of the 1000 in the order of their synsets, that stand for each
/// (`run_objectpose.py` of amro-kamal/ObjectPose): any of them is right.
pub const OBJECT_POSE_CLASSES: [(&str, &[u16]); 17] = [
    ("airliner", &[404]),
    ("barberchair", &[423]),
    ("cannon", &[471]),
    ("fireengine", &[555]),
    ("foldingchair", &[559]),
    ("forklift", &[561]),
    ("garbagetruck", &[569]),
    ("hammerhead", &[4]),
    ("jeep", &[609]),
    ("mountainbike", &[671]),
    ("parkbench", &[703]),
    ("rockingchair", &[765]),
    ("shoppingcart", &[791]),
    ("tablelamp", &[846, 619]),
    ("tank", &[847]),
    ("tractor", &[866]),
    ("wheelbarrow", &[428]),
];

/// The place in [`OBJECT_POSE_CLASSES`] of the object of this name, and its classes.
pub fn object_pose_classes(name: &str) -> Option<(usize, &'static [u16])> {
    let place = OBJECT_POSE_CLASSES.binary_search_by_key(&name, |&(known, _)| known).ok()?;
    Some((place, OBJECT_POSE_CLASSES[place].1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_by_name() {
        assert!(OBJECT_POSE_CLASSES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(object_pose_classes("tablelamp"), Some((13, &[846_u16, 619][..])));
        assert_eq!(object_pose_classes("teapot"), None);
        // The sum tells a misprint.
        let sum: u32 = OBJECT_POSE_CLASSES.iter().flat_map(|(_, own)| *own).map(|&c| u32::from(c)).sum();
        assert_eq!(sum, 10_691);
    }
}

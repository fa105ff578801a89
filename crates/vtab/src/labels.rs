//! The label rules of the structured tasks: from what a dataset records of an image to VTAB's class.
//!
//! The rules, with their thresholds, are those of google-research/task_adaptation (`task_adaptation/data/*.py`).

/// CLEVR-Distance: a class is the number of the last of these that is below the distance.
const CLEVR_THRESHOLDS: [f64; 7] = [0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0];
/// KITTI-Distance, in metres; the last stands before [`KITTI_NO_VEHICLE`].
const KITTI_THRESHOLDS: [f64; 4] = [-100.0, 8.0, 20.0, 999.0];
/// The distance of a vehicle that is not there.
const KITTI_NO_VEHICLE: f64 = 1000.0;
/// KITTI's object types that count as vehicles.
pub const KITTI_VEHICLES: [&str; 3] = ["Car", "Van", "Truck"];

/// The index of the last threshold below `value`.
fn last_below(thresholds: &[f64], value: f64) -> Option<u32> {
    thresholds.iter().rposition(|threshold| *threshold < value).map(|index| index as u32)
}

/// CLEVR-Count: the class of a scene with `objects` objects, 3 to 10; `None` for other numbers.
pub fn clevr_count(objects: usize) -> Option<u32> {
    (3..=10).contains(&objects).then(|| objects as u32 - 3)
}

/// CLEVR-Distance: the class, 0 to 5, of a scene whose objects are so far from the camera (`pixel_coords[2]` of each).
/// `None` for a scene without objects, or one whose nearest object is not between 0 and 100.
pub fn clevr_distance(distances: impl IntoIterator<Item = f64>) -> Option<u32> {
    let nearest = distances.into_iter().fold(f64::INFINITY, f64::min);
    last_below(&CLEVR_THRESHOLDS, nearest).filter(|class| *class < 6)
}

/// KITTI-Distance: the class of an image whose objects have these types and distances along the camera's axis
/// (`location[2]`, metres): 0 for a nearest vehicle up to 8 m away, 1 up to 20 m, 2 beyond, 3 for none.
pub fn kitti_distance<'a>(objects: impl IntoIterator<Item = (&'a str, f64)>) -> u32 {
    let vehicles = objects.into_iter().filter(|(kind, _)| KITTI_VEHICLES.contains(kind));
    let nearest = vehicles.fold(KITTI_NO_VEHICLE, |nearest, (_, distance)| nearest.min(distance));
    // A vehicle more than 100 m behind the camera is none that a label file can hold; it counts as near.
    last_below(&KITTI_THRESHOLDS, nearest).unwrap_or(0)
}

/// dSprites-Location: the bin, 0 to 15, of the latent class of the x position, 0 to 31.
pub fn dsprites_location(x: u32) -> Option<u32> {
    (x < 32).then_some(x / 2)
}

/// dSprites-Orientation: the bin, 0 to 15, of the latent class of the orientation, 0 to 39: ⌊v / 2.5⌋.
pub fn dsprites_orientation(orientation: u32) -> Option<u32> {
    (orientation < 40).then_some(orientation * 2 / 5)
}

/// smallNORB-Azimuth: the class, 0 to 17, of the field, which is even, 0 to 34 (times 10 degrees).
pub fn norb_azimuth(field: i32) -> Option<u32> {
    (0..=34).contains(&field).then_some(field as u32).filter(|field| field % 2 == 0).map(|field| field / 2)
}

/// smallNORB-Elevation: the class, 0 to 8, which is the field (30 to 70 degrees in steps of 5).
pub fn norb_elevation(field: i32) -> Option<u32> {
    (0..=8).contains(&field).then_some(field as u32)
}

/// SVHN: the class of a digit, whose files say 10 for the digit 0.
pub fn svhn_digit(field: u32) -> Option<u32> {
    (1..=10).contains(&field).then_some(field % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of `task_adaptation/data/kitti_test.py`, by type name, and those at the thresholds.
    #[test]
    fn kitti() {
        let class = |objects: &[(&str, f64)]| kitti_distance(objects.iter().copied());
        assert_eq!(class(&[("Car", 1.0)]), 0);
        assert_eq!(class(&[("Car", 10.0)]), 1);
        assert_eq!(class(&[("Car", 30.0)]), 2);
        assert_eq!(class(&[("Person_sitting", 30.0)]), 3);
        assert_eq!(class(&[("Car", 30.0), ("Van", 1.0)]), 0);
        assert_eq!(class(&[]), 3);
        assert_eq!([8.0, 8.01, 20.0, 20.01].map(|z| class(&[("Truck", z)])), [0, 1, 1, 2]);
        assert_eq!(class(&[("Tram", 5.0), ("Misc", 2.0), ("Truck", 50.0)]), 2);
    }

    #[test]
    fn clevr() {
        assert_eq!([2, 3, 10, 11].map(clevr_count), [None, Some(0), Some(7), None]);
        let class = |nearest: f64| clevr_distance([12.0, nearest, 11.0]);
        assert_eq!([7.9, 8.0, 8.1, 8.5, 8.6].map(class), [0, 0, 1, 1, 2].map(Some));
        assert_eq!([9.1, 9.6, 10.0, 10.1].map(class), [3, 4, 4, 5].map(Some));
        assert_eq!((class(0.0), clevr_distance([101.0]), clevr_distance([])), (None, None, None));
    }

    #[test]
    fn dsprites() {
        assert_eq!([0, 1, 2, 31, 32].map(dsprites_location), [Some(0), Some(0), Some(1), Some(15), None]);
        let bins: Vec<_> = (0..40).filter_map(dsprites_orientation).collect();
        // Bins of three and two classes in turn.
        let expected: Vec<u32> = (0..40).map(|v| (f64::from(v) / 2.5).floor() as u32).collect();
        assert_eq!((bins, dsprites_orientation(40)), (expected, None));
    }

    #[test]
    fn norb_and_svhn() {
        assert_eq!([0, 2, 34, 35, 36, -2].map(norb_azimuth), [Some(0), Some(1), Some(17), None, None, None]);
        assert_eq!([0, 8, 9, -1].map(norb_elevation), [Some(0), Some(8), None, None]);
        assert_eq!([0, 1, 9, 10, 11].map(svhn_digit), [None, Some(1), Some(9), Some(0), None]);
    }
}

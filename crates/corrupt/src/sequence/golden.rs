//! Parity of the sequences with the published formulas: see `fixtures/golden/corrupt/make_sequences.py`.

use std::collections::BTreeMap;

use super::frames::drops;
use super::{Difficulty, Perturbation, constants, frames};
use crate::Scale;
use crate::golden::{Stream, hex, photograph};

#[test]
fn every_temporal_sequence_matches_the_published_formula() {
    let text = include_str!("../../../../fixtures/golden/corrupt/golden_sequences.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let crop = photograph();
    let mut worst: BTreeMap<Perturbation, (u8, usize, usize)> = BTreeMap::new();
    for case in golden["sequences"].as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap();
        let number = |key: &str| case[key].as_u64().unwrap();
        let perturbation: Perturbation = text("perturbation").parse().unwrap();
        let scale: Scale = text("scale").parse().unwrap();
        let side = number("crop");
        let mut made = frames(&crop, side as u32, perturbation, Difficulty::One, scale, 0).unwrap();
        let normals = Stream(number("seed")).normals(side as usize, side as usize);
        match perturbation {
            Perturbation::Snow => made = made.with_layer(normals),
            Perturbation::Spatter => {
                made = made.with_layer(drops(normals, constants::of(scale).spatter));
            }
            _ => {}
        }
        let expected = case["frames"].as_array().unwrap();
        assert_eq!(made.len(), expected.len(), "{perturbation} {scale}");
        for (i, (frame, expected)) in made.zip(expected).enumerate() {
            let frame = frame.unwrap();
            let found: Vec<u8> = frame.data().iter().copied().step_by(number("stride") as usize).collect();
            let expected = hex(expected.as_str().unwrap());
            let (most, differing, total) = worst.entry(perturbation).or_default();
            let mut here = 0;
            for (&a, &b) in found.iter().zip(&expected) {
                here = here.max(a.abs_diff(b));
                *differing += usize::from(a != b);
            }
            *total += found.len();
            *most = (*most).max(here);
            if here > 1 {
                println!("{perturbation} {scale}, frame {i}: {here} levels apart");
            }
        }
    }
    for (perturbation, (most, differing, total)) in &worst {
        println!("{perturbation:16} at most {most} apart, {differing} of {total} differ");
    }
    assert_eq!(worst.len(), 11);
    for (perturbation, (most, differing, total)) in worst {
        assert!(most <= 1, "{perturbation}: {most} levels apart");
        assert!(differing * 20 <= total, "{perturbation}: {differing} of {total} values differ");
    }
}

//! Rotations and translations against a plain reading of the formula, universal perturbations, and what both promise.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use tch::{Device, Kind, Tensor};
use visrep_robustness::Error;
use visrep_robustness::attack::{
    Attack as _, Ball, Norm, Spatial, SpatialLimits, SpatialSearch, Universal, UniversalGoal, Victim,
    majority_vote, rotate_and_shift, strongest_patches, universal_outcomes, universal_success,
};
use visrep_torch::Generator;

fn images(count: i64, height: i64, width: i64) -> Tensor {
    tch::manual_seed(5);
    Tensor::rand([count, 3, height, width], (Kind::Float, Device::Cpu))
}

/// One channel as rows.
struct Plane {
    rows: Vec<Vec<f64>>,
}

impl Plane {
    fn at(&self, x: i64, y: i64) -> f64 {
        let row = usize::try_from(y).ok().and_then(|y| self.rows.get(y));
        row.zip(usize::try_from(x).ok()).and_then(|(row, x)| row.get(x)).copied().unwrap_or(0.0)
    }

    /// Bilinear, black outside.
    fn sample(&self, x: f64, y: f64) -> f64 {
        let (left, top) = (x.floor(), y.floor());
        let (u, v) = (x - left, y - top);
        let at = |dx: i64, dy: i64| self.at(left as i64 + dx, top as i64 + dy);
        (1.0 - v) * ((1.0 - u) * at(0, 0) + u * at(1, 0)) + v * ((1.0 - u) * at(0, 1) + u * at(1, 1))
    }

    fn map(&self, from: impl Fn(f64, f64) -> (f64, f64)) -> Self {
        let value = |x: usize, y: usize| {
            let (x, y) = from(x as f64, y as f64);
            self.sample(x, y)
        };
        let row = |y: usize| (0..self.rows[0].len()).map(|x| value(x, y)).collect();
        Self { rows: (0..self.rows.len()).map(row).collect() }
    }
}

/// As `resnet.py` of MadryLab/adversarial_spatial orders it: 16 black pixels around, the turn, the move, the middle.
fn by_hand(plane: &Tensor, across: f64, down: f64, degrees: f64) -> Vec<f64> {
    const PAD: i64 = 16;
    let wide = plane.to_kind(Kind::Double).constant_pad_nd([PAD; 4]);
    let (height, width) = wide.size2().unwrap();
    let rows = (0..height).map(|y| Vec::<f64>::try_from(wide.get(y)).unwrap()).collect();
    let (cx, cy) = ((width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let turned = Plane { rows }
        .map(|x, y| (cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos));
    let moved = turned.map(|x, y| (x - across, y - down));
    let (from, to) = (PAD as usize, |length: i64| (length - PAD) as usize);
    moved.rows[from..to(height)].iter().flat_map(|row| row[from..to(width)].to_vec()).collect()
}

#[test]
fn transformed_pixels_are_those_of_the_formula() {
    let moves = [(0.0, 0.0, 0.0), (3.0, 0.0, 0.0), (-1.5, 2.25, 0.0), (0.0, 0.0, 30.0), (3.0, -2.0, -17.5)];
    let x = images(moves.len() as i64, 12, 17);
    let column = |of: fn(&(f64, f64, f64)) -> f64| moves.iter().map(of).collect::<Vec<_>>();
    let found = rotate_and_shift(&x, &column(|m| m.0), &column(|m| m.1), &column(|m| m.2)).unwrap();
    assert_eq!(found.size(), x.size());
    for (nth, &(across, down, degrees)) in moves.iter().enumerate() {
        for channel in 0..3 {
            let plane = |of: &Tensor| of.get(nth as i64).get(channel);
            let expected = by_hand(&plane(&x), across, down, degrees);
            let values = Vec::<f64>::try_from(plane(&found).to_kind(Kind::Double).flatten(0, -1)).unwrap();
            for (value, expected) in values.iter().zip(expected) {
                assert!((value - expected).abs() < 2e-5, "{across} {down} {degrees}: {value} {expected}");
            }
        }
    }
}

#[test]
fn turns_and_moves_go_the_stated_way() {
    let mut x = Tensor::zeros([1, 1, 9, 9], (Kind::Float, Device::Cpu));
    let _ = x.get(0).get(0).get(4).get(6).fill_(1.0);
    let bright = |x: &Tensor| {
        let place = x.flatten(0, -1).argmax(0, false).int64_value(&[]);
        (place % 9, place / 9)
    };
    assert_eq!(bright(&rotate_and_shift(&x, &[2.0], &[1.0], &[0.0]).unwrap()), (8, 5));
    // Right of the centre goes up.
    assert_eq!(bright(&rotate_and_shift(&x, &[0.0], &[0.0], &[90.0]).unwrap()), (4, 2));
    // What the move brings back from outside the frame is there.
    x = x.flip([3]);
    let away = rotate_and_shift(&x, &[-3.0], &[0.0], &[0.0]).unwrap();
    assert_eq!(away.max().double_value(&[]), 0.0);
    assert!(rotate_and_shift(&x, &[0.0, 1.0], &[0.0], &[0.0]).is_err());
}

/// Where an image is brightest decides: the class is 0 on the left and 1 on the right.
fn sides(images: &Tensor) -> Result<Tensor, Error> {
    let width = images.size()[3];
    let mean =
        |from: i64| images.narrow(3, from, width / 2).mean_dim([1, 2, 3].as_slice(), false, Kind::Float);
    Ok(Tensor::stack(&[mean(0), mean(width - width / 2)], 1) * 20.0)
}

/// A bright column at each of these places in 12.
fn columns(places: &[i64]) -> Tensor {
    let x = Tensor::zeros([places.len() as i64, 3, 12, 12], (Kind::Float, Device::Cpu));
    for (nth, &place) in (0..).zip(places) {
        let _ = x.narrow(0, nth, 1).narrow(3, place, 1).fill_(0.9);
    }
    x
}

#[test]
fn the_worst_of_a_grid_is_found() {
    let (x, y) = (columns(&[1, 5, 8]), Tensor::from_slice(&[0_i64, 0, 1]));
    let limits = SpatialLimits { shift: 2.0, degrees: 0.0 };
    let grid = Spatial { limits, search: SpatialSearch::Grid { shifts: 5, angles: 1 } };
    let found = grid.run(&sides, &x, &y, &mut Generator::new(0)).unwrap();
    // Two pixels do not take the first to the other side.
    assert_eq!(Vec::<bool>::try_from(&found.robust).unwrap(), [true, false, true]);
    let right = sides(&found.images).unwrap().argmax(1, false).eq_tensor(&y);
    assert_eq!(right, found.robust, "what is said of each image is so");
    // Of the second, the first of the misclassifications with the highest loss: all light on the other side, none lost.
    let expected = columns(&[6]);
    assert!((found.images.get(1) - expected.get(0)).abs().max().double_value(&[]) < 1e-5);
    let wider = Spatial { limits: SpatialLimits { shift: 5.0, ..limits }, ..grid };
    assert_eq!(wider.run(&sides, &x, &y, &mut Generator::new(0)).unwrap().robust_count().unwrap(), 0);
    let still =
        Spatial { limits: SpatialLimits { shift: 0.0, degrees: 0.0 }, search: SpatialSearch::WorstOf(3) };
    let found = still.run(&sides, &x, &y, &mut Generator::new(0)).unwrap();
    assert_eq!(found.robust_count().unwrap(), 3);
    assert!((found.images - &x).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn more_draws_are_worse_and_the_same_seed_draws_the_same() {
    tch::manual_seed(1);
    let x = images(32, 12, 12);
    let y = sides(&x).unwrap().argmax(1, false);
    let limits = SpatialLimits::for_side(32);
    assert_eq!(
        (limits, SpatialLimits::for_side(224).shift),
        (SpatialLimits { shift: 3.0, degrees: 30.0 }, 24.0)
    );
    let robust = |count: usize, seed: i64| {
        let attack = Spatial { limits, search: SpatialSearch::WorstOf(count) };
        attack.run(&sides, &x, &y, &mut Generator::new(seed)).unwrap().robust
    };
    let count = |robust: Tensor| robust.sum(Kind::Int64).int64_value(&[]);
    assert_eq!(robust(10, 3), robust(10, 3));
    assert!(count(robust(10, 3)) < count(robust(1, 3)));
    let error = |attack: Spatial| attack.run(&sides, &x, &y, &mut Generator::new(0)).unwrap_err().to_string();
    let search = SpatialSearch::WorstOf(0);
    assert!(error(Spatial { limits, search }).contains("no transformation"));
    let limits = SpatialLimits { shift: -1.0, degrees: 0.0 };
    assert!(error(Spatial { limits, search: SpatialSearch::WorstOf(1) }).contains("at least 0"));
}

/// A linear classifier of three classes.
fn linear(x: &Tensor) -> Result<Tensor, Error> {
    let weights = Tensor::from_slice(&[1.0_f32, -1.0, 0.5, -0.5, 0.25, 1.0, -1.0, 0.5, -0.5]).view([3, 3]);
    Ok(x.mean_dim([2, 3].as_slice(), false, Kind::Float).matmul(&weights.tr()) * 30.0)
}

#[test]
fn one_change_fools_most_images() {
    let (x, held_out) = (images(48, 6, 6), images(64, 6, 6).narrow(0, 48, 16));
    let labels = |x: &Tensor| linear.logits(x).unwrap().argmax(1, false);
    for ball in [Ball { norm: Norm::Linf, eps: 0.25 }, Ball { norm: Norm::L2, eps: 2.5 }] {
        let attack = Universal {
            ball,
            goal: UniversalGoal::Targeted(0),
            epochs: 6,
            batch_size: 16,
            step_size: ball.eps / 4.0,
        };
        let change = attack.fit(&linear, &x, &labels(&x), &mut Generator::new(1)).unwrap();
        assert_eq!(change.size(), [1, 3, 6, 6]);
        let size = match ball.norm {
            Norm::Linf => change.abs().max(),
            Norm::L2 => change.square().sum(Kind::Float).sqrt(),
        };
        assert!(size.double_value(&[]) <= ball.eps * (1.0 + 1e-5));
        let rate = |change: &Tensor, goal| {
            universal_success(&linear, &held_out, &labels(&held_out), change, goal).unwrap()
        };
        assert!(rate(&change, attack.goal) > 0.9, "{ball:?}: {}", rate(&change, attack.goal));
        assert_eq!(rate(&change.zeros_like(), attack.goal), 0.0);
        let away = Universal { goal: UniversalGoal::Untargeted, ..attack };
        let change = away.fit(&linear, &x, &labels(&x), &mut Generator::new(1)).unwrap();
        assert!(rate(&change, away.goal) > 0.4, "{ball:?}: {}", rate(&change, away.goal));
        assert_eq!(rate(&change.zeros_like(), away.goal), 0.0);
    }
    // In L∞ a linear classifier's best change is known: the sign of the difference to the likeliest other class.
    let ball = Ball { norm: Norm::Linf, eps: 0.1 };
    let attack =
        Universal { ball, goal: UniversalGoal::Targeted(0), epochs: 4, batch_size: 48, step_size: 0.1 };
    let base = Tensor::full([4, 3, 2, 2], 0.5, (Kind::Float, Device::Cpu));
    let change = attack.fit(&linear, &base, &labels(&base), &mut Generator::new(0)).unwrap();
    let expected = Tensor::from_slice(&[0.1_f32, -0.1, -0.1]).view([1, 3, 1, 1]).expand([1, 3, 2, 2], false);
    assert!((change - expected).abs().max().double_value(&[]) < 1e-6);
}

#[test]
fn what_universal_perturbations_cannot_be_is_refused() {
    let x = images(4, 4, 4);
    let y = Tensor::zeros([4], (Kind::Int64, Device::Cpu));
    let ball = Ball { norm: Norm::Linf, eps: 0.1 };
    let attack =
        Universal { ball, goal: UniversalGoal::Targeted(3), epochs: 1, batch_size: 2, step_size: 0.1 };
    let error = |attack: Universal, x: &Tensor, y: &Tensor| {
        attack.fit(&linear, x, y, &mut Generator::new(0)).unwrap_err().to_string()
    };
    assert!(error(attack, &x, &y).contains("none of the classifier's 3 classes"));
    let away = Universal { goal: UniversalGoal::Untargeted, ..attack };
    assert!(error(Universal { batch_size: 0, ..away }, &x, &y).contains("nothing to fit"));
    assert!(error(away, &x.narrow(0, 0, 0), &y.narrow(0, 0, 0)).contains("nothing to fit"));
    assert!(error(away, &(&x * 3.0), &y).contains("from 0 to 1"));
    let change = x.narrow(0, 0, 1).zeros_like();
    let found = universal_success(&linear, &x, &y, &change, UniversalGoal::Targeted(0));
    assert!(found.unwrap_err().to_string().contains("no image is of a class other"));
}

#[test]
fn the_majority_of_transformations_decides() {
    // Light that a move takes to the other side at times, but seldom to begin with.
    let x = columns(&[1, 10, 5]);
    let limits = SpatialLimits { shift: 2.0, degrees: 0.0 };
    let vote = |votes, seed| {
        Vec::<i64>::try_from(majority_vote(&sides, &x, limits, votes, &mut Generator::new(seed)).unwrap())
            .unwrap()
    };
    assert_eq!(vote(15, 0)[..2], [0, 1]);
    // The votes are those of the attack's transformations: with one, the image that it gives.
    for seed in 0..8 {
        let drawn = Spatial { limits, search: SpatialSearch::WorstOf(1) };
        let y = Tensor::from_slice(&[0_i64, 1, 0]);
        let found = drawn.run(&sides, &x, &y, &mut Generator::new(seed)).unwrap();
        let right: Vec<bool> = vote(1, seed).iter().zip([0, 1, 0]).map(|(vote, own)| *vote == own).collect();
        assert_eq!(Vec::<bool>::try_from(found.robust).unwrap(), right);
    }
    // Equally many votes for all: the first class. An even one of columns in the middle stays where it is.
    let alike = |x: &Tensor| -> Result<Tensor, Error> {
        Ok(Tensor::zeros([x.size()[0], 5], (Kind::Float, Device::Cpu)))
    };
    let found = majority_vote(&alike, &x, limits, 4, &mut Generator::new(0)).unwrap();
    assert_eq!(Vec::<i64>::try_from(found).unwrap(), [0, 0, 0]);
    assert!(majority_vote(&sides, &x, limits, 0, &mut Generator::new(0)).is_err());
    assert!(majority_vote(&sides, &(&x * 3.0), limits, 2, &mut Generator::new(0)).is_err());
}

#[test]
fn the_strongest_patches_are_kept() {
    let change = Tensor::zeros([2, 3, 7, 7], (Kind::Float, Device::Cpu));
    // Of 2 by 2 patches the first has four rows and columns.
    let put = |image: i64, row: i64, column: i64, value: f64| {
        let _ = change.get(image).get(1).get(row).get(column).fill_(value);
    };
    put(0, 3, 3, 0.5);
    put(0, 6, 6, -0.75);
    put(0, 0, 6, 0.1);
    put(1, 4, 0, 0.3);
    let sum = |kept| {
        let left = strongest_patches(&change, 2, kept).unwrap();
        Vec::<f64>::try_from(left.abs().sum_dim_intlist([1, 2, 3].as_slice(), false, Kind::Double)).unwrap()
    };
    for (kept, expected) in
        [(0, [0.0, 0.0]), (1, [0.75, 0.3]), (2, [1.25, 0.3]), (4, [1.35, 0.3]), (9, [1.35, 0.3])]
    {
        for (found, expected) in sum(kept).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{kept}: {found} {expected}");
        }
    }
    assert!(strongest_patches(&change, 0, 1).is_err() && strongest_patches(&change.get(0), 2, 1).is_err());
    // Images of the target's class do not count.
    let x = images(4, 4, 4);
    let y = Tensor::from_slice(&[0_i64, 1, 2, 0]);
    let outcomes = universal_outcomes(&linear, &x, &y, &x.zeros_like(), UniversalGoal::Targeted(0)).unwrap();
    assert_eq!(outcomes.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, false]);
}

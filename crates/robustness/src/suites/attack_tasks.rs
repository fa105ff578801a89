//! The attacks that suites run, at the budgets under which figures are published.

use crate::Error;
use crate::attack::{
    Apgd, Attack, Ball, LagrangianPerceptual, ModelVictim, Norm, Pgd, Spatial, SpatialLimits, SpatialSearch,
    Square, majority_vote,
};
use tch::Tensor;
use visrep_perceptual::PerceptualDistance;
use visrep_torch::Generator;

/// Transformations of which the majority decides.
const VOTES: usize = 10;

/// An attack at a budget, or another way to look at images.
#[derive(Clone, Copy)]
pub(super) enum Task {
    /// One step.
    Fgsm(Ball),
    /// So many steps of a share of the radius, from a random start.
    Pgd(Ball, usize, f64),
    ApgdCrossEntropy(Ball),
    ApgdTargeted(Ball),
    Square(Ball),
    Spatial(SpatialSearch),
    /// No attack: the majority of random transformations decides.
    Vote,
    /// Within a distance that AlexNet sees.
    Lagrangian {
        bound: f64,
    },
}

const fn linf(of_255: f64) -> Ball {
    Ball { norm: Norm::Linf, eps: of_255 / 255.0 }
}

const fn l2(eps: f64) -> Ball {
    Ball { norm: Norm::L2, eps }
}

/// As imagenet-testbed runs it: 100 steps of 3/100 of the radius in L∞, of a tenth in L2.
const fn testbed(ball: Ball) -> Task {
    Task::Pgd(ball, 100, if matches!(ball.norm, Norm::Linf) { 0.03 } else { 0.1 })
}

/// The turns of [`SpatialSearch::GRID`] alone, and its shifts alone.
const TURNS: SpatialSearch = SpatialSearch::Grid { shifts: 1, angles: 31 };
const SHIFTS: SpatialSearch = SpatialSearch::Grid { shifts: 5, angles: 1 };

/// Those on ImageNet by name. Radii of L∞ are in 255ths (4 is RobustBench's); those of L2 are for 224 pixels and grow with the side.
pub(super) const IMAGENET: &[(&str, Task)] = &[
    ("fgsm-linf-4", Task::Fgsm(linf(4.0))),
    ("pgd-linf-0.5", testbed(linf(0.5))),
    ("pgd-linf-2", testbed(linf(2.0))),
    ("pgd-l2-0.1", testbed(l2(0.1))),
    ("pgd-l2-0.5", testbed(l2(0.5))),
    ("apgd-ce-linf-4", Task::ApgdCrossEntropy(linf(4.0))),
    ("apgd-t-linf-4", Task::ApgdTargeted(linf(4.0))),
    ("square-linf-4", Task::Square(linf(4.0))),
    ("spatial-random", Task::Spatial(SpatialSearch::WorstOf(1))),
    ("spatial-worst-of-10", Task::Spatial(SpatialSearch::WorstOf(10))),
    ("spatial-grid", Task::Spatial(SpatialSearch::GRID)),
    ("spatial-grid-shifts", Task::Spatial(SHIFTS)),
    ("spatial-grid-turns", Task::Spatial(TURNS)),
    ("spatial-vote-of-10", Task::Vote),
    ("lpa-alexnet-0.5", Task::Lagrangian { bound: 0.5 }),
];

/// Those on CIFAR-10: RobustBench's radii, 8/255 and 0.5, and the weak PGD of PixMix, 20 steps of a quarter of 2/255.
pub(super) const CIFAR_10: &[(&str, Task)] = &[
    ("fgsm-linf-8", Task::Fgsm(linf(8.0))),
    ("pgd-linf-2", Task::Pgd(linf(2.0), 20, 0.25)),
    ("apgd-ce-linf-8", Task::ApgdCrossEntropy(linf(8.0))),
    ("apgd-t-linf-8", Task::ApgdTargeted(linf(8.0))),
    ("square-linf-8", Task::Square(linf(8.0))),
    ("apgd-ce-l2-0.5", Task::ApgdCrossEntropy(l2(0.5))),
    ("apgd-t-l2-0.5", Task::ApgdTargeted(l2(0.5))),
    ("square-l2-0.5", Task::Square(l2(0.5))),
    ("spatial-random", Task::Spatial(SpatialSearch::WorstOf(1))),
    ("spatial-worst-of-10", Task::Spatial(SpatialSearch::WorstOf(10))),
    ("spatial-grid", Task::Spatial(SpatialSearch::GRID)),
    ("spatial-grid-shifts", Task::Spatial(SHIFTS)),
    ("spatial-grid-turns", Task::Spatial(TURNS)),
    ("spatial-vote-of-10", Task::Vote),
];

impl Task {
    /// The same with a radius in L2 for images of other than 224 pixels.
    pub(super) fn for_side(self, side: u32) -> Self {
        let scaled = |ball: Ball| match ball.norm {
            Norm::Linf => ball,
            Norm::L2 => Ball { eps: ball.eps * f64::from(side) / 224.0, ..ball },
        };
        match self {
            Self::Pgd(ball, steps, share) => Self::Pgd(scaled(ball), steps, share),
            task => task,
        }
    }

    /// Whether each image (N) is classified right in spite of it. `distance` is what bounds LPA.
    pub(super) fn held(
        self,
        victim: ModelVictim<'_>,
        distance: Option<&PerceptualDistance<'_>>,
        images: &Tensor,
        labels: &Tensor,
        generator: &mut Generator,
    ) -> Result<Tensor, Error> {
        let limits = SpatialLimits::for_side(u32::try_from(images.size()[3]).unwrap_or(u32::MAX));
        let attack: Box<dyn Attack + '_> = match self {
            Self::Fgsm(ball) => Box::new(Pgd { ball, steps: 1, step_size: ball.eps, random_start: false }),
            Self::Pgd(ball, steps, share) => {
                Box::new(Pgd { ball, steps, step_size: share * ball.eps, random_start: true })
            }
            Self::ApgdCrossEntropy(ball) => Box::new(Apgd::cross_entropy(ball)),
            Self::ApgdTargeted(ball) => Box::new(Apgd::targeted(ball)),
            Self::Square(ball) => Box::new(Square::new(ball)),
            Self::Spatial(search) => Box::new(Spatial { limits, search }),
            Self::Vote => {
                return Ok(majority_vote(&victim, images, limits, VOTES, generator)?.f_eq_tensor(labels)?);
            }
            Self::Lagrangian { bound } => {
                let missing = || Error::Attack { problem: "there is no network to bound LPA by".into() };
                Box::new(LagrangianPerceptual::new(distance.ok_or_else(missing)?, bound))
            }
        };
        Ok(attack.run(&victim, images, labels, generator)?.robust)
    }

    /// What is done, for the protocol.
    pub(super) fn protocol(self, side: u32) -> String {
        let SpatialLimits { shift, degrees } = SpatialLimits::for_side(side);
        let within = |tried: String| {
            format!(
                "shifts of at most {shift} pixels, turns of at most {degrees} degrees, {tried}, black around"
            )
        };
        match self {
            Self::Fgsm(ball) => format!("one step of {}", radius(ball)),
            Self::Pgd(ball, steps, share) => {
                format!("{}, {steps} steps of {} % of it, random start", radius(ball), share * 100.0)
            }
            Self::ApgdCrossEntropy(ball) => format!("{}, 100 steps, one run", radius(ball)),
            Self::ApgdTargeted(ball) => format!("{}, 9 targets of 100 steps each", radius(ball)),
            Self::Square(ball) => format!("{}, 5000 queries, p_init 0.8", radius(ball)),
            Self::Spatial(SpatialSearch::WorstOf(count)) => within(format!("the worst of {count} drawn")),
            Self::Spatial(SpatialSearch::Grid { shifts, angles }) => {
                within(format!("a grid of {shifts} x {shifts} x {angles}"))
            }
            Self::Vote => within(format!("the majority of {VOTES} drawn decides: no attack")),
            Self::Lagrangian { bound } => {
                let (rounds, steps) = (LagrangianPerceptual::ROUNDS, LagrangianPerceptual::STEPS);
                format!(
                    "the root of LPIPS's baseline on AlexNet at most {bound}, {rounds} rounds of {steps} steps"
                )
            }
        }
    }
}

/// A radius in words: of L∞ in 255ths.
pub(super) fn radius(ball: Ball) -> String {
    match ball.norm {
        Norm::Linf => format!("L-infinity {}/255", ball.eps * 255.0),
        Norm::L2 => format!("L2 {}", (ball.eps * 1e4).round() / 1e4),
    }
}

//! The Lagrangian Perceptual Attack against the authors' package (fixtures/golden/robustness/lagrangian.py), and what it promises.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

#[path = "support/network.rs"]
mod network;

use network::{COUNT, Network, image};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use visrep_models::{Model, ModelOptions};
use visrep_perceptual::{Lpips, LpipsHeads, LpipsNet, LpipsVersion, PerceptualDistance, PixelRange};
use visrep_robustness::Error;
use visrep_robustness::attack::{Adversarial, Attack as _, Embedding, LagrangianPerceptual, Victim};
use visrep_torch::Generator;

/// The two convolutions of the network, by the formula of the paper.
impl Embedding for Network {
    fn embed(&self, images: &Tensor) -> Result<Tensor, Error> {
        let first = images.conv2d(&self.weights[0], Some(&self.biases[0]), 2, 1, 1, 1).relu();
        let second = first.conv2d(&self.weights[1], Some(&self.biases[1]), 2, 1, 1, 1).relu();
        let row = |tap: Tensor| {
            let positions = (tap.size()[2] * tap.size()[3]) as f64;
            let norm = tap.square().sum_dim_intlist([1].as_slice(), true, Kind::Float).sqrt() + 1e-10;
            (tap / norm / positions.sqrt()).flatten(1, -1)
        };
        Ok(Tensor::cat(&[row(first), row(second)], 1))
    }
}

fn images() -> Tensor {
    image("images") * 0.8 + 0.1
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../fixtures/golden/robustness/lagrangian.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn labels() -> Tensor {
    Tensor::from_slice(&numbers(&golden()["labels"])).to_kind(Kind::Int64)
}

fn attack(embedding: &dyn Embedding, bound: f64) -> LagrangianPerceptual<'_> {
    LagrangianPerceptual { steps: 10, ..LagrangianPerceptual::new(embedding, bound) }
}

fn distances(embedding: &dyn Embedding, a: &Tensor, b: &Tensor) -> Vec<f64> {
    let change = embedding.embed(a).unwrap() - embedding.embed(b).unwrap();
    Vec::try_from(change.norm_scalaropt_dim(2.0, [1].as_slice(), false).to_kind(Kind::Double)).unwrap()
}

fn fooled(found: &Adversarial) -> Vec<bool> {
    Vec::try_from(found.robust.logical_not()).unwrap()
}

#[test]
fn what_the_package_fools_within_the_bound_is_fooled() {
    let (network, images, labels) = (Network::new(), images(), labels());
    for row in golden()["rows"].as_array().unwrap() {
        let bound = row["bound"].as_f64().unwrap();
        let found = attack(&network, bound).run(&network, &images, &labels, &mut Generator::new(7)).unwrap();
        let theirs = numbers(&row["fooled"]).into_iter().zip(numbers(&row["distances"]));
        for (image, (ours, (theirs, distance))) in fooled(&found).into_iter().zip(theirs).enumerate() {
            assert!(ours || theirs == 0.0 || distance > bound, "bound {bound}, image {image}");
        }
    }
}

#[test]
fn it_keeps_the_bound_and_the_range_and_says_what_is_so() {
    let (network, images, labels) = (Network::new(), images(), labels());
    let mut last = 0;
    for bound in [0.0, 0.02, 0.05, 0.08] {
        let found = attack(&network, bound).run(&network, &images, &labels, &mut Generator::new(7)).unwrap();
        assert!(found.images.min().double_value(&[]) >= 0.0 && found.images.max().double_value(&[]) <= 1.0);
        for distance in distances(&network, &found.images, &images) {
            assert!(distance <= bound + 1e-5, "{bound}: {distance}");
        }
        let right = network.logits(&found.images).unwrap().argmax(1, false).eq_tensor(&labels);
        assert_eq!(right, found.robust, "{bound}");
        let count = COUNT - found.robust_count().unwrap();
        assert!(count >= last, "a wider bound leaves no more: {bound}");
        last = count;
    }
    assert!(last > COUNT / 2, "{last}");
}

#[test]
fn it_raises_the_margin_and_is_of_its_seed() {
    let (network, images, labels) = (Network::new(), images(), labels());
    let run = |seed: i64| {
        attack(&network, 0.05).run(&network, &images, &labels, &mut Generator::new(seed)).unwrap().images
    };
    let (found, again, other) = (run(7), run(7), run(8));
    assert_eq!(found, again);
    assert_ne!(found, other);
    let margin = |images: &Tensor| {
        let logits = network.logits(images).unwrap();
        let label = logits.gather(1, &labels.unsqueeze(1), false);
        let others = logits.scatter_value(1, &labels.unsqueeze(1), -1e9).amax([1].as_slice(), true);
        others - label
    };
    let risen = margin(&found).gt_tensor(&margin(&images));
    // Of one the label is wrong: it stays as it is.
    assert_eq!(risen.sum(Kind::Int64).int64_value(&[]), COUNT - 1);
    assert_eq!(found.get(3), images.get(3));
}

#[test]
fn what_cannot_be_attacked_is_refused() {
    let (network, images, labels) = (Network::new(), images(), labels());
    let run = |images: &Tensor, attack: LagrangianPerceptual<'_>| {
        attack.run(&network, images, &labels, &mut Generator::new(0)).unwrap_err().to_string()
    };
    for bound in [-0.1, f64::NAN, f64::INFINITY] {
        let error = run(&images, attack(&network, bound));
        assert!(error.contains("the bound must be a number of at least 0"), "{error}");
    }
    let error = run(&(&images * 255.0), attack(&network, 0.5));
    assert!(error.contains("before normalisation"), "{error}");
    let flat = |images: &Tensor| -> Result<Tensor, Error> { Ok(images.flatten(0, -1)) };
    let error = run(&images, attack(&flat, 0.5));
    assert!(error.contains("must have a row for each"), "{error}");
    let broken = |images: &Tensor| -> Result<Tensor, Error> { Ok(images.flatten(1, -1) * f64::NAN) };
    let found = attack(&broken, 0.5).run(&network, &images, &labels, &mut Generator::new(0)).unwrap();
    assert_eq!(found.images, images, "what has no distance is not changed");
}

#[test]
fn distances_of_embeddings_are_the_roots_of_the_distances() {
    let options = ModelOptions { num_classes: Some(0), seed: Some(1), ..Default::default() };
    let trunk = || Model::create("alexnet", &options).unwrap();
    let [a, b] = [0, 1].map(|seed| {
        let images = Tensor::empty([2, 3, 64, 64], (Kind::Float, Device::Cpu));
        Generator::new(seed).uniform_(&images, 0.0, 1.0).unwrap();
        images
    });
    let near = |found: Vec<f64>, expected: Tensor| {
        let expected = Vec::<f64>::try_from(expected.sqrt().to_kind(Kind::Double)).unwrap();
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5 * expected, "{found} {expected}");
        }
    };
    let model = trunk();
    let distance = PerceptualDistance::new(&model, LpipsNet::Alex.taps()).unwrap();
    let standard = |images: &Tensor| model.preprocessing().standardize(images).unwrap();
    near(distances(&distance, &a, &b), distance.distance(&standard(&a), &standard(&b)).unwrap());
    let heads = |sign: f64| {
        let weights = LpipsHeads::random(LpipsNet::Alex, 2).unwrap();
        let weights = weights.weights().iter().map(|weight| weight.abs() * sign).collect();
        LpipsHeads::from_tensors(LpipsNet::Alex, weights).unwrap()
    };
    let lpips = Lpips::new(LpipsNet::Alex, LpipsVersion::V0_1, trunk(), heads(1.0)).unwrap();
    near(distances(&lpips, &a, &b), lpips.distance(&a, &b, PixelRange::ZeroToOne).unwrap().detach());
    let negative = Lpips::new(LpipsNet::Alex, LpipsVersion::V0_1, trunk(), heads(-1.0)).unwrap();
    let error = negative.embed(&a).unwrap_err().to_string();
    assert!(error.contains("needs weights of at least 0"), "{error}");
}

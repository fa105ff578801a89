//! A checkpointed piece gives the gradients of the plain one, and keeps less for them.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tch::{Device, Kind, Tensor};
use visrep_torch::{Error, checkpoint, recomputing};

const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Lets one test at a time use the process's random generator, which a second run sets back and forth.
fn alone() -> MutexGuard<'static, ()> {
    static TESTS: Mutex<()> = Mutex::new(());
    TESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A linear map, a nonlinearity and dropout.
struct Block {
    weight: Tensor,
    bias: Tensor,
}

impl Block {
    fn new(seed: f64, width: i64) -> Self {
        let wave = |shape: &[i64], phase: f64| {
            let count = shape.iter().product::<i64>();
            (Tensor::arange(count, OPTIONS) * 0.37 + phase).sin().view(shape).set_requires_grad(true)
        };
        Self { weight: wave(&[width, width], seed), bias: wave(&[width], seed + 0.5) }
    }

    fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.shallow_clone() }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?.f_tanh()?.f_dropout(0.4, true)?)
    }

    fn checkpointed(&self, x: &Tensor) -> Result<Tensor, Error> {
        let block = self.share();
        checkpoint([x], move |[x]| block.forward(&x))
    }
}

fn blocks() -> Vec<Block> {
    (0..3u8).map(|i| Block::new(f64::from(i), 6)).collect()
}

fn input(needs_gradients: bool) -> Tensor {
    (Tensor::arange(24, OPTIONS) * 0.11).cos().view([4, 6]).set_requires_grad(needs_gradients)
}

/// Backward of a scalar, and the gradients of the input (empty if it needs none) and of every parameter.
fn gradients(y: &Tensor, x: &Tensor, blocks: &[Block]) -> Vec<Tensor> {
    (y * input(false)).sum(Kind::Float).f_backward().unwrap();
    let parameters = blocks.iter().flat_map(|block| [&block.weight, &block.bias]);
    x.requires_grad().then_some(x).into_iter().chain(parameters).map(Tensor::grad).collect()
}

fn assert_same(plain: &[Tensor], other: &[Tensor]) {
    assert_eq!(plain.len(), other.len());
    for (plain, other) in plain.iter().zip(other) {
        assert!(other.defined());
        assert!(plain.abs().sum(Kind::Float).double_value(&[]) > 0.0);
        assert_eq!(plain, other);
    }
}

#[test]
fn gradients_equal_the_plain_ones_with_dropout_in_a_chain() {
    let _alone = alone();
    for needs_gradients in [true, false] {
        let (plain, other) = (blocks(), blocks());
        let (x, x2) = (input(needs_gradients), input(needs_gradients));
        tch::manual_seed(5);
        let y = plain.iter().try_fold(x.shallow_clone(), |x, block| block.forward(&x)).unwrap();
        let after = Tensor::rand([3], OPTIONS);
        tch::manual_seed(5);
        let y2 = other.iter().try_fold(x2.shallow_clone(), |x, block| block.checkpointed(&x)).unwrap();
        assert_eq!(Tensor::rand([3], OPTIONS), after, "the first runs drew as many numbers");
        assert_eq!(y, y2);
        tch::manual_seed(9);
        let expected = gradients(&y, &x, &plain);
        let next = Tensor::rand([3], OPTIONS);
        tch::manual_seed(9);
        assert_same(&expected, &gradients(&y2, &x2, &other));
        assert_eq!(Tensor::rand([3], OPTIONS), next, "the random state is put back after the second run");
    }
}

#[test]
fn checkpoints_nest() {
    let _alone = alone();
    let (plain, other) = (blocks(), blocks());
    let (x, x2) = (input(true), input(true));
    tch::manual_seed(5);
    let y = plain.iter().try_fold(x.shallow_clone(), |x, block| block.forward(&x)).unwrap();
    tch::manual_seed(5);
    let inner: Vec<Block> = other.iter().map(Block::share).collect();
    let y2 =
        checkpoint([&x2], move |[x]| inner.iter().try_fold(x, |x, block| block.checkpointed(&x))).unwrap();
    assert_same(&gradients(&y, &x, &plain), &gradients(&y2, &x2, &other));
}

#[test]
fn several_inputs_get_their_gradients_and_accumulate() {
    let _alone = alone();
    let product = |[a, b, c]: [Tensor; 3]| Ok::<_, Error>(a.f_mul(&b)?.f_add(&c)?.f_sin()?);
    let make = || [input(true), input(false).square().set_requires_grad(true), input(false)];
    let [a, b, c] = make();
    let y = product([a.shallow_clone(), b.shallow_clone(), c]).unwrap() + &a;
    y.sum(Kind::Float).backward();
    let [a2, b2, c2] = make();
    let y2 = checkpoint([&a2, &b2, &c2], product).unwrap() + &a2;
    y2.sum(Kind::Float).backward();
    assert_eq!((a.grad(), b.grad()), (a2.grad(), b2.grad()));
    assert!(!c2.grad().defined());
}

#[test]
fn the_closure_runs_once_forward_and_once_backward_which_it_can_tell() {
    let _alone = alone();
    let runs = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let count = Arc::clone(&runs);
    let weight = input(true);
    let captured = weight.shallow_clone();
    let y = checkpoint([&input(false)], move |[x]| {
        count[usize::from(recomputing())].fetch_add(1, SeqCst);
        let y = x.f_mul(&captured)?;
        assert_eq!(y.requires_grad(), recomputing(), "the first run records nothing");
        Ok::<_, Error>(y)
    })
    .unwrap();
    assert_eq!(runs.each_ref().map(|count| count.load(SeqCst)), [1, 0]);
    y.sum(Kind::Float).backward();
    assert_eq!(runs.each_ref().map(|count| count.load(SeqCst)), [1, 1]);
    assert!(!recomputing());
    assert_eq!(weight.grad(), input(false));
}

#[test]
fn without_gradients_it_is_the_closure() {
    let _alone = alone();
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    let y = tch::no_grad(|| {
        checkpoint([&input(true)], move |[x]| {
            let _held = &held;
            Ok::<_, Error>(x.f_sin()?)
        })
    })
    .unwrap();
    assert!(!y.requires_grad());
    assert_eq!(Arc::strong_count(&dropped), 1, "the closure is not kept");
}

/// Counts the tensors that the closure made and that are still alive, by what their file has of references.
#[test]
fn activations_are_not_kept() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers");
    std::fs::write(&path, [0u8; 64]).unwrap();
    // Each run takes one tensor of the map, which counts it, and multiplication saves it for its gradient.
    let map = visrep_torch::MappedFile::open(&path).unwrap();
    let piece = |map: &Arc<visrep_torch::MappedFile>, x: &Tensor| {
        let factor = map.tensor(0, &[4], Kind::Float)?;
        Ok::<_, Error>(x.f_mul(&factor)?)
    };
    let x = Tensor::ones([4], OPTIONS).set_requires_grad(true);
    let plain = piece(&map, &x).unwrap();
    assert_eq!(Arc::strong_count(&map), 2, "a plain graph keeps the factor");
    drop(plain);
    assert_eq!(Arc::strong_count(&map), 1);
    let weak = Arc::downgrade(&map);
    let y = checkpoint([&x], move |[x]| piece(&map, &x)).unwrap();
    assert_eq!(weak.strong_count(), 1, "a checkpoint keeps the closure alone");
    y.sum(Kind::Float).backward();
    assert_eq!(weak.strong_count(), 0, "a used graph lets go of the closure");
}

#[test]
fn a_graph_that_was_never_used_lets_go_of_the_closure() {
    let _alone = alone();
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let y = checkpoint([&input(true)], move |[x]| {
        let _held = &held;
        Ok::<_, Error>(x.f_sin()?)
    })
    .unwrap();
    assert_eq!(weak.strong_count(), 1);
    drop(y);
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn errors_of_the_first_run_are_the_callers() {
    let _alone = alone();
    let error = checkpoint([&input(true)], |[x]| Ok::<_, Error>(x.f_view([7])?)).unwrap_err();
    assert!(matches!(error, Error::Tch(_)), "{error}");
    assert!(input(true).sin().requires_grad(), "gradients are recorded as before");
}

#[test]
fn errors_and_panics_of_the_second_run_are_those_of_backward() {
    let _alone = alone();
    let backward = |fail: fn() -> Result<(), Error>| {
        let y = checkpoint([&input(true)], move |[x]| {
            if recomputing() {
                fail()?;
            }
            Ok::<_, Error>(x.f_sin()?)
        })
        .unwrap();
        let message = y.sum(Kind::Float).f_backward().unwrap_err().to_string();
        assert!(!recomputing());
        assert!(input(true).sin().requires_grad());
        message
    };
    let message = backward(|| Err(Error::UnknownDevice { text: "abacus".into() }));
    assert!(message.contains("`abacus` is no device"), "{message}");
    let message = backward(|| panic!("seven {}", "ate nine"));
    assert!(message.contains("panicked: seven ate nine"), "{message}");
}

#[test]
fn a_closure_that_changes_its_mind_is_an_error() {
    let _alone = alone();
    let y = checkpoint([&input(true)], |[x]| {
        Ok::<_, Error>(if recomputing() { x.f_narrow(0, 0, 2)? } else { x.f_sin()? })
    })
    .unwrap();
    let message = y.sum(Kind::Float).f_backward().unwrap_err().to_string();
    assert!(message.contains("[2, 6]") && message.contains("[4, 6]"), "{message}");
}

#[test]
fn what_it_cannot_do_is_an_error() {
    let _alone = alone();
    let x = input(true);
    let sine = || checkpoint([&x], |[x]| Ok::<_, Error>(x.f_sin()?)).unwrap().sum(Kind::Float);
    let message = Tensor::f_run_backward(&[sine()], &[&x], false, false).unwrap_err().to_string();
    assert!(message.contains("without a list of tensors"), "{message}");
    let y = sine();
    y.backward();
    let message = y.f_backward().unwrap_err().to_string();
    assert!(message.contains("second time"), "{message}");
    let mut changed = input(false) + 1.0;
    let y = checkpoint([&changed, &x], |[a, b]| Ok::<_, Error>(a.f_mul(&b)?)).unwrap();
    let _ = changed.fill_(0.0);
    let message = y.sum(Kind::Float).f_backward().unwrap_err().to_string();
    assert!(message.contains("modified by an inplace operation"), "{message}");
}

#[test]
fn inputs_are_not_for_changing() {
    let _alone = alone();
    let x = input(false);
    let error = checkpoint([&input(true), &x], |[a, mut b]| {
        let _ = b.f_mul_scalar_(2.0)?;
        Ok::<_, Error>(a.f_mul(&b)?)
    });
    let message = error.unwrap_err().to_string();
    assert!(message.contains("changed its input 1 in place"), "{message}");
}

#[test]
fn no_inputs_are_enough() {
    let _alone = alone();
    let weight = input(true);
    let used = weight.shallow_clone();
    let y = checkpoint([], move |[]| Ok::<_, Error>(used.f_square()?)).unwrap().sum(Kind::Float);
    y.backward();
    assert_eq!(weight.grad(), input(false) * 2.0);
    let message = y.f_backward().unwrap_err().to_string();
    assert!(message.contains("second time"), "{message}");
}

#[test]
fn an_output_that_is_an_input_or_a_view_of_one_is_copied() {
    let _alone = alone();
    let x = input(true);
    for piece in [|[x]: [Tensor; 1]| Ok::<_, Error>(x), |[x]: [Tensor; 1]| Ok(x.f_reshape([6, 4])?)] {
        let mut x = x.shallow_clone();
        x.zero_grad();
        let mut y = checkpoint([&x], piece).unwrap();
        assert_ne!(y.data_ptr(), x.data_ptr());
        (&y * 2.0).sum(Kind::Float).backward();
        assert_eq!(x.grad(), x.ones_like() * 2.0);
        let _ = y.detach_().fill_(0.0);
        assert_eq!(x.detach(), input(false));
    }
}

#[test]
fn numbers_without_gradients_pass() {
    let _alone = alone();
    let y = checkpoint([&input(true)], |[x]| Ok::<_, Error>(x.f_argmax(1, false)?)).unwrap();
    assert_eq!((y.kind(), y.requires_grad()), (Kind::Int64, false));
    let frozen = checkpoint([&input(false)], |[x]| Ok::<_, Error>(x.f_sin()?)).unwrap();
    frozen.sum(Kind::Float).f_backward().unwrap();
}

#[test]
fn no_tensor_is_no_output() {
    let _alone = alone();
    let none = |[_]: [Tensor; 1]| Ok::<_, Error>(Tensor::new());
    assert!(checkpoint([&input(true)], none).is_err());
    assert!(checkpoint([], |[]| Ok::<_, Error>(Tensor::new())).is_err());
    let later = |[x]: [Tensor; 1]| Ok::<_, Error>(if recomputing() { Tensor::new() } else { x.f_sin()? });
    let y = checkpoint([&input(true)], later).unwrap();
    assert!(y.sum(Kind::Float).f_backward().is_err());
}

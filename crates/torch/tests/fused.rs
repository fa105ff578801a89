//! A fused step changes parameters as the plain formulas do.
#![allow(clippy::unwrap_used)]

use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor};
use visrep_torch::{AdamWState, AdamWStep, Error, SgdStep, channels_last, fused_adamw_, fused_sgd_};

const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

/// What is computed in each kind may differ from the formula in `Double` by so much, after four steps.
const KINDS: [(Kind, f64); 2] = [(Kind::Float, 2e-7), (Kind::Double, 1e-14)];

/// A matrix, a vector, a number, and convolution weights with their channels last in memory.
fn parameters(kind: Kind) -> Vec<Tensor> {
    let numbers = |count: i64| (Tensor::arange(count, OPTIONS) * 0.7).sin().to_kind(kind);
    let convolution = channels_last(&numbers(4 * 3 * 3 * 3).view([4, 3, 3, 3])).unwrap();
    [numbers(35).view([5, 7]), numbers(19), Tensor::from(0.5f32).to_kind(kind), convolution]
        .map(|tensor| tensor.set_requires_grad(true))
        .into()
}

/// Gradients of step `t`; that of the convolution lies in another memory order than its parameter.
fn gradients(kind: Kind, t: f64) -> Vec<Tensor> {
    let wave = |tensor: &Tensor| (tensor.detach().contiguous() * 3.0 + t).cos();
    parameters(kind).iter().map(wave).collect()
}

fn zeros(kind: Kind) -> Vec<Tensor> {
    parameters(kind).iter().map(|tensor| tensor.detach().zeros_like()).collect()
}

fn steps() -> Vec<Tensor> {
    parameters(Kind::Float).iter().map(|_| Tensor::from(0f32)).collect()
}

fn doubles(list: &[Tensor]) -> Vec<Tensor> {
    list.iter().map(|tensor| tensor.detach().contiguous().to_kind(Kind::Double).copy()).collect()
}

/// The largest difference between two lists.
fn difference(list: &[Tensor], expected: &[Tensor]) -> f64 {
    let pairs = list.iter().zip(expected);
    pairs
        .map(|(x, y)| (x.detach().to_kind(Kind::Double) - y).abs().max().double_value(&[]))
        .fold(0.0, f64::max)
}

const ADAMW: AdamWStep = AdamWStep { lr: 0.01, betas: [0.9, 0.95], eps: 1e-8, weight_decay: 0.1 };
const SGD: SgdStep = SgdStep { lr: 0.05, momentum: 0.9, weight_decay: 0.01, nesterov: false };

#[test]
fn adamw_is_the_formula() {
    for (kind, tolerance) in KINDS {
        let (mut list, mut first, mut second) = (parameters(kind), zeros(kind), zeros(kind));
        let mut steps = steps();
        let (mut expected, mut m, mut v) = (doubles(&list), doubles(&first), doubles(&second));
        let initial = doubles(&list);
        for t in 1..=4u8 {
            let slopes = gradients(kind, f64::from(t));
            let state = AdamWState { exp_avgs: &mut first, exp_avg_sqs: &mut second, steps: &mut steps };
            fused_adamw_(&mut list, &slopes, state, &ADAMW).unwrap();
            let [b1, b2] = ADAMW.betas;
            for (i, slope) in doubles(&slopes).iter().enumerate() {
                m[i] = &m[i] * b1 + slope * (1.0 - b1);
                v[i] = &v[i] * b2 + slope * slope * (1.0 - b2);
                let spread = (&v[i] / (1.0 - b2.powi(t.into()))).sqrt() + ADAMW.eps;
                let direction = &m[i] / (1.0 - b1.powi(t.into())) / spread;
                expected[i] = &expected[i] * (1.0 - ADAMW.lr * ADAMW.weight_decay) - direction * ADAMW.lr;
            }
        }
        let found = [difference(&list, &expected), difference(&first, &m), difference(&second, &v)];
        assert!(found.iter().all(|error| *error < tolerance), "{kind:?}: {found:?}");
        assert!(steps.iter().all(|step| step.double_value(&[]) == 4.0));
        assert!(difference(&list, &initial) > 0.03, "something happened");
        assert!(list.iter().all(Tensor::requires_grad));
    }
}

/// tch's own optimiser, a loop over the parameters of plain operations.
#[test]
fn adamw_is_the_plain_step_of_tch() {
    let store = nn::VarStore::new(Device::Cpu);
    let (mut list, mut first, mut second) = (parameters(Kind::Float), zeros(Kind::Float), zeros(Kind::Float));
    let mut steps = steps();
    let plain: Vec<Tensor> =
        list.iter().enumerate().map(|(i, p)| store.root().var_copy(&format!("p{i}"), &p.detach())).collect();
    let ([beta1, beta2], AdamWStep { lr, eps, weight_decay, .. }) = (ADAMW.betas, ADAMW);
    let config = nn::AdamW { beta1, beta2, wd: weight_decay, eps, amsgrad: false };
    let mut optimizer = config.build(&store, lr).unwrap();
    for t in 1..=3u8 {
        let slopes = gradients(Kind::Float, f64::from(t));
        let state = AdamWState { exp_avgs: &mut first, exp_avg_sqs: &mut second, steps: &mut steps };
        fused_adamw_(&mut list, &slopes, state, &ADAMW).unwrap();
        optimizer.zero_grad();
        for (parameter, slope) in plain.iter().zip(&slopes) {
            (parameter * slope).sum(Kind::Float).backward();
        }
        optimizer.step();
        let error = difference(&list, &doubles(&plain));
        assert!(error <= 1e-7, "step {t}: {error}");
    }
}

#[test]
fn sgd_is_the_formula() {
    let momenta = [(0.0, false), (0.9, false), (0.9, true)];
    for ((kind, tolerance), (momentum, nesterov)) in
        KINDS.into_iter().flat_map(|kind| momenta.map(|m| (kind, m)))
    {
        let step = SgdStep { momentum, nesterov, ..SGD };
        let (mut list, mut buffers) = (parameters(kind), zeros(kind));
        let (mut expected, mut direction) = (doubles(&list), doubles(&buffers));
        let initial = doubles(&list);
        for t in 1..=4u8 {
            let slopes = gradients(kind, f64::from(t));
            let kept = if momentum == 0.0 { &mut [][..] } else { &mut buffers[..] };
            fused_sgd_(&mut list, &slopes, kept, &step).unwrap();
            for (i, slope) in doubles(&slopes).iter().enumerate() {
                let slope = slope + &expected[i] * step.weight_decay;
                direction[i] = &direction[i] * momentum + &slope;
                let ahead = if nesterov { slope + &direction[i] * momentum } else { direction[i].copy() };
                expected[i] = &expected[i] - ahead * step.lr;
            }
        }
        let error = difference(&list, &expected);
        assert!(error < tolerance, "{kind:?}: {error}");
        assert!(difference(&list, &initial) > 0.03, "something happened");
    }
}

#[test]
fn no_parameters_are_no_work() {
    let state = AdamWState { exp_avgs: &mut [], exp_avg_sqs: &mut [], steps: &mut [] };
    fused_adamw_(&mut [], &[], state, &ADAMW).unwrap();
    fused_sgd_(&mut [], &[], &mut [], &SGD).unwrap();
}

/// Changes the arguments of a step, and gives the message of the error, having seen that nothing else changed.
fn refused(
    change: impl FnOnce(&mut Vec<Tensor>, &mut Vec<Tensor>, &mut Vec<Tensor>, &mut Vec<Tensor>),
) -> String {
    let (mut list, mut slopes, mut first, mut second) =
        (parameters(Kind::Float), gradients(Kind::Float, 1.0), zeros(Kind::Float), zeros(Kind::Float));
    let mut steps = steps();
    change(&mut list, &mut slopes, &mut first, &mut steps);
    let before = doubles(&list);
    let state = AdamWState { exp_avgs: &mut first, exp_avg_sqs: &mut second, steps: &mut steps };
    let error: Error = fused_adamw_(&mut list, &slopes, state, &ADAMW).unwrap_err();
    assert_eq!(difference(&list, &before), 0.0);
    assert_eq!(difference(&second, &doubles(&zeros(Kind::Float))), 0.0);
    assert!(steps.iter().all(|step| step.sum(Kind::Float).double_value(&[]) == 0.0));
    error.to_string()
}

#[test]
fn what_does_not_belong_together_is_refused_and_nothing_is_changed() {
    let message = refused(|_, slopes, _, _| drop(slopes.pop()));
    assert!(message.contains("4 tensors") && message.contains('3'), "{message}");
    let message = refused(|_, slopes, _, _| slopes[1] = slopes[1].narrow(0, 0, 7));
    assert!(message.contains("gradient 1") && message.contains("[19]"), "{message}");
    let message = refused(|_, slopes, _, _| slopes[0] = slopes[0].to_kind(Kind::BFloat16));
    assert!(message.contains("gradient 0") && message.contains("BFloat16"), "{message}");
    let message = refused(|_, _, first, _| first[3] = first[3].contiguous());
    assert!(message.contains("exp_avg 3") && message.contains("strides"), "{message}");
    let message =
        refused(|list, _, _, _| list[0] = list[0].narrow(1, 0, 7).transpose(0, 1).expand([7, 5], false));
    assert!(message.contains("gradient 0"), "{message}");
    let message = refused(|list, slopes, _, _| {
        list[1] = Tensor::zeros([38], OPTIONS).slice(0, 0, 38, 2);
        slopes[1] = Tensor::ones([19], OPTIONS);
    });
    assert!(message.contains("parameter 1") && message.contains("gaps"), "{message}");
    let message = refused(|_, _, _, steps| steps[2] = Tensor::from(0i64));
    assert!(message.contains("step count"), "{message}");
    let message = refused(|list, _, _, _| list[2] = list[2].to_kind(Kind::Int64));
    assert!(message.contains("parameter 2") && message.contains("kind"), "{message}");
}

//! What every method with a momentum teacher must do: the gradient stops at the teacher, the teacher moves by the average alone,
//! and the state is all there is. Then what sets DINO's descendants apart.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor};
use visrep_methods::{
    Batch, Centering, DinoConfig, DinoHeadConfig, Dinov2Config, Error, EsvitConfig, IbotConfig, MaskConfig,
    Method, MethodConfig, Momentum, MsnConfig, NamedTensor, ProjectorMomentumConfig, ProjectorObjective,
    RelicV2Config, SceConfig, SdsslConfig, SdsslObjective, Setup, Step, Temperature,
};

const VIT: &str = "vit_w96_patch4_16";
const RESNET: &str = "resnet18_cifar_w16";
const MOMENTUM: Momentum = Momentum { start: 0.9, end: 1.0 };

/// LibTorch's generator is one for the whole process, so tests that draw from it take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn head() -> DinoHeadConfig {
    DinoHeadConfig {
        hidden_dim: 12,
        bottleneck_dim: 6,
        output_dim: 10,
        norm_last_layer: false,
        batch_norm: false,
    }
}

fn dino() -> DinoConfig {
    let temperature = Temperature { start: 0.04, end: 0.07, warmup_epochs: 3 };
    DinoConfig {
        local_views: 2,
        teacher_temperature: temperature,
        momentum: MOMENTUM,
        head: head(),
        ..Default::default()
    }
}

fn ibot() -> IbotConfig {
    let DinoConfig { local_views, teacher_temperature, momentum, head, .. } = dino();
    let (teacher_patch_temperature, mask) =
        (teacher_temperature, MaskConfig { probability: 0.7, ..Default::default() });
    IbotConfig {
        local_views,
        teacher_temperature,
        teacher_patch_temperature,
        mask,
        momentum,
        head,
        ..Default::default()
    }
}

fn dinov2() -> Dinov2Config {
    let DinoConfig { local_views, teacher_temperature, momentum, head, .. } = dino();
    let patch_head = DinoHeadConfig { output_dim: 8, ..head.clone() };
    Dinov2Config { local_views, teacher_temperature, momentum, head, patch_head, ..Default::default() }
}

fn esvit() -> EsvitConfig {
    let DinoConfig { local_views, teacher_temperature, momentum, head, .. } = dino();
    EsvitConfig { local_views, teacher_temperature, momentum, head, ..Default::default() }
}

fn msn() -> MsnConfig {
    let (local_views, prototypes, hidden_dim, output_dim) = (2, 9, 12, 6);
    MsnConfig { local_views, prototypes, hidden_dim, output_dim, momentum: MOMENTUM, ..Default::default() }
}

fn sce() -> SceConfig {
    let (queue_length, hidden_dim, predictor_dim, output_dim) = (8, 12, 10, 6);
    SceConfig {
        queue_length,
        hidden_dim,
        predictor_dim,
        output_dim,
        momentum: MOMENTUM,
        ..Default::default()
    }
}

fn relic() -> RelicV2Config {
    let (large_views, local_views, negatives, hidden_dim, output_dim) = (2, 2, 2, 12, 6);
    RelicV2Config {
        large_views,
        local_views,
        negatives,
        hidden_dim,
        output_dim,
        momentum: MOMENTUM,
        ..Default::default()
    }
}

fn sdssl(objective: SdsslObjective) -> MethodConfig {
    MethodConfig::Sdssl(SdsslConfig {
        objective,
        ratio: 1.0,
        momentum: MOMENTUM,
        last_hidden_dim: 12,
        hidden_dim: 10,
        predictor_dim: 8,
        output_dim: 6,
        freeze_patch_embed: false,
    })
}

fn projector(objective: ProjectorObjective) -> MethodConfig {
    MethodConfig::ProjectorMomentum(ProjectorMomentumConfig {
        objective,
        momentum: MOMENTUM,
        projector_layers: 2,
        hidden_dim: Some(12),
        output_dim: 6,
    })
}

/// Every method, with the backbone and the sides of its views.
fn all() -> Vec<(&'static str, &'static str, MethodConfig, &'static [i64])> {
    const CROPS: &[i64] = &[16, 16, 8, 8];
    let (simclr, predicted) =
        (ProjectorObjective::Simclr { temperature: 0.2 }, ProjectorObjective::Byol { predictor_dim: 12 });
    vec![
        ("dino", VIT, MethodConfig::Dino(dino()), CROPS),
        ("dino", RESNET, MethodConfig::Dino(dino()), CROPS),
        ("ibot", VIT, MethodConfig::Ibot(ibot()), CROPS),
        ("dinov2", VIT, MethodConfig::Dinov2(dinov2()), CROPS),
        (
            "dinov2",
            VIT,
            MethodConfig::Dinov2(Dinov2Config { centering: Centering::Centering, ..dinov2() }),
            CROPS,
        ),
        ("esvit", VIT, MethodConfig::Esvit(esvit()), CROPS),
        ("esvit", RESNET, MethodConfig::Esvit(esvit()), CROPS),
        ("msn", VIT, MethodConfig::Msn(msn()), CROPS),
        ("relic-v2", RESNET, MethodConfig::RelicV2(relic()), CROPS),
        ("sce", RESNET, MethodConfig::Sce(sce()), &[16, 16]),
        (
            "sce",
            RESNET,
            MethodConfig::Sce(SceConfig { symmetric: false, predictor_dim: 0, ..sce() }),
            &[16, 16],
        ),
        ("sdssl", VIT, sdssl(SdsslObjective::MocoV3 { temperature: 0.2 }), &[16, 16]),
        ("sdssl", VIT, sdssl(SdsslObjective::Byol), &[16, 16]),
        ("projector-momentum", RESNET, projector(simclr), &[16, 16]),
        ("projector-momentum", RESNET, projector(predicted), &[16, 16]),
    ]
}

fn build(model: &str, config: &MethodConfig, seed: u64) -> Box<dyn Method> {
    config.build(&Setup { model, classes: 0, device: Device::Cpu, seed }).unwrap()
}

/// Views of `n` images of these sides, random pixels.
fn batch(n: i64, sides: &[i64]) -> Batch {
    tch::manual_seed(n);
    let view = |&side: &i64| Tensor::randint(256, [n, side, side, 3], (Kind::Float, Device::Cpu));
    let images = sides.iter().map(|side| view(side).to_kind(Kind::Uint8)).collect();
    Batch { images, labels: vec![-1; n as usize], indices: (0..n as usize).collect() }
}

fn step(index: u64) -> Step {
    Step { index, total: 100, epoch: index / 10, log: true }
}

/// The loss with the generator seeded by the step, as the trainer does it.
fn loss(method: &mut dyn Method, batch: &Batch, index: u64) -> Result<visrep_methods::Loss, Error> {
    tch::manual_seed(1000 + index as i64);
    method.loss(batch, &step(index))
}

fn value(method: &mut dyn Method, batch: &Batch, index: u64) -> f64 {
    loss(method, batch, index).unwrap().value.double_value(&[])
}

fn values(named: Vec<NamedTensor>) -> BTreeMap<String, Tensor> {
    named.into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

fn apart(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

/// One step of gradient descent, up to but without `after_step`. Every parameter must have a gradient.
fn descend(method: &mut dyn Method, batch: &Batch, index: u64, lr: f64) {
    let loss = loss(method, batch, index).unwrap();
    assert!(loss.metrics.iter().all(|(_, value)| value.is_finite()), "{:?}", loss.metrics);
    let (names, mut tensors): (Vec<_>, Vec<_>) = method.parameters().into_iter().unzip();
    let gradients = Tensor::run_backward(&[&loss.value], &tensors, false, false);
    tch::no_grad(|| {
        for ((name, tensor), gradient) in names.iter().zip(&mut tensors).zip(gradients) {
            assert!(gradient.defined(), "{name} has no gradient");
            let _ = tensor.f_sub_(&(gradient * lr)).unwrap();
        }
    });
}

/// The teacher's name of a student's variable, if it has one.
fn teachers(name: &str, state: &BTreeMap<String, Tensor>) -> Option<String> {
    let (network, rest) = name.split_once('.')?;
    let candidates = match network {
        "model" => format!("teacher.{rest}"),
        _ => format!("teacher_{name}"),
    };
    let candidates = [candidates, format!("key.{name}"), format!("target.{name}")];
    candidates.into_iter().find(|candidate| state.contains_key(candidate))
}

#[test]
fn teachers_start_as_their_students_and_move_by_the_average_alone() {
    let _turn = turn();
    for (name, model, config, sides) in all() {
        let mut method = build(model, &config, 3);
        let start = values(method.state());
        let parameters: Vec<String> = method.parameters().into_iter().map(|(name, _)| name).collect();
        let pairs: Vec<(String, String)> =
            start.keys().filter_map(|name| Some((name.clone(), teachers(name, &start)?))).collect();
        // Two layers with their normalisation, where only the projector has a teacher.
        assert!(pairs.len() >= 6, "{name}: {}", pairs.len());
        for (student, teacher) in &pairs {
            assert_eq!(start[student], start[teacher], "{name}: {teacher}");
            assert!(!parameters.contains(teacher), "{name}: {teacher} is trained");
        }
        descend(method.as_mut(), &batch(4, sides), 30, 0.5);
        let stepped = values(method.state());
        let trained = || pairs.iter().filter(|(student, _)| parameters.contains(student));
        assert!(trained().any(|(student, _)| apart(&stepped[student], &start[student]) > 1e-4), "{name}");
        for (_, teacher) in trained() {
            assert_eq!(stepped[teacher], start[teacher], "{name}: the optimiser moved {teacher}");
        }
        tch::no_grad(|| method.after_step(&step(30))).unwrap();
        let (moved, m) = (values(method.state()), MOMENTUM.at(&step(30)));
        for (student, teacher) in trained() {
            let expected = &start[teacher] * m + &stepped[student] * (1.0 - m);
            assert!(apart(&moved[teacher], &expected) < 1e-6, "{name}: {teacher}");
        }
    }
}

#[test]
fn the_state_is_all_that_a_step_depends_on() {
    let _turn = turn();
    for (name, model, config, sides) in all() {
        let (mut first, mut second) = (build(model, &config, 3), build(model, &config, 4));
        let images = batch(4, sides);
        for index in 0..2 {
            descend(first.as_mut(), &images, index, 0.05);
            tch::no_grad(|| first.after_step(&step(index))).unwrap();
        }
        let fresh = value(second.as_mut(), &images, 2);
        let saved = values(first.state());
        for (key, tensor) in second.state() {
            tch::no_grad(|| tensor.shallow_clone().copy_(&saved[&key]));
        }
        assert_eq!(second.state().len(), saved.len());
        for index in 2..4 {
            let (a, b) = (value(first.as_mut(), &images, index), value(second.as_mut(), &images, index));
            assert_eq!(a, b, "{name}, step {index}");
            assert_ne!(a, fresh, "{name}");
            for method in [&mut first, &mut second] {
                tch::no_grad(|| method.after_step(&step(index))).unwrap();
            }
        }
        let (first, second) = (values(first.state()), values(second.state()));
        assert!(first.keys().eq(second.keys()));
        for (key, tensor) in &first {
            assert_eq!(*tensor, second[key], "{name}: {key}");
        }
        let sorted: Vec<_> = build(model, &config, 0).state().into_iter().map(|(key, _)| key).collect();
        assert!(sorted.is_sorted(), "{name}");
    }
}

#[test]
fn batches_and_backbones_that_do_not_fit_are_errors() {
    let _turn = turn();
    for (name, model, config, sides) in all() {
        let mut method = build(model, &config, 0);
        let expected = method.views();
        assert_eq!(expected, sides.len());
        let error = loss(method.as_mut(), &batch(4, &sides[1..]), 0).unwrap_err();
        assert!(matches!(error, Error::Views { found, .. } if found + 1 == expected), "{name}: {error}");
    }
    for config in [MethodConfig::Ibot(ibot()), MethodConfig::Dinov2(dinov2()), MethodConfig::Msn(msn())] {
        let error =
            config.build(&Setup { model: RESNET, classes: 0, device: Device::Cpu, seed: 0 }).err().unwrap();
        assert!(
            error.to_string().contains("vision transformer") && error.to_string().contains(RESNET),
            "{error}"
        );
    }
    let wrong = |config: MethodConfig| {
        config
            .build(&Setup { model: VIT, classes: 0, device: Device::Cpu, seed: 0 })
            .err()
            .unwrap()
            .to_string()
    };
    for (config, key) in [
        (MethodConfig::Dino(DinoConfig { student_temperature: 0.0, ..dino() }), "method.student_temperature"),
        (
            MethodConfig::Dino(DinoConfig { teacher_temperature: Temperature::constant(-1.0), ..dino() }),
            "teacher_temperature",
        ),
        (MethodConfig::Dino(DinoConfig { center_momentum: 1.5, ..dino() }), "center_momentum"),
        (MethodConfig::Dino(DinoConfig { momentum: Momentum::constant(2.0), ..dino() }), "momentum"),
        (
            MethodConfig::Dino(DinoConfig { head: DinoHeadConfig { output_dim: 0, ..head() }, ..dino() }),
            "output_dim",
        ),
        (MethodConfig::Ibot(IbotConfig { patch_weight: -1.0, ..ibot() }), "patch_weight"),
        (MethodConfig::Dinov2(Dinov2Config { koleo_weight: f64::NAN, ..dinov2() }), "koleo_weight"),
        (MethodConfig::Msn(MsnConfig { patch_drop: 1.0, ..msn() }), "patch_drop"),
        (MethodConfig::Msn(MsnConfig { prototypes: 0, ..msn() }), "prototypes"),
        (MethodConfig::Sce(SceConfig { contrastive_weight: 1.1, ..sce() }), "contrastive_weight"),
        (MethodConfig::Sce(SceConfig { queue_length: 0, ..sce() }), "queue_length"),
    ] {
        assert!(wrong(config).contains(key), "{key}");
    }
}

#[test]
fn without_masks_ibot_and_dinov2_are_dino() {
    let _turn = turn();
    let images = batch(4, &[16, 16, 8, 8]);
    let none = MaskConfig { probability: 0.0, ..Default::default() };
    let dinov2 =
        Dinov2Config { centering: Centering::Centering, koleo_weight: 0.0, mask: none.clone(), ..dinov2() };
    let mut methods = [
        build(VIT, &MethodConfig::Dino(dino()), 5),
        build(VIT, &MethodConfig::Ibot(IbotConfig { mask: none, ..ibot() }), 5),
        build(VIT, &MethodConfig::Dinov2(dinov2), 5),
    ];
    // The second step sees a moved centre, teacher and temperature.
    for index in [0, 11] {
        let values: Vec<f64> = methods
            .iter_mut()
            .map(|method| {
                let value = value(method.as_mut(), &images, index);
                descend(method.as_mut(), &images, index, 0.1);
                tch::no_grad(|| method.after_step(&step(index))).unwrap();
                value
            })
            .collect();
        assert!((values[0] - values[1]).abs() < 1e-5 && (values[0] - values[2]).abs() < 1e-5, "{values:?}");
    }
}

#[test]
fn the_centre_is_the_moving_mean_of_the_teachers_outputs() {
    let _turn = turn();
    let images = batch(4, &[16, 16, 8, 8]);
    let center = |momentum: f64, steps: u64| {
        let mut method =
            build(VIT, &MethodConfig::Dino(DinoConfig { center_momentum: momentum, ..dino() }), 5);
        (0..steps).for_each(|index| drop(loss(method.as_mut(), &images, index).unwrap()));
        values(method.state()).remove("center").unwrap()
    };
    let mean = center(0.0, 1);
    assert!(mean.abs().max().double_value(&[]) > 1e-4);
    assert!(apart(&center(0.9, 1), &(&mean * 0.1)) < 1e-7, "it starts at zero");
    assert!(apart(&center(0.9, 2), &(&mean * 0.19)) < 1e-6, "and moves on");
    assert_eq!(center(1.0, 2), mean.zeros_like());
}

#[test]
fn sinkhorn_has_no_centre_and_koleo_adds_to_the_loss() {
    let _turn = turn();
    let images = batch(4, &[16, 16, 8, 8]);
    let at = |koleo_weight: f64| {
        let mut method = build(VIT, &MethodConfig::Dinov2(Dinov2Config { koleo_weight, ..dinov2() }), 5);
        let value = value(method.as_mut(), &images, 0);
        let center = values(method.state()).remove("center").unwrap();
        assert_eq!(center, center.zeros_like());
        value
    };
    let (none, some, more) = (at(0.0), at(0.1), at(0.2));
    assert!(
        (some - none).abs() > 1e-3 && (more - none - 2.0 * (some - none)).abs() < 1e-4,
        "{none} {some} {more}"
    );
}

#[test]
fn masks_change_the_students_class_tokens_and_add_their_own_term() {
    let _turn = turn();
    let images = batch(8, &[32, 32, 8, 8]);
    let metrics = |probability: f64| -> BTreeMap<&'static str, f64> {
        let mask = MaskConfig { probability, ratio: [0.3, 0.5] };
        let mut method = build(VIT, &MethodConfig::Ibot(IbotConfig { mask, ..ibot() }), 5);
        loss(method.as_mut(), &images, 0).unwrap().metrics.into_iter().collect()
    };
    let (whole, masked) = (metrics(0.0), metrics(1.0));
    assert_eq!(whole["patch_loss"], 0.0);
    assert!(masked["patch_loss"] > 0.1, "{masked:?}");
    assert!((masked["class_loss"] - whole["class_loss"]).abs() > 1e-6);
    assert_eq!(masked["target_entropy"], whole["target_entropy"], "the teacher sees all");
}

#[test]
fn sce_queues_the_keys_of_its_views() {
    let _turn = turn();
    let images = batch(3, &[16, 16]);
    for (symmetric, pushed) in [(true, 6), (false, 3)] {
        let mut method = build(RESNET, &MethodConfig::Sce(SceConfig { symmetric, ..sce() }), 5);
        let start = values(method.state());
        loss(method.as_mut(), &images, 0).unwrap();
        let name = start.keys().find(|name| name.starts_with("queue") && start[*name].dim() == 2).unwrap();
        assert_eq!(values(method.state())[name], start[name], "queued after the step, not before");
        tch::no_grad(|| method.after_step(&step(0))).unwrap();
        let queue = &values(method.state())[name];
        let changed =
            (queue - &start[name]).abs().sum_dim_intlist([1i64].as_slice(), false, Kind::Float).gt(0.0);
        assert_eq!(changed.sum(Kind::Int64).int64_value(&[]), pushed);
        let lengths = queue.norm_scalaropt_dim(2.0, [1i64], false);
        assert!(apart(&lengths, &lengths.ones_like()) < 1e-5);
    }
}

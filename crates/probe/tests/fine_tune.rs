//! Fine-tuning end to end on drawn images, the published protocols, and what cannot be done.

#![allow(clippy::unwrap_used)]

mod common;

use common::{model, sgd, stripes};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor};
use visrep_augment::{BatchMix, Compose, RandomHorizontalFlip, Resize};
use visrep_data::{Dataset, InMemory, Sample, Splits};
use visrep_models::{HeadStart, Model, ModelOptions};
use visrep_probe::{
    Benchmark, Context, Error, Execution, FineTuneBenchmark, FineTunePreset, FineTuning, ImagePipeline,
    Normalisation, Pooling, fine_tune, fine_tune_selected, weights_hash,
};
use visrep_train::{AdamW, BatchScaling, Clip, Length, OptimizerConfig, Which};

/// LibTorch's generator, which drop path draws from, is one for the whole process, so runs here take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    // Such small work is faster so, whatever else runs.
    tch::set_num_threads(1);
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// VTAB's protocol, in some steps of eight images of 32 pixels.
fn quick(steps: u64) -> FineTuning {
    let mut tuning = FineTuning::vtab(ImagePipeline::squash(32).unwrap());
    tuning.batch_size = 8;
    (tuning.schedule.length, tuning.schedule.warmup) = (Length::Steps(steps), Length::Steps(2));
    tuning
}

fn execution(seed: u64) -> Execution {
    Execution { seed, workers: 2, ..Default::default() }
}

fn values(model: &Model) -> Vec<(String, Vec<f32>)> {
    let mut all: Vec<_> = model.var_store().variables().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into_iter()
        .map(|(name, tensor)| (name, Vec::try_from(tensor.detach().flatten(0, -1)).unwrap()))
        .collect()
}

#[test]
fn a_network_learns_and_the_one_it_was_made_of_stays() {
    let _turn = turn();
    let model = model(0);
    let before = weights_hash(&model).unwrap();
    let run = |seed| fine_tune(&model, stripes(20, 180), &quick(20), &execution(seed)).unwrap();
    let tuned = run(1);
    assert_eq!(weights_hash(&model).unwrap(), before);
    assert_eq!((tuned.model().num_classes(), tuned.losses().len()), (2, 20));
    assert!((tuned.losses()[0] - 2f64.ln()).abs() < 1e-6, "the classifier starts at 0: {:?}", tuned.losses());
    assert!(tuned.losses()[19] < 0.2, "{:?}", tuned.losses());
    let evaluation = tuned.evaluate(stripes(10, 220), &execution(0)).unwrap();
    assert!(evaluation.top1 > 0.9 && evaluation.probabilistic.is_some(), "{}", evaluation.top1);
    let (scores, labels) =
        tuned.predict(stripes(10, 220), &Execution { batch_size: 3, ..execution(0) }).unwrap();
    assert_eq!((scores.size(), labels.len()), (vec![10, 2], 10));

    let again = run(1);
    assert_eq!(again.losses(), tuned.losses());
    assert!(values(again.model()) == values(tuned.model()), "the seed decides everything");
    assert_ne!(run(2).losses(), tuned.losses());
    let file = tempfile::NamedTempFile::new().unwrap();
    tuned.into_model().save_weights(file.path()).unwrap();
    let (loaded, _) = Model::from_weights("resnet18_cifar_w16", file.path(), &Default::default()).unwrap();
    assert_eq!(loaded.num_classes(), 2);
}

#[test]
fn parts_of_a_batch_give_the_gradient_of_the_whole() {
    let _turn = turn();
    // Without batch normalisation, which looks at what is there.
    let options = ModelOptions { image_size: Some((32, 32)), seed: Some(0), ..Default::default() };
    let model = Model::create("vit_tiny_patch16_224", &options).unwrap();
    let mut tuning = quick(3);
    tuning.mix = Some(BatchMix::mixup(0.8).unwrap().or_cutmix(1.0, 0.5).unwrap());
    (tuning.pooling, tuning.label_smoothing) = (Pooling::Mean, 0.1);
    (tuning.layer_decay, tuning.weight_decay, tuning.decay_on) = (0.65, 0.05, Which::Matrices);
    tuning.optimizer = OptimizerConfig::AdamW(AdamW { betas: [0.9, 0.999], eps: 1e-8 });
    tuning.schedule.lr = 1e-3;
    tuning.clip = Some(Clip::Global { norm: 1.0 });
    let run =
        |pass| fine_tune(&model, stripes(16, 180), &tuning, &Execution { pass, ..execution(0) }).unwrap();
    let (whole, parts) = (run(None), run(Some(3)));
    for (a, b) in whole.losses().iter().zip(parts.losses()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    // The stem moves less than the last block, and drop path makes another run.
    let moved = |name: &str| {
        let old = &model.var_store().variables()[name];
        let new = &whole.model().var_store().variables()[name];
        (new - old).detach().abs().max().double_value(&[])
    };
    let (first, last) = (moved("blocks.0.attn.qkv.weight"), moved("blocks.11.attn.qkv.weight"));
    assert!(first > 0.0 && first < 0.1 * last, "{first} {last}");
    tuning.drop_path = 0.5;
    let dropped = fine_tune(&model, stripes(16, 180), &tuning, &execution(0)).unwrap();
    let again = fine_tune(&model, stripes(16, 180), &tuning, &execution(0)).unwrap();
    assert_eq!(dropped.losses(), again.losses());
    assert_ne!(dropped.losses()[2], whole.losses()[2]);
}

#[test]
fn images_of_another_size_resample_position_embeddings() {
    let _turn = turn();
    let options = ModelOptions { image_size: Some((32, 32)), seed: Some(0), ..Default::default() };
    let model = Model::create("vit_tiny_patch16_224", &options).unwrap();
    let mut tuning = quick(1);
    tuning.images = ImagePipeline::squash(48).unwrap();
    tuning.head = HeadStart::Random(None);
    let tuned = fine_tune(&model, stripes(8, 180), &tuning, &execution(0)).unwrap();
    let positions = |model: &Model| model.var_store().variables()["pos_embed"].size();
    assert_eq!((positions(&model), positions(tuned.model())), (vec![1, 5, 192], vec![1, 10, 192]));
    assert_eq!(tuned.evaluate(stripes(4, 180), &execution(0)).unwrap().correct.len(), 4);
    assert_ne!(tuned.losses()[0], 2f64.ln());

    // The vectors are what they are called.
    let x =
        Tensor::linspace(-1.0, 1.0, 2 * 3 * 32 * 32, (Kind::Float, Device::Cpu)).sin().view([2, 3, 32, 32]);
    let pool = |pooling: Pooling| tch::no_grad(|| pooling.forward(&model, &x, false)).unwrap().pooled;
    let (class, both) = (pool(Pooling::Class), pool(Pooling::ClassAndMean));
    assert_eq!(class, pool(Pooling::PreLogits));
    assert_eq!((both.size(), both.narrow(1, 0, 192)), (vec![2, 384], class.shallow_clone()));
    let last = pool(Pooling::LastClasses { blocks: 4 });
    assert_eq!((last.size()[1], Pooling::LastClasses { blocks: 4 }.dim(&model)), (4 * 192, 4 * 192));
    assert!((last.narrow(1, 3 * 192, 192) - class).abs().max().double_value(&[]) < 1e-5);
    let tap = tch::no_grad(|| {
        model.backbone().forward_with_taps(&x, false, visrep_models::Taps::Named(&["blocks.11"])).unwrap()
    });
    let mean = tap.taps[0].1.narrow(1, 1, 4).mean_dim([1].as_slice(), false, Kind::Float);
    let normed = model.backbone().final_norm(&mean).unwrap();
    assert!((normed - pool(Pooling::Mean)).abs().max().double_value(&[]) < 1e-5);
    for blocks in [0, 13] {
        let refused = Pooling::LastClasses { blocks }.forward(&model, &x, false);
        assert!(matches!(refused, Err(Error::Parameter { .. })));
    }
}

#[test]
fn protocols_are_the_published_ones() {
    let curve = |tuning: &FineTuning| tuning.schedule.curve(100, tuning.batch_size as u64);
    let lr =
        |tuning: &FineTuning, steps: &[u64]| steps.iter().map(|&t| curve(tuning).lr(t)).collect::<Vec<_>>();
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} {expected:?}");
    };
    let small = FineTuning::bit_hyper_rule(1000, 32 * 32, Default::default()).unwrap();
    assert_eq!((small.images.size(), small.batch_size, curve(&small).total()), (128, 512, 500));
    assert!(small.mix.is_none() && small.head == HeadStart::Zero && small.weight_decay == 0.0);
    near(lr(&small, &[0, 50, 100, 199, 200, 300, 400]), &[0.0, 0.0015, 0.003, 0.003, 3e-4, 3e-5, 3e-6]);
    let medium = FineTuning::bit_hyper_rule(20_000, 96 * 96, Default::default()).unwrap();
    assert_eq!((medium.images.size(), curve(&medium).total(), curve(&medium).warmup()), (480, 10_000, 500));
    assert!(medium.mix.is_some());
    let large = FineTuning::bit_hyper_rule(500_000, 500 * 375, Default::default()).unwrap();
    near(lr(&large, &[5999, 6000, 12_000, 18_000]), &[0.003, 3e-4, 3e-5, 3e-6]);

    let vtab = FineTuning::vtab(ImagePipeline::squash(224).unwrap());
    near(lr(&vtab, &[0, 40, 80, 299, 300, 600, 900]), &[0.0, 0.005, 0.01, 0.01, 1e-3, 1e-4, 1e-5]);
    let sweep = FineTuning::vtab_lightweight(&ImagePipeline::squash(224).unwrap());
    let found: Vec<_> =
        sweep.iter().map(|t| (curve(t).highest(), curve(t).total(), t.weight_decay)).collect();
    assert_eq!(found, [(0.1, 2500, 1e-4), (0.1, 10_000, 1e-4), (0.01, 2500, 1e-4), (0.01, 10_000, 1e-4)]);

    let mae = FineTuning::mae_vit_base(224).unwrap();
    assert_eq!((curve(&mae).total(), curve(&mae).warmup()), (10_000, 500));
    near(lr(&mae, &[250, 500, 10_000]), &[1e-3, 2e-3, 1e-6]);
    assert_eq!(
        (mae.layer_decay, mae.drop_path, mae.weight_decay, mae.label_smoothing),
        (0.65, 0.1, 0.05, 0.1)
    );
    let large = FineTuning::mae_vit_large(224).unwrap();
    assert_eq!((curve(&large).highest(), large.layer_decay, curve(&large).total()), (4e-3, 0.75, 5000));

    for name in FineTunePreset::names() {
        let preset: FineTunePreset = name.parse().unwrap();
        assert_eq!(preset.to_string(), name);
        for tuning in preset.tunings(&model(0), stripes(6, 180).as_ref(), Default::default()).unwrap() {
            let protocol = tuning.protocol(&curve(&tuning), tuning.batch_size);
            assert!(protocol["steps"].parse::<u64>().unwrap() >= 500 && !protocol["source"].is_empty());
        }
    }
    assert!("vtab-heavy".parse::<FineTunePreset>().unwrap_err().to_string().contains("vtab-lightweight"));
}

#[test]
fn the_best_of_several_is_trained_on_everything() {
    let _turn = turn();
    let mut still = quick(6);
    (still.name, still.schedule.lr) = ("still".into(), 0.0);
    let mut wild = quick(6);
    (wild.name, wild.schedule.lr) = ("wild".into(), 1e300);
    let (train, held) = (stripes(16, 180), stripes(8, 200));
    let selected =
        fine_tune_selected(&model(0), &train, &held, &[wild.clone(), still, quick(16)], &execution(0))
            .unwrap();
    assert_eq!(
        (selected.chosen, selected.accuracies.len(), selected.accuracies[0]),
        (2, 3, f64::NEG_INFINITY)
    );
    assert!(
        selected.accuracies[2] > 0.9 && selected.accuracies[1] <= 0.5 + 1e-9,
        "{:?}",
        selected.accuracies
    );
    assert_eq!(selected.tuned.losses().len(), 16);
    // Both sets have the same classes, and what was trained on both tells them apart.
    let evaluation = selected.tuned.evaluate(Arc::clone(&held), &execution(0)).unwrap();
    assert!(evaluation.top1 > 0.9, "{}", evaluation.top1);
    let wild = fine_tune_selected(&model(0), &train, &held, &[wild], &execution(0));
    assert!(matches!(wild, Err(Error::NoneTrained { candidates: 1, .. })));
    assert!(matches!(
        fine_tune_selected(&model(0), &train, &held, &[], &execution(0)),
        Err(Error::TooFew { what: "candidates", .. })
    ));
}

#[test]
fn a_run_can_be_stopped_and_what_cannot_work_is_named() {
    let _turn = turn();
    let stopped = execution(0);
    stopped.stop.store(true, Ordering::Relaxed);
    let result = fine_tune(&model(0), stripes(16, 180), &quick(9), &stopped);
    assert!(matches!(result, Err(Error::Stopped { done: 1, total: 9, .. })));
    // The last step is not stopped: it is done.
    assert!(fine_tune(&model(0), stripes(16, 180), &quick(1), &stopped).is_ok());

    let refused = |change: &dyn Fn(&mut FineTuning)| {
        let mut tuning = quick(2);
        change(&mut tuning);
        fine_tune(&model(0), stripes(8, 180), &tuning, &execution(0)).unwrap_err()
    };
    for change in [
        &(|t: &mut FineTuning| t.batch_size = 0) as &dyn Fn(&mut FineTuning),
        &|t| t.label_smoothing = 1.5,
        &|t| t.weight_decay = f64::NAN,
        &|t| t.layer_decay = 0.0,
        &|t| t.schedule.length = Length::Steps(0),
    ] {
        assert!(matches!(refused(change), Error::Parameter { .. }));
    }
    assert!(matches!(refused(&|t| t.pooling = Pooling::ClassAndMean), Error::Pooling { .. }));
    assert!(matches!(refused(&|t| t.drop_path = 1.0), Error::Model(_)));
    let unlabelled: Arc<dyn Dataset> = {
        let mut samples: Vec<Sample> = (0..4).map(|i| stripes(4, 9).get(i).unwrap()).collect();
        samples[2].label = None;
        Arc::new(InMemory::new(samples, vec!["down".into(), "across".into()]))
    };
    let error = fine_tune(&model(0), Arc::clone(&unlabelled), &quick(1), &execution(0)).unwrap_err();
    assert!(matches!(&error, Error::NoLabel { key } if key == "drawn-2"), "{error}");
    let one = InMemory::new(vec![stripes(1, 9).get(0).unwrap()], vec!["down".into()]);
    let error = fine_tune(&model(0), Arc::new(one), &quick(1), &execution(0)).unwrap_err();
    assert!(matches!(error, Error::TooFew { what: "classes", .. }), "{error}");
    // Fewer images than a batch has are taken several times.
    let tuned = fine_tune(&model(0), stripes(3, 180), &quick(2), &execution(0)).unwrap();
    assert!(tuned.evaluate(unlabelled, &execution(0)).is_err());
}

#[test]
fn images_and_pixels_may_be_of_ones_own() {
    let _turn = turn();
    let flip = || Compose::new().then(RandomHorizontalFlip::new(1.0).unwrap());
    let exact = || Resize::exact(24, 24, visrep_augment::Filter::Nearest).unwrap();
    let mut tuning = quick(4);
    tuning.images = ImagePipeline::new("nearest, always flipped", 24, flip().then(exact()), exact());
    tuning.normalisation = Normalisation::UNIT;
    (tuning.optimizer, tuning.schedule.batch_scaling) = (sgd(), BatchScaling::Linear(8));
    let tuned = fine_tune(&model(0), stripes(9, 180), &tuning, &execution(0)).unwrap();
    let protocol = tuned.protocol();
    assert!(
        protocol["preprocessing"].starts_with("nearest, always flipped; mean [0.0, 0.0, 0.0]"),
        "{protocol:?}"
    );
    assert!(protocol["resolution"] == "24" && protocol["steps"] == "4" && protocol["lr"] == "0.01");
}

#[test]
fn a_benchmark_tells_its_protocol() {
    let _turn = turn();
    let splits = Splits { train: stripes(10, 180), test: stripes(6, 220), description: "drawn".into() };
    let mut context = Context::new(splits, "stripes", "random (seed 0)");
    context.workers = 2;
    context.stop.store(true, Ordering::Relaxed);
    let benchmark = FineTuneBenchmark::new(FineTunePreset::Vtab);
    assert_eq!(benchmark.id(), "fine-tune-vtab");
    assert!(matches!(benchmark.run(&model(0), &context), Err(Error::Stopped { total: 1000, .. })));
    let own = FineTuneBenchmark::own("fine-tune-quick", vec![quick(2), quick(12)]);
    context.stop.store(false, Ordering::Relaxed);
    let scores = own.run(&model(0), &context).unwrap();
    let top1 = scores.iter().find(|score| score.metric == "top1").unwrap();
    assert!(top1.suite == "fine-tune-quick" && top1.n == 6 && top1.interval.is_some());
    assert!(top1.protocol["choice"].contains("0.2 of the training samples"), "{:?}", top1.protocol);
    assert_eq!((top1.protocol["split"].as_str(), top1.protocol["batch_size"].as_str()), ("drawn", "8"));
}

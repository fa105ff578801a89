//! Trains a recipe on the fixtures and prints what its features are worth: kNN (k = 20, cosine, majority) accuracy
//! on held-out images, beside that of the randomly initialised network.
//!
//! `cargo run -p visrep-train --example knn_check -- RECIPE [key=value ...]`

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use tch::{Kind, Tensor};
use visrep_augment::{Filter, Resize};
use visrep_data::{
    Concat, Dataset, Loader, LoaderOptions, PatchOptions, Patches, Subset, Views, stratified_split,
};
use visrep_models::{Model, ModelOptions};
use visrep_train::{Recipe, RunOptions, train};

type Failure = Box<dyn std::error::Error>;
type Split = (Arc<dyn Dataset>, Arc<dyn Dataset>);

fn digits(fixtures: &Path) -> Result<Split, Failure> {
    let all = visrep_data::open(&fixtures.join("digits.parquet"))?;
    let (train, test) = stratified_split(all.as_ref(), 0.2, 0);
    Ok((Arc::new(Subset::new(all.clone(), train)), Arc::new(Subset::new(all, test))))
}

fn patches(fixtures: &Path) -> Result<Split, Failure> {
    let (train, test) = Patches::new(visrep_data::open(&fixtures.join("photos"))?, &PatchOptions::default())?;
    Ok((Arc::new(train), Arc::new(test)))
}

/// L2-normalised features (N, D) and labels (N).
fn features(model: &Model, data: &Arc<dyn Dataset>) -> Result<(Tensor, Tensor), Failure> {
    let side = model.preprocessing().input_size;
    let views = Views::single(Resize::exact(side, side, Filter::Bilinear)?);
    let loader =
        Loader::new(data.clone(), views, LoaderOptions { batch_size: 256, ..LoaderOptions::default() })?;
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for batch in loader.epoch(0, 0) {
        let batch = batch?;
        let x = model.preprocessing().normalize(&batch.views[0].to_tensor(), model.device())?;
        rows.push(model.backbone().forward_features(&x, false)?.pooled);
        labels.extend(batch.labels);
    }
    let rows = Tensor::f_cat(&rows, 0)?;
    let norm = rows.f_norm_scalaropt_dim(2.0, [1i64], true)?.f_clamp_min(1e-12)?;
    Ok((rows.f_div(&norm)?, Tensor::from_slice(&labels)))
}

fn knn(model: &Model, (train, test): &Split) -> Result<f64, Failure> {
    let _guard = tch::no_grad_guard();
    let ((bank, labels), (queries, truth)) = (features(model, train)?, features(model, test)?);
    let (_, nearest) = queries.f_matmul(&bank.f_transpose(0, 1)?)?.f_topk(20, 1, true, true)?;
    let votes = labels.f_index_select(0, &nearest.f_flatten(0, 1)?)?.f_view_as(&nearest)?;
    let classes = train.classes().len() as i64;
    let counts = votes.f_one_hot(classes)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Int64)?;
    Ok(counts
        .f_argmax(1, false)?
        .f_eq_tensor(&truth)?
        .f_to_kind(Kind::Float)?
        .f_mean(None)?
        .double_value(&[]))
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("give a recipe's name")?;
    let mut recipe = Recipe::named(&name)?;
    for assignment in arguments {
        recipe.set(&assignment)?;
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut splits = vec![("digits", digits(&fixtures)?)];
    if name.ends_with("-fixtures") {
        splits.push(("patches", patches(&fixtures)?));
    }
    let training: Arc<dyn Dataset> = match &splits[..] {
        [(_, (train, _))] => train.clone(),
        many => Arc::new(Concat::new(many.iter().map(|(_, (train, _))| train.clone()).collect())),
    };

    let classes = if name.starts_with("supervised") { training.classes().len() as i64 } else { 0 };
    let options = ModelOptions { num_classes: Some(classes), seed: Some(0), ..ModelOptions::default() };
    let mut model = Model::create(&recipe.model.name, &options)?;
    for (set, split) in &splits {
        println!("random init, {set}: kNN {:.4}", knn(&model, split)?);
    }
    let out = tempfile::tempdir()?;
    let options = RunOptions {
        seed: 0,
        device: tch::Device::Cpu,
        workers: 2,
        stop: Arc::new(AtomicBool::new(false)),
        progress: true,
    };
    let start = Instant::now();
    let samples = training.len();
    train(&recipe, training, out.path(), &options)?;
    println!("{name}: {samples} images, {:.1} s", start.elapsed().as_secs_f64());
    let metrics = std::fs::read_to_string(out.path().join("metrics.jsonl"))?;
    println!("{}", metrics.lines().last().unwrap_or_default());
    model.load_weights(out.path().join("model.safetensors"))?;
    for (set, split) in &splits {
        println!("trained, {set}: kNN {:.4}", knn(&model, split)?);
        if classes > 0 {
            let offset = if *set == "digits" { 0 } else { 10 };
            println!("trained, {set}: classifier {:.4}", classifier(&model, &split.1, offset)?);
        }
    }
    Ok(())
}

/// Top-1 accuracy of the model's own classifier; `offset` is the first class of `data` among the model's.
fn classifier(model: &Model, data: &Arc<dyn Dataset>, offset: i64) -> Result<f64, Failure> {
    let _guard = tch::no_grad_guard();
    let side = model.preprocessing().input_size;
    let views = Views::single(Resize::exact(side, side, Filter::Bilinear)?);
    let loader =
        Loader::new(data.clone(), views, LoaderOptions { batch_size: 256, ..LoaderOptions::default() })?;
    let mut hits = 0.0;
    for batch in loader.epoch(0, 0) {
        let batch = batch?;
        let x = model.preprocessing().normalize(&batch.views[0].to_tensor(), model.device())?;
        let truth = Tensor::from_slice(&batch.labels) + offset;
        hits +=
            model.forward(&x, false)?.argmax(1, false).eq_tensor(&truth).sum(Kind::Int64).double_value(&[]);
    }
    Ok(hits / data.len() as f64)
}

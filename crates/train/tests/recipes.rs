//! Recipes: all parse, print in full, and refuse what they should.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

use std::sync::Arc;
use visrep_data::{InMemory, Loader, LoaderOptions, Sample, SampleImage};
use visrep_decode::RgbImage;
use visrep_methods::{Batch, Loss, Method, NamedTensor, Step};
use visrep_models::Model;
use visrep_train::{Error, Length, Recipe};

#[test]
fn every_recipe_parses_and_survives_printing() {
    assert!(Recipe::names().contains(&"simclr-digits"));
    for name in Recipe::names() {
        let recipe = Recipe::named(name).unwrap();
        assert!(recipe.about.command.contains(&format!("visrep train {name} ")), "{name}");
        let text = recipe.to_toml().unwrap();
        assert_eq!(Recipe::parse(&text, name).unwrap(), recipe, "{name}");
        assert!(text.contains("[checkpoint]") && text.contains("final_lr"), "defaults are printed too");
    }
}

#[test]
fn an_unknown_recipe_lists_the_nearest() {
    let error = Recipe::named("simclr-digit").unwrap_err();
    assert!(
        matches!(&error, Error::UnknownRecipe { nearest, .. } if nearest[0] == "simclr-digits"),
        "{error}"
    );
}

#[test]
fn set_changes_values_of_every_type() {
    let mut recipe = Recipe::named("simclr-digits").unwrap();
    recipe.set("schedule.length=3 epochs").unwrap();
    recipe.set("schedule.warmup = \"2 steps\"").unwrap();
    recipe.set("schedule.lr=1").unwrap();
    recipe.set("views.crop.scale=[0.1, 0.9]").unwrap();
    recipe.set("model.name=resnet18").unwrap();
    recipe.set("ema.decay=0.99").unwrap();
    recipe.set("method.hidden_dim=64").unwrap();
    recipe.set("optimizer={ name = \"lars\", variant = \"larc\", clip = true }").unwrap();
    recipe.set("gradient.clip={ kind = \"per-tensor\", norm = 3.0 }").unwrap();
    recipe.set("schedule.shape={ steps = { at = [\"1 epochs\"], factor = 0.1 } }").unwrap();
    recipe.set("parameters.groups=[{ names = \"head.*\", constant_lr = true }]").unwrap();
    recipe.set("probe.every=1 epochs").unwrap();
    recipe.set("views.blur={ probability = 0.5, sigma = [0.1, 2.0] }").unwrap();
    assert_eq!(recipe.schedule.length, Length::Epochs(3.0));
    assert_eq!(recipe.schedule.warmup, Length::Steps(2));
    assert_eq!(recipe.schedule.lr, 1.0);
    assert_eq!(recipe.views.crop.scale, [0.1, 0.9]);
    assert_eq!(recipe.model.name, "resnet18");
    assert_eq!(recipe.ema.as_ref().unwrap().decay, visrep_methods::Ramp::Constant(0.99));
    assert!(recipe.to_toml().unwrap().contains("hidden_dim = 64"));
}

#[test]
fn set_refuses_unknown_keys_and_wrong_values_and_changes_nothing() {
    let original = Recipe::named("supervised-digits").unwrap();
    let mut recipe = original.clone();
    let error = recipe.set("schedule.lrr=0.1").unwrap_err();
    assert!(matches!(&error, Error::UnknownKey { nearest, .. } if nearest[0] == "schedule.lr"), "{error}");
    assert!(matches!(recipe.set("schedul.lr=0.1"), Err(Error::UnknownKey { .. })));
    assert!(matches!(recipe.set("schedule.lr.x=0.1"), Err(Error::UnknownKey { .. })));
    for wrong in [
        "schedule.lr=fast",
        "schedule.lr=-1",
        "schedule.lr=nan",
        "schedule.length=7",
        "loader.batch_size=0",
        "loader.batch_size=-3",
        "loader.batch_size=1.5",
        "optimizer.momentum=1.0",
        "method.name=nothing",
        "ema.decay=2",
        "schedule.shape=wavy",
        "schedule.batch_scaling={ linear = 0 }",
        "decay.final_rate=-1",
        "gradient.accumulate=0",
        "gradient.clip={ kind = \"global\", norm = 0.0 }",
        "parameters.layer_decay=0",
        "parameters.groups=[{ names = \"*\", lr_scale = -1.0 }]",
        "compute.precision=fp8",
        "checkpoint.best=probe",
        "probe={ every = \"1 epochs\", k = 0 }",
        "sam.rho=0",
        "optimizer={ name = \"lars\", variant = \"momentum-after-trust\", clip = true }",
        "schedule.lr",
        "=3",
        "a..b=3",
    ] {
        let error = recipe.set(wrong).unwrap_err();
        assert!(matches!(&error, Error::Value { .. }), "{wrong}: {error:?}");
    }
    for wrong in ["views.size=0", "views.flip=1.5", "views.crop.scale=[0.9, 0.1]"] {
        assert!(matches!(recipe.set(wrong), Err(Error::Views(_))), "{wrong}");
    }
    assert_eq!(recipe, original);
}

#[test]
fn unknown_keys_in_a_file_are_refused_with_the_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let text = Recipe::named("simclr-digits").unwrap().to_toml().unwrap();
    std::fs::write(&path, text.replace("temperature", "temprature")).unwrap();
    let message = Recipe::read(&path).unwrap_err().to_string();
    assert!(message.contains("mine.toml") && message.contains("temprature"), "{message}");
    let message = Recipe::read(folder.path().join("absent.toml")).unwrap_err().to_string();
    assert!(message.contains("absent.toml"), "{message}");
}

/// A method of so many views.
struct Views(usize, usize);

impl Method for Views {
    fn views(&self) -> usize {
        self.0
    }
    fn local_views(&self) -> usize {
        self.1
    }
    fn loss(&mut self, _: &Batch, _: &Step) -> Result<Loss, visrep_methods::Error> {
        panic!("nothing is trained here")
    }
    fn parameters(&self) -> Vec<NamedTensor> {
        Vec::new()
    }
    fn state(&self) -> Vec<NamedTensor> {
        Vec::new()
    }
    fn model(&self) -> &Model {
        panic!("nothing is trained here")
    }
}

/// One batch of `method`'s views of grey images whose labels are 0 and 1 in turns, each view's side and first byte.
fn views(recipe: &Recipe, method: &Views) -> Vec<(u32, u8)> {
    let image = |i: u32| Sample {
        image: SampleImage::Decoded(RgbImage::from_fn(16, 16, |_, _| [200 - (i % 2) as u8; 3])),
        label: Some(i % 2),
        key: format!("folder-{}/{i}", i / 2),
    };
    let classes = ["even", "odd"].map(str::to_owned).to_vec();
    let data = InMemory::new((0..4).map(image).collect(), classes);
    let views = recipe.views.views(method, &data).unwrap();
    let options = LoaderOptions { batch_size: 1, workers: 0, ..LoaderOptions::default() };
    let batch = Loader::new(Arc::new(data), views, options).unwrap().epoch(0, 0).next().unwrap().unwrap();
    batch.views.iter().map(|view| (view.width, view.data[0])).collect()
}

#[test]
fn views_may_differ() {
    let mut recipe = Recipe::named("simclr-digits").unwrap();
    recipe.set("views.jitter.probability=0").unwrap();
    assert_eq!(views(&recipe, &Views(2, 0)), [(32, 200), (32, 200)]);
    recipe.set("views.second.solarize=1").unwrap();
    recipe.set("views.local.size=12").unwrap();
    let expected = [(32, 200), (32, 55), (32, 200), (12, 200), (12, 200)];
    assert_eq!(views(&recipe, &Views(5, 2)), expected, "every second global view, and the local ones");
    recipe.set("views.local.solarize=1.0").unwrap();
    recipe.set("views.positives.of=class").unwrap();
    assert_eq!(views(&recipe, &Views(3, 1)), [(32, 200), (32, 55), (12, 55)]);
    recipe.set("views.positives={ of = \"sequence\", reach = 2 }").unwrap();
    assert_eq!(views(&recipe, &Views(3, 1)), [(32, 200), (32, 56), (12, 56)], "the other of the folder");
}

#[test]
fn views_may_share_their_crop() {
    let mut recipe = Recipe::named("simclr-digits").unwrap();
    for assignment in ["views.jitter.probability=0", "views.crop.scale=[0.1, 0.5]", "views.second.solarize=1"]
    {
        recipe.set(assignment).unwrap();
    }
    let both = |recipe: &Recipe, epoch| {
        let image = RgbImage::from_fn(16, 16, |x, y| [x as u8 * 7, y as u8 * 7, 0]);
        let sample = Sample { image: SampleImage::Decoded(image), label: None, key: "slope".to_owned() };
        let data = InMemory::new(vec![sample], Vec::new());
        let views = recipe.views.views(&Views(2, 0), &data).unwrap();
        let options = LoaderOptions { batch_size: 1, workers: 0, ..LoaderOptions::default() };
        let loader = Loader::new(Arc::new(data), views, options).unwrap();
        let batch = loader.epoch(epoch, 0).next().unwrap().unwrap();
        [0, 1].map(|view: usize| batch.views[view].data.clone())
    };
    // Values below 128, which solarisation leaves: only the crop tells views apart.
    let [a, b] = both(&recipe, 0);
    assert_ne!(a, b);
    recipe.set("views.same_crop=true").unwrap();
    let [a, b] = both(&recipe, 0);
    assert_eq!(a, b);
    assert_ne!(a, both(&recipe, 1)[0], "the next epoch draws another");
    recipe.set("views.second={ grayscale = 1.0 }").unwrap();
    let [a, b] = both(&recipe, 0);
    assert_ne!(a, b, "colours are each view's own");

    let data = InMemory::new(Vec::new(), Vec::new());
    recipe.set("views.local.size=12").unwrap();
    let error = recipe.views.views(&Views(3, 1), &data).err().unwrap();
    assert!(matches!(&error, Error::Value { key, .. } if key == "views.same_crop"), "{error}");
    assert!(matches!(recipe.set("views.second.flip=0.5"), Err(Error::Value { .. })));
}

#[test]
fn wrong_views_are_refused() {
    let mut recipe = Recipe::named("simclr-digits").unwrap();
    let data = InMemory::new(Vec::new(), Vec::new());
    let error = recipe.views.views(&Views(3, 1), &data).err().unwrap();
    assert!(matches!(&error, Error::Value { key, .. } if key == "views.local"), "{error}");
    for wrong in ["views.solarize=2", "views.second.flip=-1", "views.local.size=0"] {
        assert!(matches!(recipe.set(wrong), Err(Error::Views(_))), "{wrong}");
    }
    assert!(matches!(
        recipe.set("views.positives.of=colour"),
        Err(Error::Value { .. } | Error::UnknownKey { .. })
    ));
    recipe.set("views.positives.of=class").unwrap();
    assert!(matches!(recipe.views.views(&Views(2, 0), &data), Err(Error::Data(_))), "no labels");
}

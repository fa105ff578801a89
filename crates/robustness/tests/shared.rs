//! Suites that have images in common forward each of them once where there is a cache, and find what they find without it.

#![allow(clippy::unwrap_used)] // a test may panic, its helpers too

mod support;

use std::path::Path;
use support::{drawn, file, files, images, random, run_in, write};
use visrep_corrupt::Corruption;
use visrep_data::SampleImage;
use visrep_models::Model;
use visrep_probe::{Findings, KeptVectors, SuiteContext, image_digest};
use visrep_robustness::{ClassSubset, synset_name};

const TENCH: &str = "n01440764";
/// A class of ImageNet-A, which tench is not.
const STINGRAY: &str = "n01498041";

/// Validation images: two of tench, three of stingray, one of a class of ImageNet-O that is none of A's; and a few of the other sets.
fn root() -> tempfile::TempDir {
    let mut of_o = ClassSubset::O.indices().iter().filter(|index| !ClassSubset::A.indices().contains(index));
    let of_o = synset_name(*of_o.next().unwrap()).unwrap();
    let classes = [TENCH, TENCH, STINGRAY, STINGRAY, STINGRAY, &of_o];
    let val: Vec<_> = classes
        .iter()
        .zip(1..)
        .map(|(class, number)| format!("imagenet/val/{class}/ILSVRC2012_val_{number:08}.JPEG"))
        .collect();
    let root = images(&val.iter().map(String::as_str).collect::<Vec<_>>());
    let others = ["imagenet-a/n01498041/a.jpg", "imagenet-o/n01498041/b.jpg"].map(str::to_owned);
    let stored = (1..=5).map(|severity| format!("imagenet-c/fog/{severity}/{TENCH}/c.JPEG"));
    for (number, place) in (20..).zip(others.into_iter().chain(stored)) {
        write(&root.path().join(place), &drawn(number));
    }
    file(root.path(), "imagenet-real/real.json", "[[0], [], [6, 0], [6], [7], []]");
    root
}

/// One image at a time, so that no sum depends on which images share a batch.
fn one_by_one(cache: Option<&Path>) -> SuiteContext {
    SuiteContext { batch_size: 1, cache: cache.map(Path::to_owned), ..support::context() }
}

/// Values, intervals and verdicts, which are to be equal to the bit.
fn bits(found: &Findings) -> (Vec<String>, Vec<Vec<bool>>) {
    let score = |score: &visrep_metrics::Score| {
        let interval =
            score.interval.as_ref().map(|interval| (interval.low.to_bits(), interval.high.to_bits()));
        format!("{} {} {:x} {} {interval:x?}", score.task, score.metric, score.value.to_bits(), score.n)
    };
    let verdicts = found.verdicts.iter().map(|verdicts| verdicts.correct.clone());
    (found.scores.iter().map(score).collect(), verdicts.collect())
}

/// Of how many images each file of the cache has logits.
fn kept(cache: &Path) -> Vec<usize> {
    let rows = |path: &std::path::PathBuf| {
        let file = std::fs::read(path).unwrap();
        safetensors::SafeTensors::deserialize(&file).unwrap().tensor("images").unwrap().shape()[0]
    };
    let mut rows: Vec<_> = files(cache).iter().map(rows).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn suites_share_images_and_find_the_same() {
    let (root, folder) = (root(), tempfile::tempdir().unwrap());
    let (model, cache) = (random(1000), folder.path());
    let run =
        |name: &str, task, cache| bits(&run_in(name, task, root.path(), &model, &one_by_one(cache)).unwrap());
    // The largest file is of validation images.
    let after: [(&str, Option<&str>, &[usize]); 6] = [
        ("imagenet-a", None, &[1, 3]),
        ("imagenet-real", None, &[1, 4]),
        ("imagenet-o", None, &[1, 1, 5]),
        ("imagenet-val", None, &[1, 1, 6]),
        ("imagenet-real", None, &[1, 1, 6]),
        ("imagenet-c", Some(Corruption::Fog.name()), &[1, 1, 6]),
    ];
    for (name, task, rows) in after {
        let alone = run(name, task, None);
        for _ in 0..2 {
            assert_eq!(run(name, task, Some(cache)), alone, "{name}");
            assert_eq!(kept(cache), rows, "{name}");
        }
    }
    // What is made on the fly is not kept, nor are images that no other suite has.
    run("imagenet-c-in-memory", Some(Corruption::Contrast.name()), Some(cache));
    assert_eq!(kept(cache).len(), 3);
}

/// The validation images' logits in the cache, with those of the images at `places` changed so that class 0 wins.
fn spoil(model: &Model, context: &SuiteContext, root: &Path, places: &[usize]) {
    let words = format!("evaluation: {:?}", model.preprocessing());
    let mut all =
        KeptVectors::open(model, context, ("logits", 1000), &words, "imagenet-val").unwrap().unwrap();
    let rows = files(&root.join("imagenet/val")).into_iter().enumerate().map(|(place, path)| {
        let image = image_digest(&SampleImage::Encoded(std::fs::read(path).unwrap().into()));
        let mut row = all.get(&image).unwrap().to_vec();
        if places.contains(&place) {
            row[0] = 1e6;
        }
        (image, row)
    });
    let rows: Vec<_> = rows.collect();
    all.clear();
    rows.iter().for_each(|(image, row)| all.insert(*image, row).unwrap());
    all.save().unwrap();
}

#[test]
fn only_new_images_are_forwarded() {
    let place = |number: usize| format!("imagenet/val/{TENCH}/ILSVRC2012_val_{number:08}.JPEG");
    let places: Vec<_> = (1..=12).map(place).collect();
    let root = images(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let folder = tempfile::tempdir().unwrap();
    // The network's own verdict is wrong everywhere: class 0 is never its first.
    let model = random(1000);
    tch::no_grad(|| {
        let _ = model.var_store().variables()["fc.bias"].get(0).fill_(-1e3);
    });
    let context = SuiteContext { cache: Some(folder.path().to_owned()), ..support::context() };
    let verdicts = || {
        let found = run_in("imagenet-val", None, root.path(), &model, &context).unwrap();
        found.verdicts[0].correct.clone()
    };
    assert_eq!(verdicts(), [false; 12]);
    // Of twelve, eight are computed again to see that what is kept holds; of the third and sixth, what is kept is believed.
    spoil(&model, &context, root.path(), &[2, 5]);
    let believed: Vec<bool> = (0..12).map(|place| place == 2 || place == 5).collect();
    assert_eq!(verdicts(), believed);
    write(&root.path().join("imagenet/val/n01498041/ILSVRC2012_val_00000013.JPEG"), &drawn(77));
    let found = verdicts();
    assert_eq!((&found[..12], found.len(), kept(folder.path())), (&believed[..], 13, vec![13]));
    // Logits that the network does not give are found out, and all made again.
    spoil(&model, &context, root.path(), &[0]);
    assert_eq!(verdicts()[..12], [false; 12]);
    assert_eq!(verdicts()[..12], [false; 12]);

    // So is a damaged file.
    let [path] = &files(folder.path())[..] else { panic!("one shelf") };
    let whole = std::fs::read(path).unwrap();
    spoil(&model, &context, root.path(), &[2]);
    let mut damaged = std::fs::read(path).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(path, &damaged).unwrap();
    assert_eq!(verdicts()[..12], [false; 12]);
    assert_eq!(std::fs::read(path).unwrap().len(), whole.len());
    assert_eq!(kept(folder.path()), [13]);
}

//! The suites: transfer, corruption and similarity, with the counts that the report's plots need.

use super::contestants::Contestant;
use super::results::{Confusion, PIXELS, Reliability, Results, Verdicts};
use super::similarity::{Crops, DISTORTIONS, PAIRS};
use super::{Plan, Set, pictures};
use crate::report::gallery::{Captioned, Distortion, Gallery, data_uri};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::rc::Rc;
use visrep_corrupt::Corruption;
use visrep_data::{Dataset as _, Splits};
use visrep_metrics::{ConfusionMatrix, ReliabilityBin, Score, bootstrap_groups, mean};
use visrep_perceptual::{ImageDistance, PerceptualDistance, PixelDistance, score_triplets};
use visrep_probe::{
    Benchmark, FewShotBenchmark, KnnBenchmark, LEVEL, LinearBenchmark, LinearProbeOptions, Part, Progress,
    RESAMPLES,
};
use visrep_robustness::{ConditionResult, CorruptionBenchmark, CorruptionReport, LabelSpace};

/// Squares of each photograph in the similarity suite.
const CROPS: u64 = 4;

/// Confusion matrices are kept of data sets with at most this many classes.
const CONFUSION_CLASSES: usize = 100;

/// Images in one pass of the similarity suite.
const TRIPLETS: usize = 32;

/// Measures every contestant on one data set.
pub fn measure(
    plan: &Plan,
    set: &Set,
    contestants: &[Contestant],
    results: &mut Results,
    gallery: &mut Gallery,
) -> Result<()> {
    let mut features = Vec::new();
    let images = format!("{:016x}", set.splits.test.fingerprint()?);
    for contestant in contestants {
        eprintln!("{}: {}", set.entry.label, contestant.entry.label);
        let verdicts = |suite: &str, task: String, correct: &[bool]| Verdicts {
            model: contestant.entry.id.clone(),
            data: set.entry.id.clone(),
            suite: suite.to_owned(),
            task,
            images: images.clone(),
            n: correct.len(),
            right: Verdicts::pack(correct),
            ..Verdicts::default()
        };
        let suites = plan.settings.context(&contestant.entry.weights);
        let context = suites.on(set.splits.clone(), &set.entry.id);
        let options = LinearProbeOptions::searched(plan.settings.seed);
        let (model, data) = (contestant.entry.id.clone(), set.entry.id.clone());
        plan.settings.go_on()?;
        let (neighbours, scores) = KnnBenchmark::default().report(&contestant.model, &context)?;
        results.scores.extend(scores);
        for suite in [FewShotBenchmark::new(5, 3), FewShotBenchmark::new(10, 3)] {
            plan.settings.go_on()?;
            results.scores.extend(suite.run(&contestant.model, &context)?);
        }
        plan.settings.go_on()?;
        let linear = LinearBenchmark { options: Some(options.clone()) };
        let (clean, scores) = linear.report(&contestant.model, &context)?;
        results.scores.extend(scores);
        let train = context.features(&contestant.model, Part::Train)?;
        let test = context.features(&contestant.model, Part::Test)?;
        results.details.verdicts.push(verdicts("knn", data.clone(), &neighbours.correct));
        results.details.verdicts.push(verdicts("linear", data.clone(), &clean.correct));
        if let Some(probabilistic) = clean.probabilistic {
            results.details.reliability.push(Reliability {
                model: model.clone(),
                data: data.clone(),
                condition: "clean".to_owned(),
                ece: probabilistic.calibration.ece,
                bins: probabilistic.calibration.bins,
            });
        }
        let classes = train.classes().max(test.classes());
        if classes <= CONFUSION_CLASSES {
            let matrix = ConfusionMatrix::new(&clean.predictions, &test.labels, classes)?;
            results.details.confusion.push(Confusion {
                model: model.clone(),
                data: data.clone(),
                counts: matrix.rows().map(<[u64]>::to_vec).collect(),
            });
        }

        plan.settings.go_on()?;
        let corruption = CorruptionBenchmark {
            corruptions: Corruption::BENCHMARK.to_vec(),
            label_space: label_space(&set.entry.classes),
            probe: Some(options),
        };
        let (report, scores) = corruption.report(&contestant.model, &context)?;
        results.scores.extend(scores);
        let conditions =
            std::iter::once(&report.clean).chain(report.corruptions.iter().flat_map(|(_, results)| results));
        let of_condition = |result: &ConditionResult| verdicts("imagenet-c", result.task(), &result.correct);
        results.details.verdicts.extend(conditions.map(of_condition));
        let (ece, bins) = pooled_calibration(&report);
        results.details.reliability.push(Reliability {
            model,
            data,
            condition: "corrupted".to_owned(),
            ece,
            bins,
        });
        features.push((train, test));
    }
    let features: Vec<_> =
        features.iter().map(|(train, test)| (Rc::as_ref(train), Rc::as_ref(test))).collect();
    let Splits { train, test, .. } = &set.splits;
    gallery.neighbours.push(pictures::neighbours(&set.entry.label, &**train, &**test, &features)?);
    Ok(())
}

/// AlexNet's errors are for ImageNet's 1000 classes, whose folders are named by WordNet identifiers.
fn label_space(classes: &[String]) -> LabelSpace {
    let is_synset = |name: &String| {
        name.strip_prefix('n')
            .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    if classes.len() == 1000 && classes.iter().all(is_synset) {
        LabelSpace::ImageNet1k
    } else {
        LabelSpace::Other
    }
}

/// Calibration over all corruptions and severities together, from the bins of each.
fn pooled_calibration(report: &CorruptionReport) -> (f64, Vec<ReliabilityBin>) {
    let mut pooled: Vec<ReliabilityBin> = Vec::new();
    for bin in
        report.corruptions.iter().flat_map(|(_, results)| results).flat_map(|result| &result.calibration.bins)
    {
        let Some(sum) = pooled.iter_mut().find(|sum| sum.low == bin.low) else {
            pooled.push(*bin);
            continue;
        };
        let (n, new) = (sum.count as f64, bin.count as f64);
        let mean =
            |old: f64, value: f64| if n + new > 0.0 { (n * old + new * value) / (n + new) } else { 0.0 };
        sum.confidence = mean(sum.confidence, bin.confidence);
        sum.accuracy = mean(sum.accuracy, bin.accuracy);
        sum.count += bin.count;
    }
    pooled.sort_by(|a, b| a.low.total_cmp(&b.low));
    let all: usize = pooled.iter().map(|bin| bin.count).sum();
    let gap =
        |bin: &ReliabilityBin| bin.count as f64 / all.max(1) as f64 * (bin.accuracy - bin.confidence).abs();
    (pooled.iter().map(gap).sum(), pooled)
}

/// 2AFC on the embedded photographs, for every contestant and for plain pixels.
pub fn similarity(
    plan: &Plan,
    contestants: &[Contestant],
    results: &mut Results,
    gallery: &mut Gallery,
) -> Result<()> {
    let Some(first) = contestants.first() else { return Ok(()) };
    let side = first.model.preprocessing().input_size;
    let crops = Crops::new(&crate::fixtures::photos(), side, CROPS, plan.settings.seed)?;
    for contestant in contestants {
        if contestant.model.backbone().taps().is_empty() {
            eprintln!(
                "Distorted photographs: not for {}, whose layers cannot be seen",
                contestant.entry.label
            );
            continue;
        }
        eprintln!("Distorted photographs: {}", contestant.entry.label);
        let distance = PerceptualDistance::all_taps(&contestant.model)?;
        let Contestant { entry, .. } = contestant;
        results.scores.extend(two_afc(plan, &crops, side, &distance, &entry.architecture, &entry.weights)?);
    }
    results.scores.extend(two_afc(plan, &crops, side, &PixelDistance, PIXELS, "none")?);
    gallery.distortions = examples(plan)?;
    Ok(())
}

/// The score of `distance` under each distortion, and under all.
fn two_afc(
    plan: &Plan,
    crops: &Crops,
    side: u32,
    distance: &dyn ImageDistance,
    model: &str,
    weights: &str,
) -> Result<Vec<Score>> {
    let pairs: Vec<_> =
        PAIRS.iter().map(|(weaker, stronger)| format!("{weaker} against {stronger}")).collect();
    let protocol: BTreeMap<_, _> = [
        ("distance", distance.name()),
        ("images", format!("{CROPS} squares of each embedded photograph, {side} px")),
        ("severities", pairs.join(", ")),
        ("precision", "fp32, whatever --precision says".to_owned()),
        ("judgement", "by construction: the weaker distortion is nearer; not human".to_owned()),
        ("interval", "over photographs: all triplets of one are resampled together".to_owned()),
        ("seed", plan.settings.seed.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    // Each distortion gives every photograph's triplets in turn.
    let per_photo = CROPS as usize * PAIRS.len();
    let photo_of = |index: usize| index % crops.triplets_each() / per_photo;
    let score = |task: &str, agreement: &[f64]| -> Result<Score> {
        let photos: Vec<_> = (0..agreement.len()).map(photo_of).collect();
        Ok(Score {
            suite: "similarity".to_owned(),
            task: task.to_owned(),
            metric: "2afc".to_owned(),
            value: mean(agreement)?,
            n: agreement.len(),
            interval: Some(bootstrap_groups(agreement, &photos, RESAMPLES, LEVEL, plan.settings.seed)?),
            protocol: protocol.clone(),
            model: model.to_owned(),
            weights: weights.to_owned(),
            data: "fixtures:photos".to_owned(),
        })
    };
    let (mut scores, mut all) = (Vec::new(), Vec::new());
    let mut progress = Progress::new(true, "triplets", DISTORTIONS.len() * crops.triplets_each());
    for distortion in DISTORTIONS {
        plan.settings.go_on()?;
        let found = score_triplets::<anyhow::Error>(distance, crops.triplets(distortion), TRIPLETS)
            .with_context(|| distortion.to_string())?;
        progress.advance(found.two_afc.agreement.len());
        scores.push(score(distortion.name(), &found.two_afc.agreement)?);
        all.extend(found.two_afc.agreement);
    }
    scores.push(score("mean", &all)?);
    Ok(scores)
}

/// A few triplets to look at.
fn examples(plan: &Plan) -> Result<Vec<Distortion>> {
    let shown = [
        ("chelsea", Corruption::GaussianNoise),
        ("coffee", Corruption::GaussianBlur),
        ("astronaut", Corruption::JpegCompression),
    ];
    let photos = crate::fixtures::photos();
    let crops = Crops::new(&photos, 96, 1, plan.settings.seed)?;
    let mut examples = Vec::new();
    for (photo, distortion) in shown {
        let Some(at) = photos.classes().iter().position(|class| class == photo) else { continue };
        let Some(triplet) = crops.triplets(distortion).nth(at * PAIRS.len()) else { continue };
        let triplet = triplet?;
        let (weaker, stronger) = PAIRS[0];
        let captions = ["reference".to_owned(), format!("severity {weaker}"), format!("severity {stronger}")];
        let images = [&triplet.reference, &triplet.first, &triplet.second]
            .into_iter()
            .zip(captions)
            .map(|(image, caption)| Ok(Captioned { uri: data_uri(image)?, caption }))
            .collect::<Result<_>>()?;
        examples.push(Distortion { name: distortion.name().replace('_', " "), images });
    }
    Ok(examples)
}

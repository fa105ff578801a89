//! Figures of the features themselves, for which nothing is fitted.

use crate::benchmark::{Benchmark, Context, Figure, Part};
use crate::{Error, LEVEL, RESAMPLES};
use tch::Tensor;
use visrep_metrics::{
    FeatureMatrix, Score, average_precisions, bootstrap_mean, class_separation, effective_rank, linear_cka,
    mean,
};
use visrep_models::Model;

/// Class separation, effective rank and retrieval on the features of the test samples: `class_separation`
/// ([`visrep_metrics::class_separation`]), `effective_rank` ([`visrep_metrics::effective_rank`]), `cka_labels`, the linear CKA
/// ([`visrep_metrics::linear_cka`]) of the features with the one-hot labels, and `retrieval_map`, the mean average precision of
/// finding for each sample the others of its class ([`visrep_metrics::retrieval_map`]). What some samples'
/// lack of a like or a spread leaves undefined is an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct RepresentationBenchmark;

impl Benchmark for RepresentationBenchmark {
    fn id(&self) -> &str {
        "representation"
    }

    fn run(&self, model: &Model, context: &Context) -> Result<Vec<Score>, Error> {
        let test = context.features(model, Part::Test)?;
        test.check_labelled()?;
        let flat: Tensor = test.features.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view([-1])?;
        let values = Vec::<f32>::try_from(&flat)?;
        let matrix = FeatureMatrix::new(&values, test.dim() as usize)?;
        let precisions: Vec<f64> = average_precisions(&matrix, &test.labels)?.into_iter().flatten().collect();
        let protocol = context.protocol(model);
        let n = test.len();
        let separation = class_separation(&matrix, &test.labels)?;
        let classes = test.classes();
        let one_hot = test
            .labels
            .iter()
            .flat_map(|&label| (0..classes).map(move |class| f32::from(label as usize == class)));
        let one_hot: Vec<f32> = one_hot.collect();
        let cka = linear_cka(&matrix, &FeatureMatrix::new(&one_hot, classes)?)?;
        let score = |metric, value, n, interval| {
            let figure = Figure { task: context.data.clone(), metric, value, n, interval };
            context.score(model, self.id(), figure, &protocol)
        };
        let interval = Some(bootstrap_mean(&precisions, RESAMPLES, LEVEL, context.seed)?);
        Ok(vec![
            score("class_separation", separation, n, None),
            score("effective_rank", effective_rank(&matrix)?, n, None),
            score("cka_labels", cka, n, None),
            score("retrieval_map", mean(&precisions)?, precisions.len(), interval),
        ])
    }
}

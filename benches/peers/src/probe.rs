//! What is made of frozen features: kNN, few-shot ridge and logistic regression.
//!
//! Features are filled by a formula that `peer/probe.py` has too.

use anyhow::{Result, bail};
use tch::{Device, Kind, Tensor};
use visrep_probe::{FeatureSet, KnnOptions, LinearProbe, LinearProbeOptions, RIDGE_L2, knn, ridge_scores};

use crate::Workload;
use crate::sink::Sink;

/// Opens `knn`, `ridge`, `logistic` or `logistic-correlated`, then `TRAIN TEST DIMENSIONS CLASSES`.
pub(crate) fn open(words: &[&str]) -> Result<Box<dyn Workload>> {
    let &[method, train, test, dim, classes] = words else {
        bail!("a probe takes: METHOD TRAIN TEST DIMENSIONS CLASSES");
    };
    let (train, test, dim, classes) = (train.parse()?, test.parse()?, dim.parse()?, classes.parse()?);
    let correlated = method == "logistic-correlated";
    let sets = Sets {
        train: features(0, train, dim, classes, correlated)?,
        test: features(train, test, dim, classes, correlated)?,
    };
    Ok(match method {
        "knn" => Box::new(Knn(sets)),
        "ridge" => Box::new(Ridge(sets)),
        "logistic" | "logistic-correlated" => Box::new(Logistic(sets)),
        _ => bail!("unknown method {method}: give knn, ridge, logistic or logistic-correlated"),
    })
}

/// `samples` vectors that begin with that of the number `first`, around a centre for each class. Correlated ones are like a network's:
/// never negative, most of their variance in few directions, and their classes overlap.
fn features(first: i64, samples: i64, dim: i64, classes: i64, correlated: bool) -> Result<FeatureSet> {
    let on = (Kind::Double, Device::Cpu);
    let rows = Tensor::f_arange_start(first, first + samples, on)?.f_unsqueeze(1)?;
    let columns = Tensor::f_arange(dim, on)?.f_unsqueeze(0)?;
    let labels = rows.f_remainder(classes)?;
    let wave = |numbers: Tensor| numbers.f_sin()?.f_mul_scalar(43_758.545_3)?.f_frac();
    let centres = wave((&labels * 78.233) + (&columns * 37.719))?;
    let noise = wave((&rows * 12.9898) + (&columns * 4.1414))?;
    let labels = Vec::<i64>::try_from(labels.f_squeeze_dim(1)?.f_to_kind(Kind::Int64)?)?;
    let keys = (0..samples).map(|sample| sample.to_string()).collect();
    let x = if correlated {
        let mixing = wave((columns.f_tr()? * 7.137) + (&columns * 3.771))?;
        let scales = (&columns + 1.0).f_pow_tensor_scalar(-0.5)?;
        ((centres * 0.1 + noise) * scales).f_matmul(&mixing)?.f_relu()?
    } else {
        centres * 0.3 + noise
    };
    Ok(FeatureSet::new(x.f_to_kind(Kind::Float)?, labels, keys)?)
}

struct Sets {
    train: FeatureSet,
    test: FeatureSet,
}

impl Sets {
    fn classes(&self) -> usize {
        self.train.classes()
    }
}

/// The 20 nearest neighbours by cosine, weighted.
struct Knn(Sets);

impl Workload for Knn {
    fn units(&self) -> usize {
        self.0.test.len()
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        sink.tensor(&knn(&self.0.train, &self.0.test, &KnnOptions::default())?)
    }
}

/// Least squares in closed form.
struct Ridge(Sets);

impl Workload for Ridge {
    fn units(&self) -> usize {
        1
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let Sets { train, test } = &self.0;
        sink.tensor(&ridge_scores(train, &test.features, self.0.classes(), RIDGE_L2)?)
    }
}

/// Logistic regression by L-BFGS, to scikit-learn's default tolerance.
struct Logistic(Sets);

impl Workload for Logistic {
    fn units(&self) -> usize {
        1
    }

    fn pass(&mut self, sink: &mut Sink) -> Result<()> {
        let options = LinearProbeOptions { tolerance: 1e-4, ..LinearProbeOptions::scikit_learn(1.0) };
        let probe = LinearProbe::fit(&self.0.train, &options)?;
        let (weight, bias) = probe.weights();
        sink.tensor(&probe.predict(&self.0.test.features)?)?;
        sink.tensor(weight)?;
        sink.tensor(bias)
    }
}

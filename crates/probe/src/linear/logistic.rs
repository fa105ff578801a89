//! Multinomial logistic regression on one training set: the objective and its gradient, and the same along a line.

use super::rows::Rows;
use super::{LinearProbeOptions, preconditioner};
use crate::Error;
use crate::features::FeatureSet;
use tch::{Device, Kind, Tensor};

/// The shift and scale of features before the fit, f64.
#[derive(Debug)]
pub(super) struct Scale {
    /// What is subtracted, and what it is divided by then.
    pub(super) shift: Option<(Tensor, Tensor)>,
}

impl Scale {
    pub(super) fn new(features: &Tensor, options: &LinearProbeOptions) -> Result<Self, Error> {
        if !options.standardise {
            return Ok(Self { shift: None });
        }
        let x = features.f_to_kind(Kind::Double)?;
        let mean = x.f_mean_dim([0].as_slice(), true, Kind::Double)?;
        // A feature that never changes is left as it is (all zeros after the shift).
        let deviation = x.f_std_dim([0].as_slice(), false, true)?;
        let constant = deviation.f_le(1e-12)?;
        Ok(Self { shift: Some((mean, deviation.f_masked_fill(&constant, 1.0)?)) })
    }

    pub(super) fn apply(&self, features: &Tensor) -> Result<Tensor, Error> {
        let x = features.f_to_kind(Kind::Double)?;
        match &self.shift {
            Some((mean, deviation)) => Ok(x.f_sub(mean)?.f_div_(deviation)?),
            None => Ok(x),
        }
    }
}

/// The logits of one chunk of samples hold at most so many numbers: on the CPU they stay in the cache.
fn chunk_logits(device: Device) -> i64 {
    if device == Device::Cpu { 1 << 20 } else { 1 << 24 }
}

/// Training features of at most so many numbers are kept in f64 too, where passes in f64 need them.
const KEPT_IN_DOUBLE: usize = 1 << 26;

/// One training set.
pub(super) struct Problem {
    /// (N, D), f32.
    x: Tensor,
    /// (N, 1), indices into `present`.
    y: Tensor,
    /// The labels that occur, ascending.
    pub(super) present: Vec<i64>,
    pub(super) scale: Scale,
    /// The lower triangle of the mean of [x 1]ᵀ[x 1], (D + 1, D + 1) f64 made in f32.
    pub(super) moments: Tensor,
}

impl Problem {
    pub(super) fn new(train: &FeatureSet, options: &LinearProbeOptions) -> Result<Self, Error> {
        let mut present = train.labels.clone();
        present.sort_unstable();
        present.dedup();
        if present.len() < 2 {
            return Err(Error::TooFew {
                what: "classes",
                need: "a classifier needs samples of two classes or more",
            });
        }
        let scale = Scale::new(&train.features, options)?;
        let x = match &scale.shift {
            Some(_) => scale.apply(&train.features)?.f_to_kind(Kind::Float)?,
            None => train.features.f_to_kind(Kind::Float)?.f_contiguous()?,
        };
        let y: Vec<i64> =
            train.labels.iter().map(|label| present.partition_point(|p| p < label) as i64).collect();
        let y = Tensor::from_slice(&y).f_view([-1, 1])?.f_to_device(x.device())?;
        let moments = preconditioner::moments(&x)?;
        Ok(Self { x, y, present, scale, moments })
    }

    pub(super) fn x(&self) -> &Tensor {
        &self.x
    }

    pub(super) fn samples(&self) -> i64 {
        self.y.size()[0]
    }

    pub(super) fn dim(&self) -> i64 {
        self.x.size()[1]
    }

    pub(super) fn classes(&self) -> i64 {
        self.present.len() as i64
    }

    /// The penalty of ‖W‖² / 2 beside the mean cross-entropy.
    pub(super) fn l2(&self, c: f64) -> f64 {
        // Two columns whose difference is w are w / 2 and -w / 2 at the minimum: half of ‖w‖² together.
        let columns_per_weight = if self.present.len() == 2 { 2.0 } else { 1.0 };
        columns_per_weight / (c * self.samples() as f64)
    }

    /// Weight (D, C) and bias (C) of parameters (C, D + 1).
    pub(super) fn unpack(&self, parameters: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let dim = self.dim();
        Ok((
            parameters.f_narrow(1, 0, dim)?.f_tr()?.f_contiguous()?,
            parameters.f_select(1, dim)?.f_contiguous()?,
        ))
    }
}

/// A problem in one precision. Its parameters are (C, D + 1) f64, the biases last, whatever the precision.
pub(super) struct Objective<'p> {
    problem: &'p Problem,
    pub(super) kind: Kind,
    pub(super) l2: f64,
    chunks: Vec<Chunk>,
}

struct Chunk {
    x: Rows,
    /// (n, 1).
    y: Tensor,
}

/// The logits of every chunk, (n, C) each.
pub(super) struct Logits(Vec<Tensor>);

/// A direction from a point.
pub(super) struct Ray {
    /// The logits of the direction.
    along: Logits,
    /// The inner products of the weights: the point's with themselves, with the direction's, and the direction's with themselves.
    penalised: [f64; 3],
}

/// The objective at a point of a ray.
pub(super) struct OnRay {
    pub(super) value: f64,
    pub(super) slope: f64,
    /// The derivative by the logits, where all samples are one chunk.
    delta: Option<Tensor>,
}

/// The objective at a point.
pub(super) struct Point {
    pub(super) value: f64,
    /// (C, D + 1) f64.
    pub(super) gradient: Tensor,
    /// What a logit's variance under the predicted distribution is in the mean: 1 / C for equal probabilities, towards 0 with
    /// certain ones.
    pub(super) variance: f64,
}

impl<'p> Objective<'p> {
    pub(super) fn new(problem: &'p Problem, kind: Kind, l2: f64) -> Result<Self, Error> {
        let (samples, dim) = problem.x.size2()?;
        let rows = (chunk_logits(problem.x.device()) / problem.classes()).max(1);
        let keep = (samples * dim) as usize <= KEPT_IN_DOUBLE;
        let mut chunks = Vec::new();
        for start in (0..samples).step_by(rows as usize) {
            let rows = rows.min(samples - start);
            let x = Rows::new(problem.x.f_narrow(0, start, rows)?, kind, keep)?;
            chunks.push(Chunk { x, y: problem.y.f_narrow(0, start, rows)? });
        }
        Ok(Self { problem, kind, l2, chunks })
    }

    /// The logits that `parameters` give.
    pub(super) fn logits(&self, parameters: &Tensor) -> Result<Logits, Error> {
        let parameters = parameters.f_to_kind(self.kind)?;
        let dim = self.problem.dim();
        let weight = parameters.f_narrow(1, 0, dim)?.f_contiguous()?;
        let bias = parameters.f_select(1, dim)?.f_contiguous()?;
        let each = |chunk: &Chunk| chunk.x.logits(&weight, &bias);
        Ok(Logits(self.chunks.iter().map(each).collect::<Result<_, Error>>()?))
    }

    /// The ray of `direction` from `parameters`.
    pub(super) fn ray(&self, parameters: &Tensor, direction: &Tensor) -> Result<Ray, Error> {
        let weights = |tensor: &Tensor| tensor.f_narrow(1, 0, self.problem.dim());
        let (point, direction_weights) = (weights(parameters)?, weights(direction)?);
        let product =
            |a: &Tensor, b: &Tensor| Ok::<_, Error>(f64::try_from(a.f_mul(b)?.f_sum(Kind::Double)?)?);
        let penalised = [
            product(&point, &point)?,
            product(&point, &direction_weights)?,
            product(&direction_weights, &direction_weights)?,
        ];
        Ok(Ray { along: self.logits(direction)?, penalised })
    }

    /// The objective `step` along `ray` from where the logits are `logits`.
    pub(super) fn on_ray(&self, logits: &Logits, ray: &Ray, step: f64) -> Result<OnRay, Error> {
        let (mut loss, mut slope, mut last) = (0.0, 0.0, None);
        for ((chunk, logits), along) in self.chunks.iter().zip(&logits.0).zip(&ray.along.0) {
            let (chunk_loss, delta) = self.delta(chunk, &along.f_mul_scalar(step)?.f_add_(logits)?)?;
            loss += chunk_loss;
            slope += f64::try_from(delta.f_view([-1])?.f_dot(&along.f_view([-1])?)?)?;
            last = Some(delta);
        }
        let n = self.problem.samples() as f64;
        let [own, mixed, direction] = ray.penalised;
        Ok(OnRay {
            value: loss / n + self.l2 * (0.5 * own + step * (mixed + 0.5 * step * direction)),
            slope: slope / n + self.l2 * (mixed + step * direction),
            delta: last.filter(|_| self.chunks.len() == 1),
        })
    }

    /// Moves `logits` by `step` along `ray`.
    pub(super) fn advance(&self, logits: &mut Logits, ray: &Ray, step: f64) -> Result<(), Error> {
        for (logits, along) in logits.0.iter_mut().zip(&ray.along.0) {
            let _ = logits.f_add_(&along.f_mul_scalar(step)?)?;
        }
        Ok(())
    }

    /// The objective at `parameters`, where the logits are `logits`; of a point that a ray led to, what is known from there.
    pub(super) fn point(
        &self,
        parameters: &Tensor,
        logits: &Logits,
        known: Option<OnRay>,
    ) -> Result<Point, Error> {
        let (dim, classes) = (self.problem.dim(), self.problem.classes());
        let n = self.problem.samples() as f64;
        let mut gradient = Tensor::f_zeros([classes, dim + 1], (Kind::Double, parameters.device()))?;
        let (mut weights, mut biases) = (gradient.f_narrow(1, 0, dim)?, gradient.f_select(1, dim)?);
        let mut known = known.and_then(|known| known.delta.map(|delta| (known.value, delta)));
        let known_value = known.as_ref().map(|known| known.0);
        let (mut loss, mut squares) = (0.0, 0.0);
        for (chunk, logits) in self.chunks.iter().zip(&logits.0) {
            let (chunk_loss, delta) = match known.take() {
                Some((_, delta)) => (0.0, delta),
                None => self.delta(chunk, logits)?,
            };
            loss += chunk_loss;
            let (by_weights, by_biases) = chunk.x.gradient(&delta)?;
            weights = weights.f_add_(&by_weights)?;
            biases = biases.f_add_(&by_biases)?;
            // Of the labels δ = p - 1, of the others δ = p.
            let flat = delta.f_view([-1])?;
            let of_labels = f64::try_from(delta.f_gather(1, &chunk.y, false)?.f_sum(Kind::Double)?)?;
            squares += f64::try_from(flat.f_dot(&flat)?)? + 2.0 * of_labels + chunk.y.size()[0] as f64;
        }
        gradient = gradient.f_div_scalar_(n)?;
        let penalised = parameters.f_narrow(1, 0, dim)?;
        let _ = gradient.f_narrow(1, 0, dim)?.f_add_(&penalised.f_mul_scalar(self.l2)?)?;
        let norm = f64::try_from(penalised.f_square()?.f_sum(Kind::Double)?)?;
        Ok(Point {
            value: known_value.unwrap_or(loss / n + 0.5 * self.l2 * norm),
            gradient,
            variance: (1.0 - squares / n) / (classes - 1) as f64,
        })
    }

    /// The cross-entropy of a chunk, summed, and its derivative by the logits: the probabilities less the labels.
    fn delta(&self, chunk: &Chunk, logits: &Tensor) -> Result<(f64, Tensor), Error> {
        let mut log_p = logits.f_log_softmax(1, self.kind)?;
        let loss = -f64::try_from(log_p.f_gather(1, &chunk.y, false)?.f_sum(Kind::Double)?)?;
        let minus_one = Tensor::f_full(chunk.y.size(), -1.0, (self.kind, logits.device()))?;
        Ok((loss, log_p.f_exp_()?.f_scatter_add_(1, &chunk.y, &minus_one)?))
    }
}

//! The weighted nearest-neighbour classifier of instance discrimination (Wu et al. 2018) as DINO's
//! `eval_knn.py` uses it.

use crate::Error;
use crate::features::{FeatureSet, check_pair};
use tch::{Device, Kind, Tensor};
use visrep_torch::is_out_of_memory;

/// How neighbours vote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnnOptions {
    /// The number of neighbours; more than there are training samples means all of them.
    pub k: usize,
    /// A neighbour at cosine similarity s votes with weight exp(s / temperature).
    pub temperature: f64,
}

impl Default for KnnOptions {
    /// DINO's: 20 neighbours, temperature 0.07.
    fn default() -> Self {
        Self { k: 20, temperature: 0.07 }
    }
}

/// The similarities of one chunk of queries take at most this many bytes.
const CHUNK_BYTES: usize = 64 << 20;

/// Class scores of `test` by its neighbours in `train`: (N, classes) f32, each row summing to 1.
///
/// Similarity is the cosine. The votes are divided by their sum, as DINOv2 does (a softmax over the neighbours),
/// which leaves DINO's ranking of classes as it is and gives probabilities. Where similarities tie at the k-th
/// place, earlier training samples come first. Memory beyond the features is bounded whatever the sizes are.
pub fn knn(train: &FeatureSet, test: &FeatureSet, options: &KnnOptions) -> Result<Tensor, Error> {
    knn_on(train, test, options, train.features.device())
}

/// [`knn`], with the search on `device` wherever the features are; the scores are where the training features are.
pub(crate) fn knn_on(
    train: &FeatureSet,
    test: &FeatureSet,
    options: &KnnOptions,
    device: Device,
) -> Result<Tensor, Error> {
    let mut scores = Vec::new();
    vote(train, test, std::slice::from_ref(options), device, |_, votes| {
        scores.push(votes);
        Ok(())
    })?;
    Ok(Tensor::f_cat(&scores, 0)?)
}

/// The classes of the highest score that [`knn`] gives with each of `options`, for the price of one search: DINO's evaluation
/// takes k of 10, 20, 100 and 200. Of equal scores the first class counts. To choose the best on the test samples themselves is
/// a choice to be told.
pub fn knn_sweep(
    train: &FeatureSet,
    test: &FeatureSet,
    options: &[KnnOptions],
) -> Result<Vec<Vec<i64>>, Error> {
    knn_sweep_on(train, test, options, train.features.device())
}

/// [`knn_sweep`], with the search on `device` wherever the features are.
pub(crate) fn knn_sweep_on(
    train: &FeatureSet,
    test: &FeatureSet,
    options: &[KnnOptions],
    device: Device,
) -> Result<Vec<Vec<i64>>, Error> {
    let mut predictions = vec![Vec::with_capacity(test.len()); options.len()];
    vote(train, test, options, device, |which, votes| {
        predictions[which].extend(Vec::<i64>::try_from(votes.f_argmax(1, false)?)?);
        Ok(())
    })?;
    Ok(predictions)
}

/// Calls `take` with the number of an option and the class scores of some test samples, in their order, until every option has
/// had all of them. Neighbours are searched on `device`, or where the training features are if these do not fit there; they vote where
/// the training features are: on the CPU, since the order in which a GPU adds changes from run to run.
fn vote(
    train: &FeatureSet,
    test: &FeatureSet,
    options: &[KnnOptions],
    device: Device,
    mut take: impl FnMut(usize, Tensor) -> Result<(), Error>,
) -> Result<(), Error> {
    let classes = check_pair(train, test)? as i64;
    for option in options {
        if option.k == 0 {
            return Err(Error::Parameter { parameter: "k", value: 0.0, expected: "at least 1" });
        }
        if !(option.temperature > 0.0 && option.temperature.is_finite()) {
            let expected = "a positive number, 0.07 is customary";
            return Err(Error::Parameter { parameter: "temperature", value: option.temperature, expected });
        }
    }
    let mut ks: Vec<i64> = options.iter().map(|option| option.k.min(train.len()) as i64).collect();
    ks.sort_unstable();
    ks.dedup();
    tch::no_grad(|| {
        let home = train.features.device();
        // Rows are made of length 1 together and at home: neither a chunk nor a device has a part in it.
        let bank = unit_rows(&train.features)?.f_tr()?;
        let queries = unit_rows(&test.features.f_to_device(home)?)?;
        let labels = Tensor::from_slice(&train.labels).f_to_device(home)?;
        let search = |bank: &Tensor, queries: &Tensor| -> Result<(Tensor, Tensor), Error> {
            let similarity = queries.f_to_device(bank.device())?.f_matmul(bank)?;
            let (values, indices) = top_k(&similarity, &ks)?;
            Ok((values.f_to_device(home)?, indices.f_to_device(home)?))
        };
        let mut there = match bank.f_to_device(device) {
            Err(error) if device != home && is_out_of_memory(&error) => bank.shallow_clone(),
            other => other?,
        };
        let rows = (CHUNK_BYTES / (4 * train.len())).max(1);
        for start in (0..test.len()).step_by(rows) {
            let rows = rows.min(test.len() - start) as i64;
            let queries = queries.f_narrow(0, start as i64, rows)?;
            let (values, indices) = match search(&there, &queries) {
                Err(error) if there.device() != home && is_out_of_memory(&error) => {
                    there = bank.shallow_clone();
                    search(&there, &queries)?
                }
                other => other?,
            };
            let voted = labels.f_index_select(0, &indices.f_flatten(0, -1)?)?.f_view([rows, -1])?;
            for (which, option) in options.iter().enumerate() {
                let k = option.k.min(train.len()) as i64;
                let votes = values.f_narrow(1, 0, k)?.f_div_scalar(option.temperature)?;
                let votes = votes.f_softmax(1, Kind::Float)?;
                let mut scores = Tensor::f_zeros([rows, classes], (Kind::Float, home))?;
                take(which, scores.f_scatter_add_(1, &voted.f_narrow(1, 0, k)?, &votes)?)?;
            }
        }
        Ok(())
    })
}

/// The largest entries of each row, as many as the last of `ks`, and where they are; where some tie at the place of one of `ks`,
/// which ascend, the first ones come first.
fn top_k(similarity: &Tensor, ks: &[i64]) -> Result<(Tensor, Tensor), Error> {
    let (columns, k) = (similarity.size()[1], ks.last().copied().unwrap_or(1));
    if k == columns {
        return Ok(similarity.f_sort_stable(true, 1, true)?);
    }
    // LibTorch picks any of those that tie at the k-th place: one more shows whether some do.
    let (values, indices) = similarity.f_topk(k + 1, 1, true, true)?;
    let mut tied = Tensor::f_zeros([similarity.size()[0]], (Kind::Bool, similarity.device()))?;
    for &k in ks {
        tied = tied.f_logical_or(&values.f_select(1, k - 1)?.f_eq_tensor(&values.f_select(1, k)?)?)?;
    }
    let (values, indices) = (values.f_narrow(1, 0, k)?, indices.f_narrow(1, 0, k)?.f_contiguous()?);
    let tied = tied.f_nonzero()?.f_squeeze_dim(1)?;
    if tied.size()[0] > 0 {
        let sorted = similarity.f_index_select(0, &tied)?.f_sort_stable(true, 1, true)?.1;
        let _ = indices.shallow_clone().f_index_copy_(0, &tied, &sorted.f_narrow(1, 0, k)?)?;
    }
    Ok((values, indices))
}

/// Rows divided by their Euclidean norm; a row of zeros stays as it is.
fn unit_rows(x: &Tensor) -> Result<Tensor, Error> {
    let norm = x.f_norm_scalaropt_dim(2.0, [1].as_slice(), true)?.f_clamp_min(1e-12)?;
    Ok(x.f_div(&norm)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rows: &[[f32; 2]], labels: &[i64]) -> FeatureSet {
        let keys = (0..rows.len()).map(|i| i.to_string()).collect();
        FeatureSet::new(Tensor::from_slice(rows.as_flattened()).view([-1, 2]), labels.to_vec(), keys).unwrap()
    }

    fn row(scores: &Tensor, row: i64) -> Vec<f64> {
        Vec::<f64>::try_from(scores.get(row).to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn votes_are_weighted_by_the_exponential_of_the_cosine() {
        let train = set(&[[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]], &[0, 1, 2]);
        let test = set(&[[5.0, 0.0]], &[0]);
        let scores = knn(&train, &test, &KnnOptions { k: 2, temperature: 0.5 }).unwrap();
        let (near, far) = ((1.0_f64 / 0.5).exp(), (0.5_f64.sqrt() / 0.5).exp());
        let scores = row(&scores, 0);
        assert!((scores[0] - near / (near + far)).abs() < 1e-6, "{scores:?}");
        assert!((scores[2] - far / (near + far)).abs() < 1e-6 && scores[1] == 0.0, "{scores:?}");
    }

    #[test]
    fn ties_at_the_last_place_go_to_the_earlier_sample() {
        let mut rows = vec![[1.0, 0.0]; 40];
        rows[0] = [-1.0, 0.0];
        let labels: Vec<i64> = (0..40).map(|i| i64::from(i > 3)).collect();
        let scores =
            knn(&set(&rows, &labels), &set(&[[1.0, 0.0]], &[0]), &KnnOptions { k: 3, temperature: 0.07 });
        assert_eq!(row(&scores.unwrap(), 0), [1.0, 0.0]);
    }

    #[test]
    fn a_sweep_is_every_option_by_itself() {
        // Many equal similarities, so that the order of ties decides.
        let rows: Vec<[f32; 2]> = (0..60).map(|i| [(i % 7) as f32 - 3.0, (i % 3) as f32]).collect();
        let labels: Vec<i64> = (0..60).map(|i| i * i % 5).collect();
        let (train, test) = (set(&rows, &labels), set(&rows[..30], &labels[..30]));
        let options = [(3, 0.07), (10, 0.07), (10, 1.0), (1, 0.2), (99, 0.5)];
        let options = options.map(|(k, temperature)| KnnOptions { k, temperature });
        let swept = knn_sweep(&train, &test, &options).unwrap();
        for (options, swept) in options.iter().zip(&swept) {
            let alone = knn(&train, &test, options).unwrap().argmax(1, false);
            assert_eq!(&Vec::<i64>::try_from(alone).unwrap(), swept, "{options:?}");
        }
        assert!(swept[0] != swept[4]);
        assert!(knn_sweep(&train, &test, &[]).unwrap().is_empty());
    }

    #[test]
    fn the_search_is_on_the_device_that_is_asked_for() {
        let rows: Vec<[f32; 2]> = (0..50).map(|i| [(i % 7) as f32 - 3.0, (i % 3) as f32]).collect();
        let labels: Vec<i64> = (0..50).map(|i| i % 4).collect();
        let (train, test) = (set(&rows, &labels), set(&rows[..20], &labels[..20]));
        let options = KnnOptions { k: 5, ..Default::default() };
        let here = knn(&train, &test, &options).unwrap();
        assert_eq!(knn_on(&train, &test, &options, Device::Cpu).unwrap(), here);
        let there = knn_on(&train, &test, &options, Device::Cuda(0));
        if !tch::Cuda::is_available() {
            assert!(there.is_err(), "there is no such device to search on");
            return;
        }
        let there = there.unwrap();
        assert_eq!(there.device(), Device::Cpu);
        assert!(f64::try_from((there - here).abs().max()).unwrap() < 1e-5);
    }

    #[test]
    fn k_is_clipped_zero_vectors_and_bad_options_are_handled() {
        let train = set(&[[0.0, 0.0], [1.0, 0.0]], &[0, 1]);
        let test = set(&[[0.0, 0.0], [1.0, 0.0]], &[0, 3]);
        let scores = knn(&train, &test, &KnnOptions { k: 99, temperature: 0.01 }).unwrap();
        assert_eq!(scores.size(), [2, 4]);
        assert_eq!(row(&scores, 0), [0.5, 0.5, 0.0, 0.0]);
        assert!(row(&scores, 1)[1] > 0.999);
        for options in [
            KnnOptions { k: 0, ..Default::default() },
            KnnOptions { temperature: 0.0, ..Default::default() },
            KnnOptions { temperature: f64::NAN, ..Default::default() },
        ] {
            assert!(matches!(knn(&train, &test, &options), Err(Error::Parameter { .. })));
        }
    }
}

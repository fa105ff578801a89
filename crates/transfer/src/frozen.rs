//! The first half of the protocol: logistic regression on frozen features, `visrep bench transfer`.

use crate::fit::{Several, several, single};
use crate::suite::{Classifier, Measured};
use crate::{Error, TransferData, TransferDataset, TransferLabels};
use std::collections::BTreeMap;
use std::sync::Arc;
use visrep_data::{Dataset, Views};
use visrep_models::{CropMode, Interpolation, Model, Preprocessing};
use visrep_probe::{
    FeatureSet, Pooling, SuiteContext, SuiteInfo, TaskVerdicts, eval_transform, extract_views,
    preprocessing_protocol,
};

/// Logistic regression whose penalty the validation images choose.
#[derive(Clone, Copy)]
pub(crate) struct Frozen;

impl Classifier for Frozen {
    fn info(&self) -> SuiteInfo {
        SuiteInfo {
            name: "transfer",
            about: "logistic regression on frozen features of 12 datasets, the penalty searched (Kornblith et al. 2019)",
            expects: crate::suite::EXPECTS,
            published: crate::suite::PUBLISHED,
        }
    }

    fn left_out(&self, _dataset: TransferDataset) -> Option<&'static str> {
        None
    }

    fn entries(
        &self,
        model: &Model,
        _context: &SuiteContext,
    ) -> Result<BTreeMap<String, String>, visrep_probe::Error> {
        let entries = [
            ("preprocessing", preprocessing_protocol(&preprocessing(model))),
            ("features", Pooling::PreLogits.to_string()),
            (
                "classifier",
                "logistic regression by L-BFGS, bias free, 1/C of 45 from 1e-6 to 1e5 chosen on val, fitted to train and val".into(),
            ),
        ];
        Ok(entries.map(|(key, value)| (key.to_owned(), value)).into())
    }

    fn measure(&self, data: &TransferData, model: &Model, context: &SuiteContext) -> Result<Measured, Error> {
        let preprocessing = preprocessing(model);
        let views = Views::single(eval_transform(&preprocessing)?);
        let said = preprocessing_protocol(&preprocessing);
        let options = context.extract_options();
        let of = |set: &Arc<dyn Dataset>| -> Result<FeatureSet, Error> {
            context.go_on()?;
            Ok(extract_views(model, Arc::clone(set), &views, &said, &options)?)
        };
        let (train, val, test) = (of(&data.train)?, of(&data.val)?, of(&data.test)?);
        let info = data.dataset.info();
        let (fitted, verdicts) = match &data.labels {
            TransferLabels::Single => {
                let fitted = single(&train, &val, &test, info.metric, data.train.classes().len())?;
                let correct = fitted.correct.clone().unwrap_or_default();
                (fitted, Some(TaskVerdicts::new(info.name, &test.keys, &test.labels, correct)))
            }
            TransferLabels::Several([of_train, of_val, of_test]) => {
                let [train, val, test] = [(&train, of_train), (&val, of_val), (&test, of_test)]
                    .map(|(features, labels)| Several { features, labels });
                (several(&train, &val, &test)?, None)
            }
        };
        let samples = train.len() + val.len();
        let mut entries = BTreeMap::from([("train_samples".to_owned(), samples.to_string())]);
        entries.extend(fitted.c.map(|c| ("c".to_owned(), format!("{c:e}"))));
        Ok(Measured { value: fitted.value, n: test.len(), entries, verdicts })
    }
}

/// The shorter side resized to the input's, bicubic, and the centre cropped.
fn preprocessing(model: &Model) -> Preprocessing {
    Preprocessing {
        crop_pct: 1.0,
        crop_mode: CropMode::Center,
        interpolation: Interpolation::Bicubic,
        ..model.preprocessing().clone()
    }
}

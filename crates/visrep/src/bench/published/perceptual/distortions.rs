//! How far distances find a distorted photograph from itself: a hypothesis of Kumar et al. 2022 about what makes a perceptual score, the invariance
//! to distortions.

use super::measured::Measured;
use super::photographs::{EXPECTS, PUBLISHED, Photographs};
use crate::bench::similarity::DISTORTIONS;
use std::path::{Path, PathBuf};
use visrep_corrupt::{Corruption, Scale, Severity, corrupt, keyed_seed};
use visrep_models::Model;
use visrep_probe::{Error, Findings, OpenSuite, Recorder, Suite, SuiteContext, SuiteInfo};

/// The severities of each distortion.
const SEVERITIES: u8 = 5;

pub static DISTORTION_INVARIANCE: DistortionInvariance = DistortionInvariance;

pub struct DistortionInvariance;

const INFO: SuiteInfo = SuiteInfo {
    name: "distortion-invariance",
    about: "how far each form of distance, LPIPS, PSNR, SSIM and MS-SSIM find a photograph from itself under ten distortions of growing strength, \
            as a share of the distance between photographs (Kumar et al. 2022)",
    expects: EXPECTS,
    published: PUBLISHED,
};

impl Suite for DistortionInvariance {
    fn info(&self) -> SuiteInfo {
        INFO
    }

    fn tasks(&self) -> Vec<String> {
        DISTORTIONS.map(|distortion| distortion.name().to_owned()).to_vec()
    }

    fn open(
        &self,
        root: &Path,
        task: Option<&str>,
        context: &SuiteContext,
    ) -> Result<Box<dyn OpenSuite>, Error> {
        let chosen = |distortion: &Corruption| task.is_none_or(|task| task == distortion.name());
        Ok(Box::new(Opened {
            photographs: Photographs::open(root, INFO.name, context)?,
            distortions: DISTORTIONS.into_iter().filter(chosen).collect(),
            heads: root.join("lpips"),
        }))
    }
}

struct Opened {
    photographs: Photographs,
    distortions: Vec<Corruption>,
    heads: PathBuf,
}

impl OpenSuite for Opened {
    fn fingerprint(&self) -> Result<u64, Error> {
        super::measured::fingerprint(self.photographs.fingerprint()?, &self.heads)
    }

    fn stamp(&self) -> u64 {
        self.photographs.stamp()
    }

    fn run(&self, model: &Model, context: &SuiteContext) -> Result<Findings, Error> {
        let mut record = Recorder::new(INFO.name, model, context);
        let side = model.preprocessing().input_size;
        let measured = Measured::new(model, &self.heads, side, INFO.name)?;
        let squares = self.photographs.squares(side, context.seed)?;
        let severities = usize::from(SEVERITIES);
        let distorted = |square: usize, condition: usize| {
            let (distortion, severity) =
                (self.distortions[condition / severities], (condition % severities) as u8 + 1);
            let wrong =
                |error: &dyn std::fmt::Display| Error::Suite { suite: INFO.name, message: error.to_string() };
            let severity = Severity::try_new(severity).map_err(|error| wrong(&error))?;
            let image = &squares[square];
            let scale = Scale::for_size(image.width(), image.height());
            let seed = keyed_seed(&square.to_string(), distortion, severity, context.seed);
            corrupt(image, distortion, severity, scale, seed).map_err(|error| wrong(&error))
        };
        let conditions = self.distortions.len() * severities;
        let found = self.photographs.measure(&measured, &squares, conditions, distorted, context)?;
        record.entry("precision", "fp32, whatever --precision says");
        record.entry("images", self.photographs.protocol(side));
        record.entry("relative to", "the mean distance between squares of different photographs");
        record.entry("interval", "over photographs");
        let n = squares.len();
        for (row, distances) in measured.rows.iter().zip(&found) {
            row.enter(&mut record);
            let mut add = |task: String, metric, conditions: &[usize]| -> Result<(), Error> {
                let (value, interval) = match metric {
                    "growth" => distances.growth(conditions, context.seed)?,
                    _ => distances.relative(conditions, context.seed)?,
                };
                record.figure(format!("{}{task}", row.prefix), metric, value, n, Some(interval));
                Ok(())
            };
            let all: Vec<usize> = (0..conditions).collect();
            for (distortion, conditions) in self.distortions.iter().zip(all.chunks(severities)) {
                if row.tap {
                    break;
                }
                let name = distortion.name();
                for (&condition, severity) in conditions.iter().zip(1..) {
                    add(format!("{name}/{severity}"), "relative-distance", &[condition])?;
                }
                add(name.to_owned(), "mean-relative-distance", conditions)?;
                add(name.to_owned(), "growth", conditions)?;
            }
            if self.distortions.len() == DISTORTIONS.len() {
                add("mean".to_owned(), "mean-relative-distance", &all)?;
            }
        }
        Ok(record.findings)
    }
}

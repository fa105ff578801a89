//! Perceptual distances as suites: agreement with people's judgements (BAPPS), and what the distances react to.

mod bapps;
mod distortions;
mod frequency;
mod measured;
mod photographs;

use visrep_probe::{Error, Suite};

/// The table.
pub static SUITES: [&dyn Suite; 4] =
    [&bapps::TWO_AFC, &bapps::JND, &distortions::DISTORTION_INVARIANCE, &frequency::SPATIAL_FREQUENCY];

/// An error of the distances as one of a suite.
fn failed(suite: &'static str) -> impl Fn(visrep_perceptual::Error) -> Error {
    move |error| Error::Suite { suite, message: error.to_string() }
}

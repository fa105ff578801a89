//! Against timm, and against a transcription of the authors' sparse encoder.

use super::config::{ARCHITECTURES, HUGE_SHALLOW, XXLARGE_SHALLOW};
use crate::golden;

#[test]
fn match_timm() {
    golden::check_family("convnext", ARCHITECTURES);
}

#[test]
fn the_largest_match_timm_at_reduced_depth() {
    golden::check_config("convnext", "convnext_xxlarge@depth1", &XXLARGE_SHALLOW, 1000);
    golden::check_config("convnext", "convnextv2_huge@depth1", &HUGE_SHALLOW, 1000);
}

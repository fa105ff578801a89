//! Against timm.

use super::ARCHITECTURES;
use crate::{Model, ModelOptions, golden};

#[test]
fn match_timm() {
    golden::check_family("swin", ARCHITECTURES);
}

/// Windows that grow, that do not divide the map, of one patch, shifted along one axis only, and maps of odd sides.
#[test]
fn other_sizes_match_timm() {
    for size in [(256, 192), (100, 72), (32, 32), (32, 224)] {
        golden::check_size("swin", "swin_tiny_patch4_window7_224", size);
    }
}

#[test]
fn the_authors_names_are_understood_and_tables_resampled() {
    golden::check_adapt("swin");
}

#[test]
fn kinds_and_memory_formats_agree() {
    golden::check_kinds("swin_tiny_patch4_window7_224", 224);
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let options = ModelOptions { image_size: Some((225, 224)), ..Default::default() };
    let message = Model::create("swin_tiny_patch4_window7_224", &options).expect_err("a size").to_string();
    assert!(message.contains("4 pixels must divide") && message.contains("224x224"), "{message}");
}

//! Against timm.

use crate::golden;

#[test]
fn match_timm() {
    golden::check_family("swin", super::ARCHITECTURES);
}

//! The font of plots: what a drawing measures its texts by, and draws those of bitmaps with.

use plotters::style::{FontStyle, register_font};
use std::sync::Once;

/// The family that plots are set in; a page shows SVG in its own font of that name.
pub const FAMILY: &str = "system-ui, sans-serif";

/// Letters, digits and signs of DejaVu Sans 2.37 (see `assets/LICENSE-DejaVu.txt`).
static FONT: &[u8] = include_bytes!("../assets/DejaVuSans-subset.ttf");

/// Makes the font known to plotters, once.
pub fn register() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        // A font that is compiled in and cannot be read shows in every test that draws.
        let _ = register_font(FAMILY, FontStyle::Normal, FONT);
    });
}

//! WebP images: header, whole image, a region.
#![no_main]

use libfuzzer_sys::fuzz_target;
use visrep_decode::Format;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::image(bytes, Format::WebP));

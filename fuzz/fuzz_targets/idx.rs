//! IDX files (MNIST), of images and of labels, plain and gzip.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::idx(bytes));

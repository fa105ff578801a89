//! Tar archives (WebDataset) read from front to back, plain and gzip.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::tar_stream(bytes));

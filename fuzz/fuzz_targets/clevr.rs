//! CLEVR's scenes in JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::clevr(bytes));

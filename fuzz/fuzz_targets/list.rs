//! Lists of paths and labels, separated in each way.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::list(bytes));

//! KITTI's label files, and the mapping that its splits come from.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::kitti(bytes));

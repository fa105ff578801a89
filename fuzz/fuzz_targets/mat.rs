//! MATLAB's MAT-files of arrays of numbers, and SVHN's.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::mat(bytes));

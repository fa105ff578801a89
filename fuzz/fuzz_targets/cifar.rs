//! CIFAR-10's and CIFAR-100's binary files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: visrep_fuzz::start(), |bytes: &[u8]| visrep_fuzz::cifar(bytes));

//! A package that AOTInductor made (`fixtures/golden/torch/make.py`): run, and refused where it does not fit.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used)]

use tch::{Device, Kind, Tensor};
use visrep_torch::{Autocast, CompiledPackage, Error, InferenceMode};

const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/torch/tiny.pt2");

fn tiny() -> CompiledPackage {
    CompiledPackage::open(TINY, CompiledPackage::MODEL, Device::Cpu).unwrap()
}

fn images(count: i64) -> Tensor {
    (Tensor::arange(count * 3 * 32 * 32, OPTIONS) * 0.3).sin().view([count, 3, 32, 32])
}

/// What the script's network computes.
fn expected(x: &Tensor) -> Tensor {
    let weight = (Tensor::arange(384, OPTIONS) * 0.7).sin().view([128, 3]);
    x.relu().mean_dim([2i64, 3].as_slice(), false, Kind::Float).matmul(&weight.tr())
}

#[test]
fn it_computes_what_the_network_does_for_any_batch() {
    let package = tiny();
    assert_eq!(package.metadata()["AOTI_DEVICE_KEY"], "cpu");
    assert_eq!(package.metadata()["made_by"], "visrep");
    for count in [2, 3, 7] {
        let x = images(count);
        let outputs = package.run(&[&x]).unwrap();
        assert_eq!((outputs.len(), outputs[0].size()), (1, vec![count, 128]));
        assert!(outputs[0].allclose(&expected(&x), 1e-5, 1e-6, false));
        assert!(!outputs[0].requires_grad());
    }
}

#[test]
fn autocast_and_inference_mode_change_nothing() {
    let (package, x) = (tiny(), images(2));
    let plain = package.run(&[&x]).unwrap().remove(0);
    let _autocast = Autocast::enter(Device::Cpu, Some(Kind::BFloat16)).unwrap();
    let _inference = InferenceMode::enter().unwrap();
    assert_eq!(package.run(&[&x]).unwrap().remove(0), plain);
    assert_eq!(x.matmul(&x).kind(), Kind::BFloat16, "autocast is on again");
}

#[test]
fn a_package_may_be_used_in_another_thread() {
    let (package, x) = (tiny(), images(3));
    let expected = expected(&x);
    let found = std::thread::spawn(move || package.run(&[&x]).unwrap().remove(0)).join().unwrap();
    assert!(found.allclose(&expected, 1e-5, 1e-6, false));
}

#[test]
fn threads_may_open_packages_at_once() {
    // LibTorch alone ends in a segmentation fault here.
    let open = || (0..8).for_each(|_| assert_eq!(tiny().metadata()["made_by"], "visrep"));
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(open))));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let package = tiny();
    let refused = |inputs: &[&Tensor]| {
        let error = package.run(inputs).unwrap_err();
        assert!(matches!(error, Error::Package { .. }), "{error}");
        error.to_string()
    };
    let message = refused(&[&images(2).narrow(3, 0, 31).contiguous()]);
    assert!(message.contains("tiny.pt2") && message.contains("[2, 3, 32, 31]"), "{message}");
    assert!(refused(&[&images(2).to_kind(Kind::Double)]).contains("Double"));
    // PyTorch exports a number that may vary as two or more.
    refused(&[&images(1)]);
    refused(&[&images(65)]);
    refused(&[]);
    refused(&[&images(2), &images(2)]);
    assert_eq!(package.run(&[&images(2)]).unwrap().len(), 1, "and it still works");
}

#[test]
fn what_is_no_package_for_this_device_is_an_error_with_its_path() {
    let open =
        |path: &str, model, device| CompiledPackage::open(path, model, device).unwrap_err().to_string();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let whole = std::fs::read(TINY).unwrap();
    for path in [
        "no/such.pt2".to_owned(),
        folder.path().to_str().unwrap().to_owned(),
        at("empty.pt2", b""),
        at("text.pt2", b"no archive at all"),
        at("cut.pt2", &whole[..whole.len() / 2]),
    ] {
        let message = open(&path, CompiledPackage::MODEL, Device::Cpu);
        assert!(message.contains(&path), "{message}");
    }
    let message = open(TINY, "another", Device::Cpu);
    assert!(message.contains("another"), "{message}");
    assert!(open("a\0b.pt2", CompiledPackage::MODEL, Device::Cpu).contains("b.pt2"));
    let message = open(TINY, CompiledPackage::MODEL, Device::Cuda(0));
    assert!(message.contains("tiny.pt2"), "{message}");
}

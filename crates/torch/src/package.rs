//! Models that PyTorch compiled ahead of time: `.pt2` packages of AOTInductor.

use std::collections::BTreeMap;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::shim::{self, PackageHandle, device_index, pointers};
use crate::shim::{visrep_package_free, visrep_package_metadata, visrep_package_open, visrep_package_run};
use crate::{Autocast, Error};

/// A frozen model as `torch._inductor.aoti_compile_and_package` writes it: machine code for one kind of device and for the
/// shapes that it was exported with, with its weights. It is run as it is, without gradients, and autocast has no effect on it.
///
/// **A package is a program.** Opening one runs its code with all rights of this process: take packages from people alone
/// whose programs you would run.
///
/// LibTorch: `torch::inductor::AOTIModelPackageLoader`.
#[derive(Debug)]
pub struct CompiledPackage {
    path: PathBuf,
    device: Device,
    handle: *mut PackageHandle,
    metadata: BTreeMap<String, String>,
}

// SAFETY: a package is bound to no thread. It is not `Sync`: one thread at a time uses it.
unsafe impl Send for CompiledPackage {}

impl CompiledPackage {
    /// Opens the model `model` of the package at `path` ([`CompiledPackage::MODEL`] unless it was named) for a device of the
    /// kind that it was compiled for.
    ///
    /// It unpacks the package into the system's temporary folder. The first time it also sets, unless it is set, the variable
    /// `AOTI_RUNTIME_CHECK_INPUTS` of this process's environment, by which a package checks its inputs: open a package before
    /// threads of C or C++ that read the environment. Several threads may open packages: they are opened one after another.
    ///
    /// # Errors
    /// [`Error::Package`] with LibTorch's reason: no such file, no package, another device, a LibTorch that cannot run it.
    pub fn open(path: impl AsRef<Path>, model: &str, device: Device) -> Result<Self, Error> {
        let path = path.as_ref();
        let failed = |message: String| Error::Package { path: path.to_path_buf(), message };
        // LibTorch would say that the archive is broken.
        std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
        let text = |text: &str| CString::new(text).map_err(|error| failed(error.to_string()));
        let name = path.to_str().ok_or_else(|| failed("its path is not UTF-8".into()))?;
        let (name, model) = (text(name)?, text(model)?);
        let index = device_index(device)?;
        prepare();
        let mut handle = std::ptr::null_mut();
        let message = {
            let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: the texts end with a zero and outlive the call, which writes one pointer.
            unsafe { visrep_package_open(name.as_ptr(), model.as_ptr(), index, &raw mut handle) }
        };
        shim::check("AOTIModelPackageLoader", message).map_err(|error| failed(error.to_string()))?;
        let mut package = Self { path: path.to_path_buf(), device, handle, metadata: BTreeMap::new() };
        package.metadata = package.read_metadata()?;
        let compiled_for = package.metadata.get("AOTI_DEVICE_KEY").map_or("cpu", String::as_str);
        let kind = if matches!(device, Device::Cuda(_)) { "cuda" } else { "cpu" };
        if compiled_for != kind {
            return Err(failed(format!("it was compiled for {compiled_for}, and is to run on {kind}")));
        }
        Ok(package)
    }

    /// The name that PyTorch gives the one model of a package.
    pub const MODEL: &str = "model";

    /// What the package says of itself: its device (`AOTI_DEVICE_KEY`), and what the one who made it added
    /// (`aot_inductor.metadata`).
    ///
    /// LibTorch: `AOTIModelPackageLoader::get_metadata`.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Runs the model on `inputs`, of the number, kinds and shapes that it was exported with, on its device; gives its
    /// results in their order.
    ///
    /// LibTorch: `AOTIModelPackageLoader::run`.
    ///
    /// # Errors
    /// [`Error::Package`] for inputs that do not fit; what is wrong with them is on standard error then.
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>, Error> {
        unsafe extern "C" fn push(receiver: *mut c_void, tensor: *mut C_tensor) {
            // SAFETY: the receiver is the list below, and the tensor made by `new` and ours.
            unsafe { (*receiver.cast::<Vec<Tensor>>()).push(Tensor::from_ptr(tensor)) };
        }
        // Operations that it leaves to LibTorch would be cast, and it counts on the kinds that it was compiled with.
        let _exact = Autocast::enter(self.device, None)?;
        let list = pointers(inputs.iter().copied());
        let mut outputs: Vec<Tensor> = Vec::new();
        let receiver = (&raw mut outputs).cast();
        // SAFETY: the package is alive, the tensors are borrowed for the call, and `push` is given its receiver.
        let message = unsafe { visrep_package_run(self.handle, list.as_ptr(), list.len(), receiver, push) };
        shim::check("AOTIModelPackageLoader::run", message).map_err(|error| {
            let shapes: Vec<_> = inputs.iter().map(|input| (input.size(), input.kind())).collect();
            let message = format!("{error}; it was given {shapes:?}, see standard error for what it takes");
            Error::Package { path: self.path.clone(), message }
        })?;
        Ok(outputs)
    }

    fn read_metadata(&self) -> Result<BTreeMap<String, String>, Error> {
        unsafe extern "C" fn push(
            receiver: *mut c_void,
            key: *const c_char,
            key_size: usize,
            value: *const c_char,
            value_size: usize,
        ) {
            let text = |start: *const c_char, size| {
                // SAFETY: the bytes are a `std::string`'s, which lives as long as this call.
                let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), size) };
                String::from_utf8_lossy(bytes).into_owned()
            };
            let (key, value) = (text(key, key_size), text(value, value_size));
            // SAFETY: the receiver is the map below.
            unsafe { (*receiver.cast::<BTreeMap<String, String>>()).insert(key, value) };
        }
        let mut metadata = BTreeMap::new();
        let receiver = (&raw mut metadata).cast();
        // SAFETY: the package is alive, and `push` is given its receiver.
        let message = unsafe { visrep_package_metadata(self.handle, receiver, push) };
        shim::check("AOTIModelPackageLoader::get_metadata", message)?;
        Ok(metadata)
    }
}

/// Held while a package is opened: `AOTIModelPackageLoader` reads what every package says of itself into one static JSON object
/// (`load_json_file` of LibTorch 2.11), which two openings at a time would free under each other.
static OPENING: Mutex<()> = Mutex::new(());

/// What packages need of this process, the first time that one is opened.
fn prepare() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        check_inputs();
        name_libtorch();
    });
}

/// A package looks at shapes and kinds only if this variable is set when it first runs; else it reads past the end of an input
/// that is too small. What the user has set stays.
fn check_inputs() {
    const CHECK: &str = "AOTI_RUNTIME_CHECK_INPUTS";
    if std::env::var_os(CHECK).is_none() {
        // SAFETY: Rust's readers wait; of others `CompiledPackage::open` says that they are the caller's care.
        unsafe { std::env::set_var(CHECK, "1") };
    }
}

/// Packages are linked against `libtorch`, which is all of LibTorch under one name and stands beside the libtorch_cpu of this
/// process, mostly as another name for that. Only a library that is loaded under the name is found by them: their own search does
/// not look where this program's does.
fn name_libtorch() {
    let name = format!("{DLL_PREFIX}torch{DLL_SUFFIX}");
    // SAFETY: it is LibTorch's own library, of the installation that this process runs with.
    let library = unsafe { libloading::Library::new(name) };
    // Where it is not, the package's error names it.
    library.into_iter().for_each(std::mem::forget);
}

impl Drop for CompiledPackage {
    fn drop(&mut self) {
        // SAFETY: the package is ours, alive, and used no more.
        unsafe { visrep_package_free(self.handle) };
    }
}

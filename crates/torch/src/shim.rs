//! The C++ files of `shim`, declared: the one place where Rust and C++ meet.

use std::ffi::{CStr, c_char, c_void};

use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use crate::Error;

/// What a call gives: null, or the message of what was thrown.
pub(crate) type Message = *mut c_char;

/// A Rust closure as `shim/checkpoint.cpp` keeps it.
#[repr(C)]
pub(crate) struct Closure {
    pub(crate) data: *mut c_void,
    pub(crate) call:
        unsafe extern "C" fn(*const c_void, *mut *mut C_tensor, usize, *mut Text) -> *mut C_tensor,
    pub(crate) drop: unsafe extern "C" fn(*mut c_void),
}

/// A `std::string`.
#[repr(C)]
pub(crate) struct Text {
    _private: [u8; 0],
}

/// What a checkpointed computation depends on besides its inputs.
#[repr(C)]
pub(crate) struct Surroundings {
    _private: [u8; 0],
}

/// A stream, as in `shim/device.cpp`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamHandle {
    pub(crate) id: i64,
    pub(crate) device_type: i8,
    pub(crate) device_index: i8,
}

/// A `c10::Event`.
#[repr(C)]
pub(crate) struct EventHandle {
    _private: [u8; 0],
}

/// The functions of `at::cuda::CUDAGraph`, by their addresses in libtorch_cuda; as in `shim/graph.cpp`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct GraphCalls {
    pub(crate) construct: usize,
    pub(crate) destroy: usize,
    pub(crate) capture_begin: usize,
    pub(crate) capture_end: usize,
    pub(crate) replay: usize,
}

/// A graph, as in `shim/graph.cpp`.
#[repr(C)]
pub(crate) struct GraphHandle {
    _private: [u8; 0],
}

/// An AOTInductor package that is loaded, as in `shim/package.cpp`.
#[repr(C)]
pub(crate) struct PackageHandle {
    _private: [u8; 0],
}

/// An `at::Generator`.
#[repr(C)]
pub(crate) struct GeneratorHandle {
    _private: [u8; 0],
}

/// A `c10::InferenceMode`.
#[repr(C)]
pub(crate) struct InferenceGuard {
    _private: [u8; 0],
}

// SAFETY: these are the signatures in `shim/*.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn visrep_free_message(message: Message);
    pub(crate) fn visrep_set_text(text: *mut Text, bytes: *const u8, size: usize);

    pub(crate) fn visrep_tensor_over(
        data: *mut c_void,
        shape: *const i64,
        dims: usize,
        scalar_type: i32,
        owner: *mut c_void,
        release: unsafe extern "C" fn(*mut c_void),
        result: *mut *mut C_tensor,
    ) -> Message;
    pub(crate) fn visrep_to_format(
        tensor: *const C_tensor,
        channels_last: bool,
        result: *mut *mut C_tensor,
    ) -> Message;
    pub(crate) fn visrep_has_format(
        tensor: *const C_tensor,
        channels_last: bool,
        result: *mut bool,
    ) -> Message;
    pub(crate) fn visrep_map_channels(
        images: *const C_tensor,
        table: *const C_tensor,
        result: *mut *mut C_tensor,
    ) -> Message;

    pub(crate) fn visrep_grad_enabled() -> bool;
    pub(crate) fn visrep_inference_enter(result: *mut *mut InferenceGuard) -> Message;
    pub(crate) fn visrep_inference_leave(guard: *mut InferenceGuard);
    pub(crate) fn visrep_is_inference(tensor: *const C_tensor) -> bool;
    pub(crate) fn visrep_autocast_get(device_type: i8, enabled: *mut bool, scalar_type: *mut i32) -> Message;
    pub(crate) fn visrep_autocast_set(device_type: i8, enabled: bool, scalar_type: i32) -> Message;
    pub(crate) fn visrep_autocast_begin();
    pub(crate) fn visrep_autocast_end();
    pub(crate) fn visrep_cpu_has(name: *const c_char, result: *mut bool) -> Message;
    pub(crate) fn visrep_switches_get(
        tf32: *mut bool,
        benchmark: *mut bool,
        deterministic: *mut bool,
    ) -> Message;
    pub(crate) fn visrep_switches_set(tf32: bool, benchmark: bool, deterministic: bool) -> Message;

    pub(crate) fn visrep_fused_adamw(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        steps: *const *const C_tensor,
        count: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
    ) -> Message;
    pub(crate) fn visrep_fused_sgd(
        parameters: *const *const C_tensor,
        gradients: *const *const C_tensor,
        momentum_buffers: *const *const C_tensor,
        count: usize,
        lr: f64,
        momentum: f64,
        weight_decay: f64,
        nesterov: bool,
    ) -> Message;
    pub(crate) fn visrep_foreach_mul(list: *const *const C_tensor, count: usize, factor: f64) -> Message;
    pub(crate) fn visrep_foreach_add(
        list: *const *const C_tensor,
        others: *const *const C_tensor,
        count: usize,
        alpha: f64,
    ) -> Message;
    pub(crate) fn visrep_foreach_lerp(
        list: *const *const C_tensor,
        ends: *const *const C_tensor,
        count: usize,
        weight: f64,
    ) -> Message;
    pub(crate) fn visrep_global_norm(
        list: *const *const C_tensor,
        count: usize,
        result: *mut *mut C_tensor,
    ) -> Message;
    pub(crate) fn visrep_clip_norm(
        list: *const *const C_tensor,
        count: usize,
        max_norm: f64,
        result: *mut *mut C_tensor,
    ) -> Message;

    pub(crate) fn visrep_generator_new(seed: u64) -> *mut GeneratorHandle;
    pub(crate) fn visrep_generator_free(generator: *mut GeneratorHandle);
    pub(crate) fn visrep_generator_random() -> u64;
    pub(crate) fn visrep_normal(
        tensor: *const C_tensor,
        mean: f64,
        std: f64,
        generator: *const GeneratorHandle,
    ) -> Message;
    pub(crate) fn visrep_uniform(
        tensor: *const C_tensor,
        low: f64,
        high: f64,
        generator: *const GeneratorHandle,
    ) -> Message;

    pub(crate) fn visrep_gpu_bf16(device_type: i8, index: i8, result: *mut bool) -> Message;
    pub(crate) fn visrep_device_memory(device_type: i8, index: i8, figures: *mut u64) -> Message;
    pub(crate) fn visrep_reset_peak_memory(device_type: i8, index: i8) -> Message;
    pub(crate) fn visrep_empty_cache(device_type: i8) -> Message;
    pub(crate) fn visrep_stream_current(device_type: i8, index: i8, result: *mut StreamHandle) -> Message;
    pub(crate) fn visrep_stream_new(device_type: i8, index: i8, result: *mut StreamHandle) -> Message;
    pub(crate) fn visrep_stream_exchange(stream: StreamHandle, before: *mut StreamHandle) -> Message;
    pub(crate) fn visrep_stream_synchronize(stream: StreamHandle) -> Message;
    pub(crate) fn visrep_record_stream(tensor: *const C_tensor, stream: StreamHandle) -> Message;
    pub(crate) fn visrep_event_record(stream: StreamHandle, result: *mut *mut EventHandle) -> Message;
    pub(crate) fn visrep_event_block(event: *const EventHandle, stream: StreamHandle) -> Message;
    pub(crate) fn visrep_event_query(event: *const EventHandle, result: *mut bool) -> Message;
    pub(crate) fn visrep_event_synchronize(event: *const EventHandle) -> Message;
    pub(crate) fn visrep_event_free(event: *mut EventHandle);
    pub(crate) fn visrep_upload(
        tensor: *const C_tensor,
        device_type: i8,
        index: i8,
        result: *mut *mut C_tensor,
    ) -> Message;

    pub(crate) fn visrep_graph_new(calls: *const GraphCalls, result: *mut *mut GraphHandle) -> Message;
    pub(crate) fn visrep_graph_begin(graph: *mut GraphHandle) -> Message;
    pub(crate) fn visrep_graph_end(graph: *mut GraphHandle) -> Message;
    pub(crate) fn visrep_graph_replay(graph: *mut GraphHandle) -> Message;
    pub(crate) fn visrep_graph_free(graph: *mut GraphHandle);

    pub(crate) fn visrep_package_open(
        path: *const c_char,
        name: *const c_char,
        device_index: i8,
        result: *mut *mut PackageHandle,
    ) -> Message;
    pub(crate) fn visrep_package_free(package: *mut PackageHandle);
    pub(crate) fn visrep_package_metadata(
        package: *mut PackageHandle,
        receiver: *mut c_void,
        push: unsafe extern "C" fn(*mut c_void, *const c_char, usize, *const c_char, usize),
    ) -> Message;
    pub(crate) fn visrep_package_run(
        package: *mut PackageHandle,
        inputs: *const *const C_tensor,
        count: usize,
        receiver: *mut c_void,
        push: unsafe extern "C" fn(*mut c_void, *mut C_tensor),
    ) -> Message;

    pub(crate) fn visrep_checkpoint_begin(
        inputs: *const *const C_tensor,
        count: usize,
        result: *mut *mut Surroundings,
    ) -> Message;
    pub(crate) fn visrep_checkpoint_abandon(surroundings: *mut Surroundings);
    pub(crate) fn visrep_checkpoint_attach(
        inputs: *const *const C_tensor,
        count: usize,
        output: *const C_tensor,
        surroundings: *mut Surroundings,
        closure: Closure,
        result: *mut *mut C_tensor,
    ) -> Message;
}

/// Turns what a call gave into a result; `call` is LibTorch's name of what was called.
pub(crate) fn check(call: &'static str, message: Message) -> Result<(), Error> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message that is not null is a string with a zero at its end, and ours to free, once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        visrep_free_message(message);
        text
    };
    Err(Error::LibTorch { call, message: text })
}

/// Runs a call that writes a new tensor where it is told.
pub(crate) fn new_tensor(
    call: &'static str,
    work: impl FnOnce(*mut *mut C_tensor) -> Message,
) -> Result<Tensor, Error> {
    let mut result = std::ptr::null_mut();
    check(call, work(&raw mut result))?;
    // SAFETY: the call succeeded, so this is a tensor made by `new` that nobody else owns.
    Ok(unsafe { Tensor::from_ptr(result) })
}

/// The pointers of tensors, for a call that borrows them.
pub(crate) fn pointers<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<*const C_tensor> {
    tensors.into_iter().map(Tensor::as_ptr).collect()
}

/// Gives a tensor away as a pointer that the receiver deletes.
pub(crate) fn into_raw(mut tensor: Tensor) -> *mut C_tensor {
    let pointer = tensor.as_mut_ptr();
    std::mem::forget(tensor);
    pointer
}

/// Checks that lists which belong together are of one length.
pub(crate) fn check_lengths(call: &'static str, expected: usize, lengths: &[usize]) -> Result<(), Error> {
    match lengths.iter().find(|length| **length != expected) {
        None => Ok(()),
        Some(length) => Err(Error::ListLengths { call, expected, found: *length }),
    }
}

/// LibTorch's number of a kind of device (`c10/core/DeviceType.h`).
pub(crate) fn device_type(device: Device) -> i8 {
    match device {
        Device::Cpu => 0,
        Device::Cuda(_) => 1,
        Device::Vulkan => 10,
        Device::Mps => 13,
    }
}

/// The number of a device among those of its kind, as LibTorch has it; -1 is the one that a kind has only one of.
pub(crate) fn device_index(device: Device) -> Result<i8, Error> {
    match device {
        Device::Cuda(index) => i8::try_from(index).map_err(|_| Error::NoSuchGpu {
            index,
            count: usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
        }),
        Device::Cpu | Device::Vulkan | Device::Mps => Ok(-1),
    }
}

/// LibTorch's number of an element type (`c10/core/ScalarType.h`).
pub(crate) fn scalar_type(kind: Kind) -> i32 {
    match kind {
        Kind::Uint8 => 0,
        Kind::Int8 => 1,
        Kind::Int16 => 2,
        Kind::Int => 3,
        Kind::Int64 => 4,
        Kind::Half => 5,
        Kind::Float => 6,
        Kind::Double => 7,
        Kind::ComplexHalf => 8,
        Kind::ComplexFloat => 9,
        Kind::ComplexDouble => 10,
        Kind::Bool => 11,
        Kind::QInt8 => 12,
        Kind::QUInt8 => 13,
        Kind::QInt32 => 14,
        Kind::BFloat16 => 15,
        Kind::Float8e5m2 => 23,
        Kind::Float8e4m3fn => 24,
        Kind::Float8e5m2fnuz => 25,
        Kind::Float8e4m3fnuz => 26,
    }
}

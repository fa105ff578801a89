//! The C++ files of `shim`, declared: the one place where Rust and C++ meet.

use std::ffi::{CStr, c_char, c_void};

use tch::{Kind, Tensor};
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

    pub(crate) fn visrep_grad_enabled() -> bool;
    pub(crate) fn visrep_checkpoint_enter(
        inputs: *const *const C_tensor,
        count: usize,
        result: *mut *mut Surroundings,
    ) -> Message;
    pub(crate) fn visrep_checkpoint_leave(surroundings: *const Surroundings);
    pub(crate) fn visrep_checkpoint_free(surroundings: *mut Surroundings);
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

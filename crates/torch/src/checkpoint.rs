//! Gradient checkpointing: a piece of a network that keeps nothing for its backward pass but its inputs, and is
//! computed again when that comes (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost",
//! arXiv:1604.06174).

use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::Tensor;
use torch_sys::C_tensor;

use crate::Error;
use crate::shim::{self, Closure, Surroundings, Text};
use crate::shim::{visrep_checkpoint_abandon, visrep_checkpoint_attach, visrep_checkpoint_begin};
use crate::shim::{visrep_grad_enabled, visrep_set_text};

thread_local! {
    static RECOMPUTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a [`checkpoint`]'s second run. What must happen once for each forward pass, such as
/// the update of BatchNorm's running statistics, is left out then.
#[must_use]
pub fn recomputing() -> bool {
    RECOMPUTING.get()
}

/// Runs `f` on `inputs` without keeping what its backward pass needs, and runs it again, with gradients, when the
/// backward pass arrives. That saves the memory of every activation inside, for the time of one more forward pass.
///
/// ```
/// use tch::{Device, Kind, Tensor};
///
/// let x = Tensor::ones([2, 8], (Kind::Float, Device::Cpu)).set_requires_grad(true);
/// let y = visrep_torch::checkpoint([&x], |[x]| Ok::<_, visrep_torch::Error>(x.f_tanh()?.f_square()?))?;
/// y.f_sum(Kind::Float)?.f_backward()?;
/// assert!(x.grad().defined());
/// # Ok::<(), visrep_torch::Error>(())
/// ```
///
/// - The random state of the CPU and of the inputs' devices is brought back for the second run and put back after it,
///   so that dropout drops the same; so is the autocast state. Numbers from elsewhere (a generator of Rust's) are
///   the closure's to keep.
/// - The gradients of parameters that `f` uses are accumulated as ever. Other tensors that `f` captures must not need
///   gradients: give those as inputs. No input needs to require gradients.
/// - `f` must not change its inputs in place, which is an error. Whatever else it changes (running statistics) it
///   leaves alone while [`recomputing`].
/// - The gradients are those of the plain computation, bit for bit where its operations are deterministic.
/// - The result requires gradients whenever they are recorded, since nobody knows what `f` uses. Where they are not
///   recorded (`tch::no_grad`), `f` runs once, and nothing else happens.
/// - An error or a panic of the second run is the error of `backward`. The closure runs in the thread of the backward
///   pass, and is dropped with the graph.
///
/// As with `torch.utils.checkpoint(use_reentrant=True)`, it cannot be differentiated twice, nor by
/// `Tensor::run_backward`, which is told what to differentiate for; both are errors of the backward pass. LibTorch: a
/// `torch::autograd::Node` of our own.
///
/// # Errors
/// What `f` gives, and [`Error::LibTorch`] if the inputs cannot be saved for a backward pass or were changed.
pub fn checkpoint<const N: usize, E, F>(inputs: [&Tensor; N], f: F) -> Result<Tensor, E>
where
    F: Fn([Tensor; N]) -> Result<Tensor, E> + Send + 'static,
    E: From<Error> + Display,
{
    // SAFETY: the call only reads this thread's mode.
    if !unsafe { visrep_grad_enabled() } {
        return f(inputs.map(Tensor::shallow_clone));
    }
    let noted = Noted::new(inputs)?;
    let output = {
        // Unlike `tch::no_grad`, the guard puts the mode back when `f` panics.
        let _no_grad = tch::no_grad_guard();
        f(inputs.map(Tensor::shallow_clone))?
    };
    let surroundings = noted.into_raw();
    let pointers = shim::pointers(inputs);
    let closure =
        Closure { data: Box::into_raw(Box::new(f)).cast(), call: call::<N, E, F>, drop: drop_closure::<F> };
    // SAFETY: the tensors are borrowed for the call; the surroundings and the closure become its own, whatever
    // happens; `call` and `drop_closure` are those of the closure's type, which is `Send` and `'static` as a graph
    // needs it: it is used by one thread at a time, under the node's lock.
    let attached = shim::new_tensor("autograd::Node", |result| unsafe {
        let (inputs, output) = (pointers.as_ptr(), output.as_ptr());
        visrep_checkpoint_attach(inputs, pointers.len(), output, surroundings, closure, result)
    });
    Ok(attached?)
}

/// What was noted before the first run.
struct Noted(*mut Surroundings);

impl Noted {
    fn new<const N: usize>(inputs: [&Tensor; N]) -> Result<Self, Error> {
        let pointers = shim::pointers(inputs);
        let mut surroundings = std::ptr::null_mut();
        // SAFETY: the tensors are borrowed for the call, which writes one pointer.
        let message =
            unsafe { visrep_checkpoint_begin(pointers.as_ptr(), pointers.len(), &raw mut surroundings) };
        shim::check("Generator::get_state", message)?;
        Ok(Self(surroundings))
    }

    /// Gives it away.
    fn into_raw(self) -> *mut Surroundings {
        let surroundings = self.0;
        std::mem::forget(self);
        surroundings
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        // SAFETY: it is ours, alive, and used no more.
        unsafe { visrep_checkpoint_abandon(self.0) };
    }
}

/// Says that the second run goes on, until it is dropped.
struct Recomputing {
    before: bool,
}

impl Recomputing {
    fn start() -> Self {
        Self { before: RECOMPUTING.replace(true) }
    }
}

impl Drop for Recomputing {
    fn drop(&mut self) {
        RECOMPUTING.set(self.before);
    }
}

/// The second run, called by the backward pass.
///
/// # Safety
/// `data` is a living `F`; `inputs` holds `count` tensors that become this function's; `reason` is a string of the
/// shim's.
unsafe extern "C" fn call<const N: usize, E, F>(
    data: *const c_void,
    inputs: *mut *mut C_tensor,
    count: usize,
    reason: *mut Text,
) -> *mut C_tensor
where
    F: Fn([Tensor; N]) -> Result<Tensor, E>,
    E: Display,
{
    let run = || {
        // Not a slice: C++ gives a null pointer for no inputs.
        // SAFETY: see above; each pointer is used once.
        let inputs: Vec<Tensor> = (0..count).map(|i| unsafe { Tensor::from_ptr(*inputs.add(i)) }).collect();
        let inputs: [Tensor; N] =
            inputs.try_into().map_err(|_| "its inputs are not those of the first run".to_string())?;
        let _recomputing = Recomputing::start();
        // SAFETY: see above; the node's lock lets one thread at a time come here.
        let f = unsafe { &*data.cast::<F>() };
        f(inputs).map_err(|error| error.to_string())
    };
    let message = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(output)) => return shim::into_raw(output),
        Ok(Err(message)) => message,
        Err(payload) => format!("the closure panicked: {}", panic_message(&*payload)),
    };
    let message = format!("a checkpointed piece failed when it was computed again: {message}");
    // SAFETY: see above; the bytes are copied.
    unsafe { visrep_set_text(reason, message.as_ptr(), message.len()) };
    std::ptr::null_mut()
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}

/// Drops a closure with its graph.
///
/// # Safety
/// `data` comes from `Box::<F>::into_raw`, and this is called once for it.
unsafe extern "C" fn drop_closure<F>(data: *mut c_void) {
    // A panic must not cross C++, and there is nobody here to tell of it.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: see above.
        drop(unsafe { Box::from_raw(data.cast::<F>()) });
    }));
}

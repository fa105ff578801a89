//! CUDA graphs: a step's kernels recorded once and started again as one.

use std::ffi::c_void;
use std::path::Path;
use std::sync::OnceLock;

use tch::Device;

use crate::shim::{self, GraphCalls, GraphHandle};
use crate::shim::{
    visrep_graph_begin, visrep_graph_end, visrep_graph_free, visrep_graph_new, visrep_graph_replay,
};
use crate::{CudaLibraries, Error, Event, Stream, device_name, empty_cache, load_cuda_libraries};

/// What a GPU was told to do between two points, to be done again with one call: small networks, whose kernels take less
/// time than their launches, train and run the faster for it.
///
/// Every replay reads and writes the memory that the recorded work did: give new inputs by copying them into the tensors
/// that the step read (`copy_`), and read results from the tensors that it gave. Shapes, learning rates that are
/// numbers rather than tensors, and whatever the step decides on the host stay as they were. A step that looks at a value of the
/// GPU (`double_value`) cannot be recorded.
///
/// LibTorch: `at::cuda::CUDAGraph`.
#[derive(Debug)]
pub struct CudaGraph {
    handle: *mut GraphHandle,
}

// SAFETY: a graph is bound to no thread, and `replay` takes `&mut self`, so that one thread at a time uses it.
unsafe impl Send for CudaGraph {}

impl CudaGraph {
    /// Runs `step` `warm_up` times on a stream of its own, which lets libraries choose their algorithms and optimisers make
    /// their state, then records it once more; nothing is computed then. Returns the graph and what the recorded step
    /// gave: tensors whose values each replay writes.
    ///
    /// However it ends, this thread's current stream is as it was.
    ///
    /// LibTorch: `CUDAGraph::capture_begin` and `capture_end`.
    ///
    /// # Errors
    /// [`Error::NoCudaGraph`] for a device that is no GPU and on systems other than Linux; [`Error::NoCuda`] where CUDA cannot be
    /// used; those of `step`; [`Error::LibTorch`] for a step that cannot be recorded.
    pub fn capture<T, E: From<Error>>(
        device: Device,
        warm_up: usize,
        mut step: impl FnMut() -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let calls = calls(device)?;
        let (outside, side) = (Stream::current(device)?, Stream::new(device)?);
        side.wait(&Event::record(outside)?)?;
        let guard = side.enter()?;
        for _ in 0..warm_up {
            step()?;
        }
        side.synchronize()?;
        // A graph has memory of its own: what the warm-up took is given back first.
        empty_cache(device)?;
        let graph = Self::new(calls)?;
        // SAFETY: the graph is alive.
        shim::check("CUDAGraph::capture_begin", unsafe { visrep_graph_begin(graph.handle) })?;
        let recorded = step();
        // SAFETY: the graph is alive. A capture that was begun is ended, also after an error.
        let ended = shim::check("CUDAGraph::capture_end", unsafe { visrep_graph_end(graph.handle) });
        drop(guard);
        let recorded = recorded?;
        ended?;
        outside.wait(&Event::record(side)?)?;
        Ok((graph, recorded))
    }

    fn new(calls: &GraphCalls) -> Result<Self, Error> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the addresses are those of the functions that the shim declares; the call writes one pointer.
        shim::check("CUDAGraph", unsafe { visrep_graph_new(calls, &raw mut handle) })?;
        Ok(Self { handle })
    }

    /// Does the recorded work once more, in this thread's current stream; the caller does not wait for it.
    ///
    /// LibTorch: `CUDAGraph::replay`.
    ///
    /// # Errors
    /// [`Error::LibTorch`] if CUDA fails.
    pub fn replay(&mut self) -> Result<(), Error> {
        // SAFETY: the graph is alive.
        shim::check("CUDAGraph::replay", unsafe { visrep_graph_replay(self.handle) })
    }
}

impl Drop for CudaGraph {
    fn drop(&mut self) {
        // SAFETY: the graph is ours, alive, and used no more.
        unsafe { visrep_graph_free(self.handle) };
    }
}

/// The names of [`GraphCalls`]' functions in libtorch_cuda, as the C++ ABI of Linux (Itanium's) spells them.
const CALLS: [&str; 5] = [
    "_ZN2at4cuda9CUDAGraphC1Eb",
    "_ZN2at4cuda9CUDAGraphD1Ev",
    "_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode",
    "_ZN2at4cuda9CUDAGraph11capture_endEv",
    "_ZN2at4cuda9CUDAGraph6replayEv",
];

/// Finds the functions in the libtorch_cuda of this process.
fn calls(device: Device) -> Result<&'static GraphCalls, Error> {
    static FOUND: OnceLock<GraphCalls> = OnceLock::new();
    let none = |reason: &str| Error::NoCudaGraph { device: device_name(device), reason: reason.to_string() };
    if !matches!(device, Device::Cuda(_)) {
        return Err(none("only a GPU's work can be recorded"));
    }
    let path = match load_cuda_libraries()? {
        CudaLibraries::Loaded(path) | CudaLibraries::Present(path) => path,
        found => return Err(Error::NoCuda { device: device_name(device), found }),
    };
    if !tch::Cuda::is_available() {
        return Err(Error::NoCuda { device: device_name(device), found: CudaLibraries::Present(path) });
    }
    if let Some(calls) = FOUND.get() {
        return Ok(calls);
    }
    let found =
        find(&path).ok_or_else(|| none("its LibTorch has no CUDA graphs that this program can find"))?;
    Ok(FOUND.get_or_init(|| found))
}

/// The functions of a library that is loaded already and stays so.
fn find(path: &Path) -> Option<GraphCalls> {
    // SAFETY: the library is loaded, so that its initialisers have run.
    let library = unsafe { libloading::Library::new(path) }.ok()?;
    let addresses = CALLS.map(|name| {
        // SAFETY: an address is taken, of a function that is called by its own signature only, in the shim.
        unsafe { library.get::<*const c_void>(name.as_bytes()) }.map_or(std::ptr::null(), |symbol| *symbol)
    });
    if addresses.iter().any(|address| address.is_null()) {
        return None;
    }
    // The addresses are to stay good.
    std::mem::forget(library);
    let addresses = addresses.map(<*const c_void>::expose_provenance);
    let [construct, destroy, capture_begin, capture_end, replay] = addresses;
    Some(GraphCalls { construct, destroy, capture_begin, capture_end, replay })
}

#[cfg(test)]
mod tests {
    use tch::nn::{self, Module};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::DeviceChoice;

    #[test]
    fn where_no_gpu_is_nothing_is_run_and_the_error_says_why() {
        let step = || -> Result<(), Error> { unreachable!("the device is looked at first") };
        let message = CudaGraph::capture(Device::Cpu, 3, step).unwrap_err().to_string();
        assert!(message.contains("cpu") && message.contains("only a GPU"), "{message}");
        if DeviceChoice::Auto.resolve().unwrap() == Device::Cpu {
            let message = CudaGraph::capture(Device::Cuda(0), 3, step).unwrap_err().to_string();
            assert!(message.contains("cuda:0"), "{message}");
        }
    }

    #[test]
    fn on_a_gpu_replayed_steps_train_as_plain_ones_do() {
        let device = DeviceChoice::Auto.resolve().unwrap();
        if device == Device::Cpu {
            eprintln!("no GPU: not tested");
            return;
        }
        let numbers = |count: i64| (Tensor::arange(count, (Kind::Float, device)) * 0.7).sin();
        let train = |graphed: bool| {
            let store = nn::VarStore::new(device);
            let layer = nn::linear(store.root(), 8, 4, nn::LinearConfig::default());
            let mut weight = layer.ws.shallow_clone();
            tch::no_grad(|| weight.copy_(&numbers(32).view([4, 8])));
            let mut x = numbers(16 * 8).view([16, 8]);
            let mut step = || -> Result<Tensor, Error> {
                let loss = layer.forward(&x).square().mean(Kind::Float);
                let gradient = Tensor::run_backward(&[&loss], &[&weight], false, false).remove(0);
                tch::no_grad(|| weight -= gradient * 0.1);
                Ok(loss)
            };
            if graphed {
                let (mut graph, loss) = CudaGraph::capture(device, 3, &mut step).unwrap();
                for _ in 0..5 {
                    graph.replay().unwrap();
                }
                let _ = tch::no_grad(|| x.fill_(0.0));
                graph.replay().unwrap();
                loss.double_value(&[])
            } else {
                for _ in 0..3 + 5 {
                    let _ = step().unwrap();
                }
                let _ = tch::no_grad(|| x.fill_(0.0));
                layer.forward(&x).square().mean(Kind::Float).double_value(&[])
            }
        };
        let (plain, graphed) = (train(false), train(true));
        assert!((plain - graphed).abs() < 1e-6, "{plain} {graphed}");
    }

    #[test]
    fn on_a_gpu_a_step_that_fails_leaves_the_stream_as_it_was() {
        let device = DeviceChoice::Auto.resolve().unwrap();
        if device == Device::Cpu {
            eprintln!("no GPU: not tested");
            return;
        }
        let before = Stream::current(device).unwrap();
        let x = Tensor::ones([4], (Kind::Float, device));
        // To read a value is to wait, which no capture allows.
        let waits = || Ok::<_, Error>(f64::try_from(&x * 2.0)?);
        assert!(CudaGraph::capture(device, 0, waits).is_err());
        assert_eq!(Stream::current(device).unwrap(), before);
        assert_eq!((x * 2.0).sum(Kind::Float).double_value(&[]), 8.0);
    }

    /// Needs `cargo xtask setup --cuda` and no GPU: shows that the names are right.
    #[test]
    #[ignore = "needs the CUDA libraries"]
    fn the_functions_are_in_the_library_of_setup() {
        let cpu = crate::cuda::loaded_library("libtorch_cpu.so").expect("libtorch_cpu is linked");
        let path = crate::cuda::places(&cpu).into_iter().find(|place| place.is_file()).expect("installed");
        assert!(find(&path).is_some());
    }
}

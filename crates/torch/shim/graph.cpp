// CUDA graphs, by `at::cuda::CUDAGraph` (ATen/cuda/CUDAGraph.h).
//
// Its header needs CUDA's, and its code is in libtorch_cuda, which is loaded at run time where there is a GPU. So its
// functions come as addresses that Rust found by name, and the object lives in memory that is larger than it: it holds a
// dozen pointers and numbers and a hash table's head, about 120 bytes in LibTorch 2.11, the one release that is accepted.

#include "shim.h"

#include <cstddef>
#include <memory>
#include <utility>

using Pool = std::pair<unsigned long long, unsigned long long>;

// In the order of `CALLS` in src/graph.rs. Member functions take their object first.
struct VisrepGraphCalls {
  void (*construct)(void* graph, bool keep_graph);
  void (*destroy)(void* graph);
  void (*capture_begin)(void* graph, Pool pool, int capture_mode);
  void (*capture_end)(void* graph);
  void (*replay)(void* graph);
};

struct VisrepGraph {
  explicit VisrepGraph(const VisrepGraphCalls& functions) : calls(functions) {
    calls.construct(object, false);
  }

  ~VisrepGraph() {
    calls.destroy(object);
  }

  VisrepGraph(const VisrepGraph&) = delete;
  VisrepGraph& operator=(const VisrepGraph&) = delete;

  VisrepGraphCalls calls;
  alignas(64) std::byte object[1024];
};

extern "C" char* visrep_graph_new(const VisrepGraphCalls* calls, VisrepGraph** result) noexcept {
  return visrep::guarded([&] { *result = std::make_unique<VisrepGraph>(*calls).release(); });
}

// Records what this thread sends into its current stream from now on, and does none of it. A pool of zeros is one of the
// graph's own; `capture_mode` 0 is `cudaStreamCaptureModeGlobal`, PyTorch's default.
extern "C" char* visrep_graph_begin(VisrepGraph* graph) noexcept {
  return visrep::guarded([&] { graph->calls.capture_begin(graph->object, Pool{0, 0}, 0); });
}

extern "C" char* visrep_graph_end(VisrepGraph* graph) noexcept {
  return visrep::guarded([&] { graph->calls.capture_end(graph->object); });
}

extern "C" char* visrep_graph_replay(VisrepGraph* graph) noexcept {
  return visrep::guarded([&] { graph->calls.replay(graph->object); });
}

extern "C" void visrep_graph_free(VisrepGraph* graph) noexcept {
  delete graph;
}

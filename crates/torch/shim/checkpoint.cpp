// A node of the autograd graph that computes its piece of the network again.

#include "shim.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

using at::Tensor;
using torch::autograd::variable_list;

// A Rust closure. `call` takes `count` owned tensors and returns an owned one, or null after it has given
// `visrep_set_text` a reason. `drop` is called once.
struct VisrepClosure {
  void* data;
  Tensor* (*call)(const void* data, Tensor** inputs, size_t count, std::string* reason);
  void (*drop)(void* data);
};

extern "C" void visrep_set_text(std::string* text, const char* bytes, size_t size) noexcept {
  try {
    text->assign(bytes, size);
  } catch (...) {
    text->clear();
  }
}

namespace {

// The state of one random generator.
class RandomState {
 public:
  explicit RandomState(at::Generator generator) : generator_(std::move(generator)) {
    std::lock_guard<std::mutex> lock(generator_.mutex());
    state_ = generator_.get_state();
  }

  void restore() const {
    at::Generator generator = generator_;
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(state_);
  }

  RandomState now() const {
    return RandomState(generator_);
  }

 private:
  at::Generator generator_;
  Tensor state_;
};

// Whether one device's operations are cast, and to what.
class Autocast {
 public:
  explicit Autocast(at::DeviceType device)
      : device_(device),
        enabled_(at::autocast::is_autocast_enabled(device)),
        dtype_(at::autocast::get_autocast_dtype(device)) {}

  void restore() const {
    at::autocast::set_autocast_enabled(device_, enabled_);
    at::autocast::set_autocast_dtype(device_, dtype_);
  }

  Autocast now() const {
    return Autocast(device_);
  }

 private:
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType dtype_;
};

}  // namespace

// What a computation depends on besides its inputs.
struct VisrepSurroundings {
  std::vector<RandomState> random;
  std::vector<Autocast> autocast;
  // Whether autocast keeps its casts of weights. A second run does not: no guard's end would drop them, and weights
  // change before the next.
  bool keep_casts = false;
  // How often the inputs had been changed in place.
  std::vector<uint32_t> versions;

  void restore() const {
    for (const auto& state : random) {
      state.restore();
    }
    for (const auto& state : autocast) {
      state.restore();
    }
    at::autocast::set_autocast_cache_enabled(keep_casts);
  }

  VisrepSurroundings now() const {
    VisrepSurroundings current;
    current.keep_casts = at::autocast::is_autocast_cache_enabled();
    for (const auto& state : random) {
      current.random.push_back(state.now());
    }
    for (const auto& state : autocast) {
      current.autocast.push_back(state.now());
    }
    return current;
  }
};

namespace {

// Brings back the surroundings of another time for as long as it lives.
class Replayed {
 public:
  explicit Replayed(const VisrepSurroundings& then) : before_(then.now()) {
    try {
      then.restore();
    } catch (...) {
      before_.restore();
      throw;
    }
  }

  ~Replayed() {
    try {
      before_.restore();
    } catch (...) {
      // A destructor may not throw. The states were read from these very generators.
    }
  }

  Replayed(const Replayed&) = delete;
  Replayed& operator=(const Replayed&) = delete;

 private:
  VisrepSurroundings before_;
};

// Inference tensors are not counted; that they cannot be saved is for `SavedVariable` to say.
uint32_t version(const Tensor& tensor) {
  return tensor.is_inference() ? 0 : tensor._version();
}

class Checkpoint : public torch::autograd::Node {
 public:
  Checkpoint(
      const variable_list& inputs,
      std::unique_ptr<VisrepSurroundings> surroundings,
      std::shared_ptr<VisrepClosure> closure)
      : Node(torch::autograd::collect_next_edges(inputs)),
        surroundings_(std::move(surroundings)),
        closure_(std::move(closure)) {
    for (const auto& input : inputs) {
      inputs_.emplace_back(input, /*is_output=*/false);
    }
  }

  std::string name() const override {
    return "visrep::Checkpoint";
  }

  variable_list apply(variable_list&& gradients) override {
    std::lock_guard<std::mutex> lock(mutex_);
    TORCH_CHECK(closure_ != nullptr, torch::autograd::ERR_BACKWARD_TWICE);
    TORCH_CHECK(
        torch::autograd::Engine::get_default_engine().is_checkpoint_valid(),
        "a checkpointed piece accumulates the gradients of its parameters itself: run backward without a list of "
        "tensors to differentiate for");
    TORCH_CHECK(
        !at::GradMode::is_enabled(), "a checkpointed piece cannot be differentiated twice (create_graph)");
    variable_list inputs;
    for (const auto& saved : inputs_) {
      Tensor input = saved.unpack();
      inputs.push_back(input.detach().set_requires_grad(input.requires_grad()));
    }
    if (gradients.at(0).defined()) {
      Tensor output = recompute(inputs);
      TORCH_CHECK(
          output.sizes() == gradients[0].sizes(),
          "the checkpointed closure gave a tensor of shape ", output.sizes(),
          " when it was run again, and at first one of shape ", gradients[0].sizes());
      if (output.requires_grad()) {
        torch::autograd::backward({output}, {gradients[0]});
      }
    }
    variable_list results;
    for (const auto& input : inputs) {
      results.push_back(input.grad());
    }
    return results;
  }

  void release_variables() override {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& input : inputs_) {
      input.reset_data();
    }
    closure_.reset();
  }

 private:
  Tensor recompute(const variable_list& inputs) const {
    Replayed replayed(*surroundings_);
    at::AutoGradMode differentiate(true);
    std::vector<std::unique_ptr<Tensor>> owned;
    for (const auto& input : inputs) {
      owned.push_back(std::make_unique<Tensor>(input));
    }
    std::vector<Tensor*> given;
    for (auto& input : owned) {
      given.push_back(input.release());
    }
    std::string reason;
    std::unique_ptr<Tensor> output(closure_->call(closure_->data, given.data(), given.size(), &reason));
    TORCH_CHECK(output != nullptr, reason);
    return *output;
  }

  std::vector<torch::autograd::SavedVariable> inputs_;
  std::unique_ptr<VisrepSurroundings> surroundings_;
  std::shared_ptr<VisrepClosure> closure_;
};

}  // namespace

// Notes the surroundings, to be called before the closure is run for the first time.
extern "C" char* visrep_checkpoint_begin(
    Tensor* const* inputs,
    size_t count,
    VisrepSurroundings** result) noexcept {
  return visrep::guarded([&] {
    auto surroundings = std::make_unique<VisrepSurroundings>();
    surroundings->random.emplace_back(at::globalContext().defaultGenerator(at::kCPU));
    surroundings->autocast.emplace_back(at::kCPU);
    std::vector<at::Device> seen{at::Device(at::kCPU)};
    for (size_t i = 0; i < count; ++i) {
      surroundings->versions.push_back(version(*inputs[i]));
      at::Device device = inputs[i]->device();
      if (std::find(seen.begin(), seen.end(), device) == seen.end()) {
        seen.push_back(device);
        surroundings->random.emplace_back(at::globalContext().defaultGenerator(device));
        surroundings->autocast.emplace_back(device.type());
      }
    }
    *result = surroundings.release();
  });
}

extern "C" void visrep_checkpoint_abandon(VisrepSurroundings* surroundings) noexcept {
  delete surroundings;
}

// Gives `output`, which was computed from `inputs` without gradients, a place in the graph. Takes `surroundings`
// and `closure`, whether it fails or not.
extern "C" char* visrep_checkpoint_attach(
    Tensor* const* inputs,
    size_t count,
    const Tensor* output,
    VisrepSurroundings* surroundings,
    VisrepClosure closure,
    Tensor** result) noexcept {
  return visrep::guarded([&] {
    std::unique_ptr<VisrepSurroundings> taken(surroundings);
    auto shared = std::shared_ptr<VisrepClosure>(new VisrepClosure(closure), [](VisrepClosure* held) {
      held->drop(held->data);
      delete held;
    });
    variable_list list = visrep::tensors(inputs, count);
    bool shares = false;
    for (size_t i = 0; i < count; ++i) {
      TORCH_CHECK(
          version(list[i]) == taken->versions.at(i), "the checkpointed closure changed its input ", i,
          " in place, and would find it changed when it is run again");
      shares = shares || output->is_alias_of(list[i]);
    }
    // Storage shared with an input would let an in-place operation on the one change the other unseen.
    Tensor value = shares ? output->detach().clone() : output->variable_data();
    if (torch::autograd::isDifferentiableType(value.scalar_type())) {
      auto node = std::shared_ptr<Checkpoint>(
          new Checkpoint(list, std::move(taken), std::move(shared)), torch::autograd::deleteNode);
      torch::autograd::set_history(value, node);
    }
    *result = new Tensor(std::move(value));
  });
}

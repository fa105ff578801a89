// Tensors over memory that Rust owns, and memory formats.

#include "shim.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/MemoryFormat.h>

#include <memory>

namespace {

c10::MemoryFormat format(bool channels_last) {
  return channels_last ? c10::MemoryFormat::ChannelsLast : c10::MemoryFormat::Contiguous;
}

}  // namespace

// `release(owner)` is called exactly once, whether this fails or not.
extern "C" char* visrep_tensor_over(
    void* data,
    const int64_t* shape,
    size_t dims,
    int32_t scalar_type,
    void* owner,
    void (*release)(void*),
    at::Tensor** result) noexcept {
  return visrep::guarded([&] {
    std::shared_ptr<void> held(owner, release);
    auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(scalar_type));
    auto keep = [held](void*) {};
    *result = new at::Tensor(at::from_blob(data, at::IntArrayRef(shape, dims), keep, options));
  });
}

extern "C" char* visrep_to_format(const at::Tensor* tensor, bool channels_last, at::Tensor** result) noexcept {
  return visrep::guarded([&] { *result = new at::Tensor(tensor->contiguous(format(channels_last))); });
}

extern "C" char* visrep_has_format(const at::Tensor* tensor, bool channels_last, bool* result) noexcept {
  return visrep::guarded([&] { *result = tensor->is_contiguous(format(channels_last)); });
}

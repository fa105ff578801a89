// Tensors over memory that Rust owns, memory formats, and images by table.

#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
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

extern "C" char* visrep_map_channels(const at::Tensor* images, const at::Tensor* table, at::Tensor** result) noexcept {
  return visrep::guarded([&] {
    TORCH_CHECK(
        images->dim() == 4 && images->scalar_type() == at::kByte && images->is_cpu() && images->is_contiguous(),
        "the images must be a contiguous uint8 tensor (N, H, W, C) on the CPU");
    const int64_t count = images->size(0), pixels = images->size(1) * images->size(2), channels = images->size(3);
    TORCH_CHECK(
        table->dim() == 2 && table->size(0) == channels && table->size(1) == 256 && table->scalar_type() == at::kFloat &&
            table->is_cpu() && table->is_contiguous(),
        "the table must be a contiguous float tensor (C, 256) on the CPU");
    at::Tensor mapped = at::empty({count, channels, images->size(1), images->size(2)}, table->options());
    const uint8_t* const from = images->const_data_ptr<uint8_t>();
    const float* const values = table->const_data_ptr<float>();
    float* const to = mapped.mutable_data_ptr<float>();
    at::parallel_for(0, count * channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        const int64_t channel = plane % channels;
        const uint8_t* const bytes = from + plane / channels * pixels * channels + channel;
        const float* const row = values + channel * 256;
        float* const out = to + plane * pixels;
        for (int64_t i = 0; i < pixels; ++i) {
          out[i] = row[bytes[i * channels]];
        }
      }
    });
    *result = new at::Tensor(std::move(mapped));
  });
}

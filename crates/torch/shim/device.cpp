// Memory, streams and events of any device that LibTorch has, without that device's headers.

#include "shim.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>

namespace {

at::Device device(int8_t type, int8_t index) {
  return at::Device(static_cast<at::DeviceType>(type), index);
}

at::DeviceAllocator* allocator(at::Device device) {
  at::globalContext().lazyInitDevice(device.type());
  return at::getDeviceAllocator(device.type());
}

c10::impl::VirtualGuardImpl backend(at::Device device) {
  at::globalContext().lazyInitDevice(device.type());
  return c10::impl::VirtualGuardImpl(device.type());
}

}  // namespace

// A stream, as Rust keeps it.
struct VisrepStream {
  int64_t id;
  int8_t device_type;
  int8_t device_index;

  static VisrepStream of(c10::Stream stream) {
    auto parts = stream.pack3();
    return {parts.stream_id, static_cast<int8_t>(parts.device_type), parts.device_index};
  }

  c10::Stream stream() const {
    return c10::Stream::unpack3(id, device_index, static_cast<at::DeviceType>(device_type));
  }
};

// Whether a GPU multiplies bf16 matrices.
extern "C" char* visrep_gpu_bf16(int8_t type, int8_t index, bool* result) noexcept {
  return visrep::guarded([&] {
    at::Device of = device(type, index);
    at::globalContext().lazyInitDevice(of.type());
    // The hook looks at the current device.
    c10::DeviceGuard current(of);
    *result = at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
  });
}

// `figures`: bytes allocated, their peak, bytes reserved, their peak, bytes free, bytes in all.
extern "C" char* visrep_device_memory(int8_t type, int8_t index, uint64_t* figures) noexcept {
  return visrep::guarded([&] {
    at::Device of = device(type, index);
    auto* memory = allocator(of);
    auto stats = memory->getDeviceStats(of.index());
    auto aggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    auto [free, total] = memory->getMemoryInfo(of.index());
    figures[0] = static_cast<uint64_t>(stats.allocated_bytes[aggregate].current);
    figures[1] = static_cast<uint64_t>(stats.allocated_bytes[aggregate].peak);
    figures[2] = static_cast<uint64_t>(stats.reserved_bytes[aggregate].current);
    figures[3] = static_cast<uint64_t>(stats.reserved_bytes[aggregate].peak);
    figures[4] = free;
    figures[5] = total;
  });
}

extern "C" char* visrep_reset_peak_memory(int8_t type, int8_t index) noexcept {
  return visrep::guarded([&] {
    at::Device of = device(type, index);
    allocator(of)->resetPeakStats(of.index());
  });
}

extern "C" char* visrep_empty_cache(int8_t type) noexcept {
  return visrep::guarded([&] { allocator(device(type, 0))->emptyCache(); });
}

extern "C" char* visrep_stream_current(int8_t type, int8_t index, VisrepStream* result) noexcept {
  return visrep::guarded([&] {
    at::Device of = device(type, index);
    *result = VisrepStream::of(backend(of).getStream(of));
  });
}

extern "C" char* visrep_stream_new(int8_t type, int8_t index, VisrepStream* result) noexcept {
  return visrep::guarded([&] {
    at::Device of = device(type, index);
    *result = VisrepStream::of(backend(of).getStreamFromGlobalPool(of));
  });
}

// Makes a stream the current one of its device; gives the one that was.
extern "C" char* visrep_stream_exchange(VisrepStream stream, VisrepStream* before) noexcept {
  return visrep::guarded([&] {
    c10::Stream next = stream.stream();
    *before = VisrepStream::of(backend(next.device()).exchangeStream(next));
  });
}

extern "C" char* visrep_stream_synchronize(VisrepStream stream) noexcept {
  return visrep::guarded([&] {
    c10::Stream awaited = stream.stream();
    backend(awaited.device()).synchronizeStream(awaited);
  });
}

extern "C" char* visrep_record_stream(const at::Tensor* tensor, VisrepStream stream) noexcept {
  return visrep::guarded([&] { at::Tensor(*tensor).record_stream(stream.stream()); });
}

extern "C" char* visrep_event_record(VisrepStream stream, c10::Event** result) noexcept {
  return visrep::guarded([&] {
    c10::Stream recorded = stream.stream();
    auto event = std::make_unique<c10::Event>(recorded.device_type());
    event->record(recorded);
    *result = event.release();
  });
}

extern "C" char* visrep_event_block(const c10::Event* event, VisrepStream stream) noexcept {
  return visrep::guarded([&] { event->block(stream.stream()); });
}

extern "C" char* visrep_event_query(const c10::Event* event, bool* result) noexcept {
  return visrep::guarded([&] { *result = event->query(); });
}

extern "C" char* visrep_event_synchronize(const c10::Event* event) noexcept {
  return visrep::guarded([&] { event->synchronize(); });
}

extern "C" void visrep_event_free(c10::Event* event) noexcept {
  delete event;
}

// Copies a tensor of the CPU into pinned memory, and from there, without waiting, to a device.
extern "C" char* visrep_upload(const at::Tensor* tensor, int8_t type, int8_t index, at::Tensor** result) noexcept {
  return visrep::guarded([&] {
    at::NoGradGuard no_grad;
    at::Device target = device(type, index);
    at::globalContext().lazyInitDevice(target.type());
    // The allocator of pinned memory gives a block to nobody else before the copies from it are done.
    at::Tensor pinned = tensor->is_pinned() ? *tensor : tensor->pin_memory();
    auto options = pinned.options().device(target).pinned_memory(false);
    *result = new at::Tensor(pinned.to(options, /*non_blocking=*/true));
  });
}

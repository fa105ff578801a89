// What a thread's, or the program's, operations do beside computing.

#include <cstdlib>
#include "shim.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/cpu/Utils.h>
#include <c10/core/InferenceMode.h>

extern "C" bool visrep_grad_enabled() noexcept {
  return at::GradMode::is_enabled();
}

extern "C" char* visrep_inference_enter(c10::InferenceMode** result) noexcept {
  return visrep::guarded([&] { *result = new c10::InferenceMode(true); });
}

extern "C" void visrep_inference_leave(c10::InferenceMode* guard) noexcept {
  delete guard;
}

extern "C" bool visrep_is_inference(const at::Tensor* tensor) noexcept {
  return tensor->is_inference();
}

extern "C" char* visrep_autocast_get(int8_t device_type, bool* enabled, int32_t* scalar_type) noexcept {
  return visrep::guarded([&] {
    auto device = static_cast<at::DeviceType>(device_type);
    *enabled = at::autocast::is_autocast_enabled(device);
    *scalar_type = static_cast<int32_t>(at::autocast::get_autocast_dtype(device));
  });
}

extern "C" char* visrep_autocast_set(int8_t device_type, bool enabled, int32_t scalar_type) noexcept {
  return visrep::guarded([&] {
    auto device = static_cast<at::DeviceType>(device_type);
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(scalar_type));
  });
}

extern "C" void visrep_autocast_begin() noexcept {
  at::autocast::increment_nesting();
}

extern "C" void visrep_autocast_end() noexcept {
  if (at::autocast::decrement_nesting() == 0) {
    at::autocast::clear_cache();
  }
}

// Whether the processor has a capability, by LibTorch's name of it.
extern "C" char* visrep_cpu_has(const char* name, bool* result) noexcept {
  return visrep::guarded([&] {
    auto capabilities = at::cpu::get_cpu_capabilities();
    auto found = capabilities.find(name);
    *result = found != capabilities.end() && found->second.isBool() && found->second.toBool();
  });
}

extern "C" char* visrep_switches_get(bool* tf32, bool* benchmark, bool* deterministic) noexcept {
  return visrep::guarded([&] {
    const auto& context = at::globalContext();
    *tf32 = context.allowTF32CuBLAS() && context.allowTF32CuDNN();
    *benchmark = context.benchmarkCuDNN();
    *deterministic = context.deterministicCuDNN() && context.deterministicAlgorithms();
  });
}

extern "C" char* visrep_switches_set(bool tf32, bool benchmark, bool deterministic) noexcept {
  return visrep::guarded([&] {
    auto& context = at::globalContext();
    context.setAllowTF32CuBLAS(tf32);
    context.setAllowTF32CuDNN(tf32);
    context.setBenchmarkCuDNN(benchmark);
    context.setDeterministicCuDNN(deterministic);
    context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
    // Or every new tensor would be filled with NaN first.
    context.setDeterministicFillUninitializedMemory(false);
#ifndef _WIN32
    if (deterministic) {
      // cuBLAS wants its workspace fixed; a choice that was made stays.
      setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
    }
#endif
  });
}

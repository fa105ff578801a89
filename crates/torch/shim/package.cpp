// Models that AOTInductor compiled: `.pt2` packages.

#include "shim.h"

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <memory>
#include <string>
#include <utility>

using Package = torch::inductor::AOTIModelPackageLoader;

extern "C" char* visrep_package_open(
    const char* path,
    const char* name,
    int8_t device_index,
    Package** result) noexcept {
  return visrep::guarded([&] {
    auto package = std::make_unique<Package>(
        path, name, /*run_single_threaded=*/false, /*num_runners=*/1, static_cast<c10::DeviceIndex>(device_index));
    *result = package.release();
  });
}

extern "C" void visrep_package_free(Package* package) noexcept {
  delete package;
}

// Hands each entry to `push`: a key and a value, with their sizes.
extern "C" char* visrep_package_metadata(
    Package* package,
    void* receiver,
    void (*push)(void*, const char*, size_t, const char*, size_t)) noexcept {
  return visrep::guarded([&] {
    for (const auto& [key, value] : package->get_metadata()) {
      push(receiver, key.data(), key.size(), value.data(), value.size());
    }
  });
}

// Hands each result to `push`, which owns it then.
extern "C" char* visrep_package_run(
    Package* package,
    at::Tensor* const* inputs,
    size_t count,
    void* receiver,
    void (*push)(void*, at::Tensor*)) noexcept {
  return visrep::guarded([&] {
    for (auto& output : package->run(visrep::tensors(inputs, count))) {
      push(receiver, new at::Tensor(std::move(output)));
    }
  });
}

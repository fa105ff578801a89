// Generators of random numbers besides the global one.

#include "shim.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/normal.h>
#include <ATen/ops/uniform.h>

#include <mutex>

extern "C" at::Generator* visrep_generator_new(uint64_t seed) noexcept {
  return new at::Generator(at::detail::createCPUGenerator(seed));
}

extern "C" void visrep_generator_free(at::Generator* generator) noexcept {
  delete generator;
}

extern "C" uint64_t visrep_generator_random() noexcept {
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

extern "C" char* visrep_normal(
    const at::Tensor* tensor, double mean, double std, const at::Generator* generator) noexcept {
  return visrep::guarded([&] { at::Tensor(*tensor).normal_(mean, std, *generator); });
}

extern "C" char* visrep_uniform(
    const at::Tensor* tensor, double low, double high, const at::Generator* generator) noexcept {
  return visrep::guarded([&] { at::Tensor(*tensor).uniform_(low, high, *generator); });
}

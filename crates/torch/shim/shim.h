// What every file of the shim shares.
//
// Rules of the boundary: a function that can fail is `noexcept`, does its work in `guarded`, and returns null or a
// message that the caller frees with `visrep_free_message`. Tensors are `at::Tensor*`, as in tch's own bindings:
// borrowed as arguments, owned (by `new`) as results.

#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace visrep {

// The text of the exception that is being handled.
char* describe_exception() noexcept;

template <class Work>
char* guarded(Work&& work) noexcept {
  try {
    work();
    return nullptr;
  } catch (...) {
    return describe_exception();
  }
}

inline std::vector<at::Tensor> tensors(at::Tensor* const* pointers, size_t count) {
  std::vector<at::Tensor> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    list.push_back(*pointers[i]);
  }
  return list;
}

}  // namespace visrep

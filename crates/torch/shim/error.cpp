// C++ exceptions as messages.

#include "shim.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <exception>

namespace {

char out_of_memory[] = "out of memory";

char* copy(const char* text) noexcept {
  size_t size = std::strlen(text) + 1;
  auto* message = static_cast<char*>(std::malloc(size));
  if (message == nullptr) {
    return out_of_memory;
  }
  std::memcpy(message, text, size);
  return message;
}

}  // namespace

char* visrep::describe_exception() noexcept {
  try {
    throw;
  } catch (const c10::Error& error) {
    try {
      return copy(error.what_without_backtrace());
    } catch (...) {
      return copy(error.what());
    }
  } catch (const std::exception& error) {
    return copy(error.what());
  } catch (...) {
    return copy("an exception that is no std::exception");
  }
}

extern "C" void visrep_free_message(char* message) noexcept {
  if (message != out_of_memory) {
    std::free(message);
  }
}

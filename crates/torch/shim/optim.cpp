// Operations on lists of tensors, among them whole steps of optimisers. None of them records gradients.

#include "shim.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

using at::Tensor;
using Tensors = std::vector<Tensor>;

namespace {

// The fused kernels walk through memory and look at nothing but the number of elements. Tensors that are of one kind
// and size, and whose elements lie in the same order without gaps, are what they need.
bool same_layout(const Tensor& parameter, const Tensor& other) {
  if (!other.is_non_overlapping_and_dense()) {
    return false;
  }
  for (int64_t i = 0; i < parameter.dim(); ++i) {
    if (parameter.size(i) > 1 && parameter.stride(i) != other.stride(i)) {
      return false;
    }
  }
  return true;
}

void check_same(const char* what, size_t i, const Tensor& parameter, const Tensor& other) {
  TORCH_CHECK(
      parameter.sizes() == other.sizes() && parameter.dtype() == other.dtype() &&
          parameter.device() == other.device() && other.layout() == at::kStrided,
      what, " ", i, " is ", other.toString(), other.sizes(), " on ", other.device(), ", and its parameter is ",
      parameter.toString(), parameter.sizes(), " on ", parameter.device());
}

// All that the kernels would refuse later, when step counts have changed already, or would not notice.
void check_parameters(const Tensors& parameters) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    auto kind = parameters[i].scalar_type();
    TORCH_CHECK(
        kind == at::kFloat || kind == at::kDouble || kind == at::kHalf || kind == at::kBFloat16,
        "parameter ", i, " is ", parameters[i].toString(), ", of a kind that no fused step updates");
    TORCH_CHECK(
        parameters[i].device() == parameters[0].device(),
        "parameter ", i, " is on ", parameters[i].device(), ", and parameter 0 on ", parameters[0].device());
    TORCH_CHECK(
        parameters[i].is_cpu() || kind == parameters[0].scalar_type(),
        "parameter ", i, " is ", parameters[i].toString(), ", and parameter 0 ", parameters[0].toString(),
        ": on a GPU, a fused step updates parameters of one kind");
    TORCH_CHECK(
        parameters[i].layout() == at::kStrided && parameters[i].is_non_overlapping_and_dense(),
        "parameter ", i, " of shape ", parameters[i].sizes(), " and strides ", parameters[i].strides(),
        " has gaps or overlaps in memory, which a fused step cannot update: give it memory of its own");
  }
}

void check_states(const char* what, const Tensors& parameters, const Tensors& states) {
  TORCH_CHECK(states.size() == parameters.size(), what, ": ", states.size(), " for ", parameters.size(), " parameters");
  for (size_t i = 0; i < states.size(); ++i) {
    check_same(what, i, parameters[i], states[i]);
    TORCH_CHECK(
        same_layout(parameters[i], states[i]),
        what, " ", i, " has the strides ", states[i].strides(), ", and its parameter ", parameters[i].strides());
  }
}

// Gradients in their parameters' order of memory, copied where they were in another.
Tensors matching_gradients(const Tensors& parameters, Tensors gradients) {
  TORCH_CHECK(
      gradients.size() == parameters.size(), gradients.size(), " gradients for ", parameters.size(), " parameters");
  for (size_t i = 0; i < gradients.size(); ++i) {
    check_same("gradient", i, parameters[i], gradients[i]);
    if (!same_layout(parameters[i], gradients[i])) {
      gradients[i] = at::empty_like(parameters[i]).copy_(gradients[i]);
    }
  }
  return gradients;
}

// Sums of squares overflow and lose digits in 16 bits.
std::optional<at::ScalarType> norm_type(const Tensors& list) {
  for (const auto& tensor : list) {
    if (tensor.scalar_type() == at::kDouble) {
      return at::kDouble;
    }
  }
  return at::kFloat;
}

}  // namespace

extern "C" char* visrep_fused_adamw(
    Tensor* const* parameters,
    Tensor* const* gradients,
    Tensor* const* exp_avgs,
    Tensor* const* exp_avg_sqs,
    Tensor* const* steps,
    size_t count,
    double lr,
    double beta1,
    double beta2,
    double eps,
    double weight_decay) noexcept {
  return visrep::guarded([&] {
    if (count == 0) {
      return;
    }
    at::NoGradGuard no_grad;
    Tensors updated = visrep::tensors(parameters, count);
    Tensors first = visrep::tensors(exp_avgs, count);
    Tensors second = visrep::tensors(exp_avg_sqs, count);
    Tensors step = visrep::tensors(steps, count);
    check_parameters(updated);
    Tensors slopes = matching_gradients(updated, visrep::tensors(gradients, count));
    check_states("exp_avg", updated, first);
    check_states("exp_avg_sq", updated, second);
    for (const auto& number : step) {
      // A GPU's kernel reads it by its address.
      TORCH_CHECK(
          number.numel() == 1 && number.scalar_type() == at::kFloat && number.layout() == at::kStrided &&
              number.device() == updated[0].device(),
          "a step count is one Float on its parameter's device, and was ", number.toString(), number.sizes(), " on ",
          number.device());
    }
    at::_foreach_add_(step, 1);
    at::_fused_adamw_(
        updated, slopes, first, second, /*max_exp_avg_sqs=*/{}, step, lr, beta1, beta2, weight_decay, eps,
        /*amsgrad=*/false, /*maximize=*/false);
  });
}

extern "C" char* visrep_fused_sgd(
    Tensor* const* parameters,
    Tensor* const* gradients,
    Tensor* const* momentum_buffers,
    size_t count,
    double lr,
    double momentum,
    double weight_decay,
    bool nesterov) noexcept {
  return visrep::guarded([&] {
    if (count == 0) {
      return;
    }
    at::NoGradGuard no_grad;
    Tensors updated = visrep::tensors(parameters, count);
    check_parameters(updated);
    Tensors slopes = matching_gradients(updated, visrep::tensors(gradients, count));
    Tensors buffers;
    if (momentum != 0) {
      buffers = visrep::tensors(momentum_buffers, count);
      check_states("momentum buffer", updated, buffers);
    }
    at::_fused_sgd_(
        updated, slopes, buffers, weight_decay, momentum, lr, /*dampening=*/0, nesterov, /*maximize=*/false,
        /*is_first_step=*/false);
  });
}

extern "C" char* visrep_foreach_mul(Tensor* const* list, size_t count, double factor) noexcept {
  return visrep::guarded([&] {
    if (count == 0) {
      return;
    }
    at::NoGradGuard no_grad;
    at::_foreach_mul_(visrep::tensors(list, count), factor);
  });
}

extern "C" char* visrep_foreach_add(
    Tensor* const* list,
    Tensor* const* others,
    size_t count,
    double alpha) noexcept {
  return visrep::guarded([&] {
    if (count == 0) {
      return;
    }
    at::NoGradGuard no_grad;
    at::_foreach_add_(visrep::tensors(list, count), visrep::tensors(others, count), alpha);
  });
}

extern "C" char* visrep_foreach_lerp(
    Tensor* const* list,
    Tensor* const* ends,
    size_t count,
    double weight) noexcept {
  return visrep::guarded([&] {
    if (count == 0) {
      return;
    }
    at::NoGradGuard no_grad;
    at::_foreach_lerp_(visrep::tensors(list, count), visrep::tensors(ends, count), weight);
  });
}

// The norm of all elements together.
extern "C" char* visrep_global_norm(Tensor* const* list, size_t count, Tensor** result) noexcept {
  return visrep::guarded([&] {
    at::NoGradGuard no_grad;
    Tensors all = visrep::tensors(list, count);
    *result = new Tensor(at::linalg_vector_norm(at::stack(at::_foreach_norm(all, 2, norm_type(all)))));
  });
}

// Scales all tensors so that their norm together is at most `max_norm`; gives the norm that they had.
extern "C" char* visrep_clip_norm(Tensor* const* list, size_t count, double max_norm, Tensor** result) noexcept {
  return visrep::guarded([&] {
    at::NoGradGuard no_grad;
    Tensors all = visrep::tensors(list, count);
    Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(all, 2, norm_type(all))));
    Tensor factor = norm.add(1e-6).reciprocal_().mul_(max_norm).clamp_max_(1.0);
    // To look at a number of a GPU is to wait for it; on the CPU it spares most steps most of the work.
    if (!factor.is_cpu() || factor.item<double>() != 1.0) {
      at::_foreach_mul_(all, factor);
    }
    *result = new Tensor(std::move(norm));
  });
}

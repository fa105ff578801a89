//! The LibTorch calls that tch lacks.

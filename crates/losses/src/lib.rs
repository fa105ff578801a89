//! Objectives for representation learning: pure functions over tensors.

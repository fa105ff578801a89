//! Optimisers, schedules, EMA, exact-resume checkpoints and the training loop.

//! ImageNet-C corruptions, deterministic and fast.

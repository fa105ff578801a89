//! Perceptual distances from any backbone's taps, and 2AFC scoring.

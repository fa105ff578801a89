//! What a frozen backbone can do: features, kNN, few-shot ridge, linear probe.

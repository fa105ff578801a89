//! SimCLR, supervised and other objectives with their heads and views.

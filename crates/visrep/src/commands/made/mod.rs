//! What several commands make: a folder of many files, made on all cores, that says how it was made, and that a run that was stopped
//! goes on with.

pub(super) mod files;
pub(super) mod record;

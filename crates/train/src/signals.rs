//! SIGINT and SIGTERM as a flag that the loop looks at.

use crate::Error;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A flag that the first SIGINT or SIGTERM raises, for [`RunOptions::stop`](crate::RunOptions::stop): the run
/// saves and returns. A second signal ends the process at once with the shell's exit code for it.
pub fn stop_on_signals() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal must not find the flag already raised.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .map_err(Error::Signals)?;
        flag::register(signal, Arc::clone(&stop)).map_err(Error::Signals)?;
    }
    Ok(stop)
}

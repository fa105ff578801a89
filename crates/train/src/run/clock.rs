//! Speed and remaining time.

use std::time::{Duration, Instant};

/// Speed and remaining time of a run.
pub(super) struct Clock {
    start: (Instant, u64),
    lap: (Instant, u64),
}

impl Clock {
    pub(super) fn new(step: u64) -> Self {
        let now = Instant::now();
        Self { start: (now, step), lap: (now, step) }
    }

    pub(super) fn lap(&mut self, step: u64) {
        self.lap = (Instant::now(), step);
    }

    pub(super) fn images_per_second(&self, step: u64, images_per_step: usize) -> f64 {
        let (since, at) = self.lap;
        (step - at) as f64 * images_per_step as f64 / since.elapsed().as_secs_f64().max(1e-9)
    }

    pub(super) fn eta(&self, step: u64, total: u64) -> Duration {
        let (since, at) = self.start;
        let each = since.elapsed().as_secs_f64() / (step - at).max(1) as f64;
        Duration::try_from_secs_f64(each * (total - step) as f64).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_time_of_an_endless_run_is_long() {
        let clock = Clock::new(0);
        std::thread::sleep(Duration::from_millis(2));
        assert!(clock.eta(1, u64::MAX) > Duration::from_secs(1 << 40));
        assert_eq!(clock.eta(7, 7), Duration::ZERO);
    }
}

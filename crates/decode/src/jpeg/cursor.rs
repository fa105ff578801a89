//! The way through the MCUs of a scan: restart markers, data that end early, and parts that nobody wants.

use super::bits::{Bits, Intervals};

/// The file ends within the scan.
pub(super) struct Cut;

/// A place in a scan, between two MCUs.
pub(super) struct Cursor<'a> {
    intervals: &'a Intervals,
    pub(super) bits: Bits<'a>,
    /// Which of the intervals `bits` reads.
    interval: usize,
    /// MCUs between restart markers; 0 for none.
    restart_interval: usize,
    /// MCUs until the next restart marker.
    until_restart: usize,
    /// The interval's data have ended early, at a marker: the rest of its blocks stays zero.
    pub(super) starved: bool,
    /// The MCU that follows.
    mcu: usize,
    /// The last DC coefficient of each component of the scan.
    pub(super) predicted: [i32; 4],
    /// Blocks left that have no further coefficients in a progressive scan.
    pub(super) end_run: u32,
}

impl<'a> Cursor<'a> {
    /// At the start of a scan.
    pub(super) fn new(intervals: &'a Intervals, restart_interval: usize) -> Self {
        Self {
            intervals,
            bits: intervals.get(0).unwrap_or(Bits::EMPTY),
            interval: 0,
            restart_interval,
            until_restart: restart_interval,
            starved: false,
            mcu: 0,
            predicted: [0; 4],
            end_run: 0,
        }
    }

    /// Goes to the start of an interval.
    fn open(&mut self, interval: usize) -> Result<(), Cut> {
        self.interval = interval;
        self.until_restart = self.restart_interval;
        (self.predicted, self.end_run) = ([0; 4], 0);
        match self.intervals.get(interval) {
            Some(bits) => (self.bits, self.starved) = (bits, false),
            None if self.intervals.is_cut() => return Err(Cut),
            None => self.starved = true,
        }
        Ok(())
    }

    /// To be called before each MCU.
    #[inline(always)]
    pub(super) fn before_mcu(&mut self) -> Result<(), Cut> {
        if self.restart_interval > 0 {
            if self.until_restart == 0 {
                self.open(self.interval + 1)?;
            }
            self.until_restart -= 1;
        }
        Ok(())
    }

    /// To be called after each MCU.
    #[inline(always)]
    pub(super) fn after_mcu(&mut self) -> Result<(), Cut> {
        if !self.starved && self.bits.is_exhausted() {
            self.starved = true;
            if self.intervals.ends_in(self.interval) {
                return Err(Cut);
            }
        }
        self.mcu += 1;
        Ok(())
    }

    /// Moves on to an MCU not before the next one. `pass` passes one; intervals in which none is wanted are jumped over.
    #[inline(always)]
    pub(super) fn seek(
        &mut self,
        target: usize,
        mut pass: impl FnMut(&mut Bits<'a>, &mut [i32; 4]),
    ) -> Result<(), Cut> {
        // A file that is cut is read MCU by MCU, to tell where.
        if self.restart_interval > 0 && !self.intervals.is_cut() {
            let interval = target / self.restart_interval;
            if interval > self.mcu / self.restart_interval {
                self.open(interval)?;
                self.mcu = interval * self.restart_interval;
            }
        }
        while self.mcu < target {
            self.before_mcu()?;
            if !self.starved {
                pass(&mut self.bits, &mut self.predicted);
            }
            self.after_mcu()?;
        }
        Ok(())
    }

    /// Whether the file ends within the scan.
    pub(super) fn is_cut(&self) -> bool {
        self.intervals.is_cut()
    }

    /// How many bytes of the file were read, or jumped over.
    pub(super) fn length(&self) -> usize {
        self.intervals.length(self.interval)
    }

    /// How many MCUs were passed.
    pub(super) fn mcu(&self) -> usize {
        self.mcu
    }
}

//! How many refused accesses are written to the audit.

use std::time::Duration;

/// Counts the refused accesses of one process that are written to the audit, so that a caller who is refused again and
/// again cannot fill the store. What is more is only logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusals {
    minute: u64,
    written: u32,
}

/// What becomes of a refused access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is written to the audit and logged.
    InAudit,
    /// It is logged alone.
    InLogAlone,
}

impl Refusals {
    /// Most refused accesses that one process writes to the audit in a minute.
    pub const AUDITED_PER_MINUTE_MAX: u32 = 60;

    /// Counts one more, at an instant that is `elapsed` after the process's start.
    pub const fn count(&mut self, elapsed: Duration) -> Recorded {
        let minute = elapsed.as_secs() / 60;
        if minute != self.minute {
            *self = Self { minute, written: 0 };
        }
        if self.written >= Self::AUDITED_PER_MINUTE_MAX {
            return Recorded::InLogAlone;
        }
        self.written += 1;
        Recorded::InAudit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_minute_the_first_are_audited() {
        let mut refusals = Refusals::default();
        for minute in [0, 1, 7] {
            let at = Duration::from_secs(60 * minute + 59);
            for _ in 0..Refusals::AUDITED_PER_MINUTE_MAX {
                assert_eq!(refusals.count(at), Recorded::InAudit);
            }
            assert_eq!(refusals.count(at), Recorded::InLogAlone);
            assert_eq!(refusals.count(at), Recorded::InLogAlone);
        }
    }
}

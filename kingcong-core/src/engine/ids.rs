//! Making ids: UUIDv7 from the clock and randomness that the engine was given.

use std::sync::Arc;

use parking_lot::Mutex;
use uuid::Uuid;

use crate::{clock::Clock, id::Entropy};

/// Random bytes drawn at once: asking the system for each id would cost more than the id.
const DRAWN_BYTES: usize = 1000;
const ID_BYTES: usize = 10;

/// Makes ids.
#[derive(Debug)]
pub(super) struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    drawn: Mutex<Drawn>,
}

struct Drawn {
    bytes: [u8; DRAWN_BYTES],
    used: usize,
}

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drawn").field("used", &self.used).finish_non_exhaustive()
    }
}

impl Ids {
    pub(super) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let drawn = Mutex::new(Drawn { bytes: [0; DRAWN_BYTES], used: DRAWN_BYTES });
        Self { clock, entropy, drawn }
    }

    /// A new UUIDv7; later ones sort after earlier ones, as far as the clock's milliseconds tell.
    pub(super) fn uuid(&self) -> Uuid {
        let mut random = [0; ID_BYTES];
        {
            let mut drawn = self.drawn.lock();
            if drawn.used + ID_BYTES > DRAWN_BYTES {
                self.entropy.fill(&mut drawn.bytes);
                drawn.used = 0;
            }
            let from = drawn.used;
            random.copy_from_slice(&drawn.bytes[from..from + ID_BYTES]);
            drawn.used += ID_BYTES;
        }
        let millis = u64::try_from(self.clock.now().as_micros() / 1000).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

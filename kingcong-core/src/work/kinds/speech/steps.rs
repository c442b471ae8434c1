//! How much work the cut of a text is.

/// How much was looked at: characters, and places that were weighed against each other. For every text it grows in
/// proportion to the text's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps(u64);

impl Steps {
    pub(super) fn add(&mut self, count: usize) {
        self.0 = self.0.saturating_add(count as u64);
    }

    #[cfg(test)]
    pub(super) fn count(self) -> u64 {
        self.0
    }
}

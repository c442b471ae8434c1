//! Version numbers, a type for each thing that has versions.

use std::num::NonZeroU32;

macro_rules! versions {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The first.
            pub const FIRST: Self = Self(NonZeroU32::MIN);
            /// The last that can be.
            pub const LAST: Self = Self(NonZeroU32::MAX);

            /// The version with this number; `None` for 0.
            #[must_use]
            pub fn new(number: u32) -> Option<Self> {
                NonZeroU32::new(number).map(Self)
            }

            /// The version's number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0.get()
            }

            /// The one after it; `None` after the last.
            #[must_use]
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }
    )*};
}

versions! {
    /// Which of a tenant's data keys, counted from 1: new secrets are sealed with the newest, older ones still open.
    DataKeyVersion,
    /// Which of a key's secrets, counted from 1: rotating a key gives it the next.
    SecretVersion,
}

//! Operations: what is done, the name of each kind of work.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Declares the operations, each with its name, and what it is called in sentences.
macro_rules! operations {
    ($($(#[$doc:meta])* $operation:ident = $name:literal, $called:literal;)+) => {
        /// What is done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* #[serde(rename = $name)] $operation,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$operation),+];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$operation => $name,)+
                }
            }

            /// What it is called in sentences.
            #[must_use]
            pub const fn called(self) -> &'static str {
                match self {
                    $(Self::$operation => $called,)+
                }
            }
        }
    };
}

operations! {
    /// A text is spoken.
    Speech = "speech", "speech";
    /// A voice is made from a recording.
    CloneVoice = "clone_voice", "voice cloning";
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(name: &str) -> Result<Self, UnknownOperation> {
        Self::ALL
            .iter()
            .copied()
            .find(|operation| operation.as_str() == name)
            .ok_or_else(|| UnknownOperation { name: name.chars().take(64).collect() })
    }
}

/// A name that no operation has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown operation {name:?}: use {}", names())]
pub struct UnknownOperation {
    /// What was given, cut to 64 characters.
    pub name: String,
}

/// The names of all operations, such as "speech or clone_voice".
fn names() -> String {
    let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        Some((only, _)) => (*only).to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_as_they_are_written() {
        for &operation in Operation::ALL {
            assert_eq!(operation.as_str().parse(), Ok(operation));
            assert_eq!(serde_json::to_string(&operation).unwrap(), format!("\"{operation}\""));
        }
        assert_eq!("tts".parse::<Operation>(), Err(UnknownOperation { name: "tts".into() }));
        let said = "tts".parse::<Operation>().unwrap_err().to_string();
        assert_eq!(said, "unknown operation \"tts\": use speech or clone_voice");
    }
}

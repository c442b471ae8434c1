//! Texts of one line that people give: names, labels, references, reasons. One rule and one error for all of them; each
//! has a maximum of its own.

use std::fmt;

/// One line of text: 1 to `BYTES_MAX` bytes, without control characters or surrounding spaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<const BYTES_MAX: usize>(String);

/// A text that is no clean line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} must be 1 to {bytes_max} bytes without control characters or surrounding spaces")]
pub struct InvalidLabel {
    /// Which text it is, such as `label` or `voice name`.
    pub what: &'static str,
    /// What was given, cut to 64 characters.
    pub value: String,
    /// Longest, in bytes.
    pub bytes_max: usize,
}

impl<const BYTES_MAX: usize> Label<BYTES_MAX> {
    /// The text as one line; an error calls it `what`.
    ///
    /// # Errors
    /// When it is empty, too long, or not one clean line.
    pub fn new(what: &'static str, text: impl Into<String>) -> Result<Self, InvalidLabel> {
        let text = text.into();
        if Self::fits(&text) {
            return Ok(Self(text));
        }
        Err(InvalidLabel { what, value: text.chars().take(64).collect(), bytes_max: BYTES_MAX })
    }

    /// Whether a text is such a line.
    pub(crate) fn fits(text: &str) -> bool {
        (1..=BYTES_MAX).contains(&text.len())
            && !text.chars().any(char::is_control)
            && text.trim().len() == text.len()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const BYTES_MAX: usize> From<Label<BYTES_MAX>> for String {
    fn from(label: Label<BYTES_MAX>) -> Self {
        label.0
    }
}

impl<const BYTES_MAX: usize> fmt::Display for Label<BYTES_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_clean_line_of_bounded_length() {
        for text in ["a", "Giọng", "one line"] {
            assert_eq!(Label::<8>::new("label", text).unwrap().as_str(), text);
        }
        for text in ["", " ", "a ", "\u{a0}a", "a\nb", "a\0", "a\u{7f}", "nine char"] {
            let error = Label::<8>::new("label", text).unwrap_err();
            let says = format!(
                "label {text:?} must be 1 to 8 bytes without control characters or surrounding spaces"
            );
            assert_eq!(error.to_string(), says);
        }
        let long = Label::<8>::new("label", "l".repeat(70)).unwrap_err();
        assert_eq!(long, InvalidLabel { what: "label", value: "l".repeat(64), bytes_max: 8 });
    }
}

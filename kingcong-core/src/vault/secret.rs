//! A plain secret in memory, and keeping it out of what people read.

use std::fmt;

use base64ct::{Base64Unpadded, Base64UrlUnpadded, Encoding};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Shortest secret in bytes: anything shorter is a typing error, and could be found by trying.
pub const SECRET_BYTES_MIN: usize = 8;
/// Longest secret in bytes.
pub const SECRET_BYTES_MAX: usize = 4096;
/// Fewest characters of a secret whose ends [`Secret::mask`] shows both: at least 12 must stay hidden.
pub const MASK_CHARS_MIN: usize = 20;
/// Of a shorter secret the mask shows one character in so many, the last ones: two to four.
const MASK_SHORT_PART: usize = 4;
/// What [`scrub`] writes in place of a secret.
pub const SCRUBBED: &str = "[secret]";

/// A plain secret in memory: wiped when dropped, without `Serialize`, its `Debug` shows nothing of it, compared
/// in constant time.
///
/// ```
/// use kingcong_core::vault::Secret;
///
/// let secret = Secret::parse("sk-upstream-0123456789-9f3a")?;
/// assert_eq!(secret.mask(), "sk-u…9f3a");
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// assert!(Secret::parse("sk-pasted-with-a-line-end\n").is_err());
/// # Ok::<(), kingcong_core::vault::InvalidSecret>(())
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a secret of [`SECRET_BYTES_MIN`] to [`SECRET_BYTES_MAX`] bytes. The caller's copy is the caller's to
    /// wipe.
    ///
    /// # Errors
    /// When its length is out of bounds, it holds a control character, or white space surrounds it: such a secret
    /// was pasted wrongly and would fail at the upstream.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&text.len()) {
            return Err(InvalidSecret::Length { bytes: text.len() });
        }
        if text.trim().len() != text.len() {
            return Err(InvalidSecret::Surrounded);
        }
        if let Some(at) = text.chars().position(char::is_control) {
            return Err(InvalidSecret::ControlCharacter { at });
        }
        Ok(Self(text.into()))
    }

    /// The secret's text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What people may see of it, to tell their keys apart: the first and last four characters, such as `sk-u…9f3a`.
    /// When it has fewer than [`MASK_CHARS_MIN`] characters, the last quarter of them alone, such as `…f3a`.
    #[must_use]
    pub fn mask(&self) -> String {
        let text = self.expose();
        let chars = text.chars().count();
        let (first, last) = if chars < MASK_CHARS_MIN { (0, chars / MASK_SHORT_PART) } else { (4, 4) };
        text.chars().take(first).chain(['…']).chain(text.chars().skip(chars - last)).collect()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// A text that cannot be a secret. Says what is wrong with it and nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSecret {
    /// Too short or too long.
    #[error("the secret has {bytes} bytes: give one of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes")]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// White space before or after it.
    #[error(
        "the secret begins or ends with white space: give it without the surrounding spaces or line ends"
    )]
    Surrounded,
    /// A control character inside it.
    #[error("character {at} of the secret is a control character: give the secret as one line")]
    ControlCharacter {
        /// Which character, counted from 0.
        at: usize,
    },
}

/// Fewest bytes of a secret that are taken for the beginning of one where a text was cut.
const CUT_BYTES_MIN: usize = 4;
/// What ends a text that was cut.
const CUT: char = '…';

/// The text with [`SCRUBBED`] in place of every known secret, for upstream texts that repeat what was sent.
///
/// Finds a secret as it is, percent-encoded (also with `+` for spaces) and JSON-escaped, whichever of its characters
/// the upstream chose to encode; in base64, also inside of what is encoded with it, and in hexadecimal; and its
/// beginning at the end of a text that was cut (`…`).
///
/// ```
/// use kingcong_core::vault::{Secret, scrub};
///
/// let secret = Secret::parse("sk/upstream=0123456789")?;
/// let text = scrub("401 for /v1?key=sk%2Fupstream%3d0123456789", &[&secret]);
/// assert_eq!(text, "401 for /v1?key=[secret]");
/// # Ok::<(), kingcong_core::vault::InvalidSecret>(())
/// ```
#[must_use]
pub fn scrub(text: &str, secrets: &[&Secret]) -> String {
    let forms: Vec<Zeroizing<String>> = secrets.iter().flat_map(|secret| forms(secret.expose())).collect();
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let written = secrets.iter().filter_map(|secret| occurrence(rest, secret.expose()));
        let encoded = forms.iter().filter(|form| starts_with(rest, form)).map(|form| form.len());
        let found = written.chain(encoded).max().or_else(|| cut_occurrence(rest, secrets, &forms));
        match found {
            Some(bytes) => {
                clean.push_str(SCRUBBED);
                at += bytes;
            }
            None => {
                clean.push(next);
                at += next.len_utf8();
            }
        }
    }
    clean
}

/// Other forms of a secret that stand for it as a whole: in base64 those of its characters that do not depend on what
/// is encoded before and after it.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut forms = vec![Zeroizing::new(hexadecimal)];
    // A message is kept as one line with single spaces.
    let spaced = Zeroizing::new(secret.split_whitespace().collect::<Vec<_>>().join(" "));
    forms.extend(Some(spaced).filter(|spaced| spaced.len() >= SECRET_BYTES_MIN));
    for before in 0..3 {
        let mut bytes = Zeroizing::new(vec![0; before]);
        bytes.extend_from_slice(secret.as_bytes());
        let own = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for encoded in [Base64Unpadded::encode_string(&bytes), Base64UrlUnpadded::encode_string(&bytes)] {
            let encoded = Zeroizing::new(encoded);
            forms.push(Zeroizing::new(encoded[own.clone()].to_owned()));
        }
    }
    forms
}

/// Whether a text starts with this form; hexadecimal may be in capitals.
fn starts_with(text: &str, form: &str) -> bool {
    let is_hexadecimal = form.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match text.get(..form.len()) {
        Some(start) if is_hexadecimal => start.eq_ignore_ascii_case(form),
        Some(start) => start == form,
        None => false,
    }
}

/// The length in bytes of the beginning of a secret that is all that is left of a text that was cut.
fn cut_occurrence(text: &str, secrets: &[&Secret], forms: &[Zeroizing<String>]) -> Option<usize> {
    let rest = text.strip_suffix(CUT).filter(|rest| rest.len() >= CUT_BYTES_MIN)?;
    let mut plain = secrets.iter().map(|secret| secret.expose());
    let is_cut =
        plain.any(|secret| secret.starts_with(rest)) || forms.iter().any(|form| form.starts_with(rest));
    is_cut.then_some(rest.len())
}

/// The length in bytes of the longest writing of `secret` at the start of `text`.
fn occurrence(text: &str, secret: &str) -> Option<usize> {
    let mut chars = secret.chars();
    // A secret that itself holds `%` or `\` can be read in several ways: all of them are followed at once.
    let mut ends: Vec<usize> = writings(text, chars.next()?).collect();
    for c in chars {
        if ends.is_empty() {
            return None;
        }
        ends = ends
            .into_iter()
            .flat_map(|end| writings(&text[end..], c).map(move |bytes| end + bytes))
            .collect();
        ends.sort_unstable();
        ends.dedup();
    }
    ends.pop()
}

/// The lengths in bytes of the writings of `c` at the start of `text`.
fn writings(text: &str, c: char) -> impl Iterator<Item = usize> {
    let plain = text.starts_with(c).then(|| c.len_utf8());
    let plus = (c == ' ' && text.starts_with('+')).then_some(1);
    // An escape can only stand where the text has its first character: this keeps the search quick.
    let percent = text.starts_with('%').then(|| percent_encoded(text, c)).flatten();
    let json = text.starts_with('\\').then(|| json_escaped(text, c)).flatten();
    [plain, plus, percent, json].into_iter().flatten()
}

/// The length of `c` written as `%C3%A9`, in either case.
fn percent_encoded(text: &str, c: char) -> Option<usize> {
    let code: String = c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02x}")).collect();
    starts_with_ignoring_case(text, &code)
}

/// The length of `c` written as `\"`, `\\`, `\/` or `\u00e9`, in either case.
fn json_escaped(text: &str, c: char) -> Option<usize> {
    if matches!(c, '"' | '\\' | '/') && text[1..].starts_with(c) {
        return Some(2);
    }
    let code: String = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    starts_with_ignoring_case(text, &code)
}

fn starts_with_ignoring_case(text: &str, prefix: &str) -> Option<usize> {
    text.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix)).map(str::len)
}

#[cfg(test)]
mod tests {
    use base64ct::Base64;
    use proptest::prelude::*;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    #[test]
    fn a_secret_is_one_line_of_bounded_length_without_surrounding_space() {
        for (text, expected) in [
            ("1234567", InvalidSecret::Length { bytes: 7 }),
            (&"x".repeat(SECRET_BYTES_MAX + 1), InvalidSecret::Length { bytes: SECRET_BYTES_MAX + 1 }),
            (" 12345678", InvalidSecret::Surrounded),
            ("12345678\r\n", InvalidSecret::Surrounded),
            ("12345678\u{a0}", InvalidSecret::Surrounded),
            ("1234\n5678", InvalidSecret::ControlCharacter { at: 4 }),
            ("12345678\u{0}", InvalidSecret::ControlCharacter { at: 8 }),
        ] {
            assert_eq!(Secret::parse(text).unwrap_err(), expected, "{text:?}");
        }
        for text in ["12345678", "group 12:key", &"x".repeat(SECRET_BYTES_MAX)] {
            assert_eq!(secret(text).expose(), text);
        }
    }

    #[test]
    fn secrets_are_equal_when_their_texts_are() {
        assert_eq!(secret("sk-0123456789"), secret("sk-0123456789"));
        assert_ne!(secret("sk-0123456789"), secret("sk-0123456788"));
        assert_ne!(secret("sk-0123456789"), secret("sk-012345678"));
    }

    #[test]
    fn a_mask_shows_the_ends_of_a_long_secret_and_the_last_quarter_of_a_short_one() {
        for (text, mask) in [
            ("sk-upstream-0123456789-9f3a", "sk-u…9f3a"),
            ("0123456789abcdefghij", "0123…ghij"),
            ("0123456789abcdefghi", "…fghi"),
            ("0123456789abcde", "…cde"),
            ("123456789", "…89"),
            ("12345678", "…78"),
            ("khóa-bí-mật-của-chúng-tôi", "khóa…-tôi"),
        ] {
            assert_eq!(secret(text).mask(), mask);
        }
    }

    #[test]
    fn scrubbing_finds_a_secret_however_it_is_written() {
        let slash = secret("sk/a+b \"c\\é😀-12");
        let percent = secret("a%25b\\u0041%2");
        for (text, expected) in [
            ("key sk/a+b \"c\\é😀-12.", "key [secret]."),
            ("k=sk%2Fa%2Bb+%22c%5C%C3%A9%F0%9F%98%80-12&x=1", "k=[secret]&x=1"),
            ("k=sk%2fa%2bb%20%22c%5c%c3%a9%f0%9f%98%80-12", "k=[secret]"),
            ("%73%6B%2F%61+%62%20%22%63%5C%C3%A9%F0%9F%98%80%2D%31%32", "[secret]"),
            (r#"{"key":"sk\/a+b \"c\\é😀-12"}"#, r#"{"key":"[secret]"}"#),
            (r#"{"key":"sk/a\u002Bb \u0022c\u005c\u00e9\uD83D\ude00-12"}"#, r#"{"key":"[secret]"}"#),
            ("a%25b\\u0041%2", "[secret]"),
            ("a%2525b%5Cu0041%252", "[secret]"),
            (r"a%25b\\u0041%2", "[secret]"),
            ("sk/a+b \"c\\é😀-1", "sk/a+b \"c\\é😀-1"),
            ("%2 \\u00 % \\", "%2 \\u00 % \\"),
        ] {
            assert_eq!(scrub(text, &[&slash, &percent]), expected, "{text}");
        }
    }

    #[test]
    fn scrubbing_finds_a_secret_inside_of_what_was_encoded_and_at_the_end_of_what_was_cut() {
        let text = "sk-canary-0123456789";
        let canary = secret(text);
        for around in ["", "u:", "me:", "user:", "xxxxx"] {
            let whole = format!("{around}{text}{around}");
            for encoded in
                [Base64::encode_string(whole.as_bytes()), Base64UrlUnpadded::encode_string(whole.as_bytes())]
            {
                let clean = scrub(&format!("Basic {encoded}!"), &[&canary]);
                assert!(clean.contains(SCRUBBED), "{around}: {clean}");
            }
        }
        let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(scrub(&format!("0x{hexadecimal}."), &[&canary]), "0x[secret].");
        assert_eq!(scrub("bad key sk-canary-012…", &[&canary]), "bad key [secret]…");
        assert_eq!(scrub("bad key sk-…", &[&canary]), "bad key sk-…");
        assert_eq!(scrub("sk-canary-012 …", &[&canary]), "sk-canary-012 …");
        assert_eq!(scrub("two long words", &[&secret("two  long words")]), "[secret]");
    }

    #[test]
    fn scrubbing_takes_the_longest_of_several_secrets() {
        let (short, long) = (secret("sk-01234567"), secret("sk-01234567-89"));
        for secrets in [[&short, &long], [&long, &short]] {
            assert_eq!(scrub("sk-01234567-89sk-01234567", &secrets), "[secret][secret]");
        }
        assert_eq!(scrub("nothing to hide", &[]), "nothing to hide");
    }

    proptest! {
        #[test]
        fn a_scrubbed_text_is_the_text_without_the_secret(
            text in r"[!-~é][ -~é😀]{6,40}[!-~é]",
            before in "[a-z<> ]{0,20}",
            after in "[a-z<> ]{0,20}",
            ways in prop::collection::vec(0..3_u8, 48),
        ) {
            let secret = secret(&text);
            let mut written = String::new();
            for (c, way) in text.chars().zip(&ways) {
                match way {
                    0 => written.push(c),
                    1 => c.to_string().bytes().for_each(|byte| written.push_str(&format!("%{byte:02X}"))),
                    _ => c.encode_utf16(&mut [0; 2]).iter()
                        .for_each(|unit| written.push_str(&format!("\\u{unit:04X}"))),
                }
            }
            let whole = format!("{before}é{written}é{after}");
            let clean = scrub(&whole, &[&secret]);
            prop_assert!(clean.contains(SCRUBBED), "{}", clean);
            prop_assert!(!clean.contains(&text) && !clean.contains(&written));
        }
    }
}

//! How long the audio of a text may be: what a price per second is held at.

use crate::{
    measure::{Measure, Quantities, Quantity},
    pricing::PriceError,
};

/// The longest that a character is taken to be spoken, in milliseconds of audio at speed 1.
pub const AUDIO_MS_PER_CHARACTER_MAX: u64 = 120;

/// The longest silence and slow start that a task's audio is taken to have beside its characters, in milliseconds at
/// speed 1. A short text needs it: 24 characters were heard as 4.2 s.
pub const AUDIO_MS_PER_TASK_MAX: u64 = 2_000;

/// How much of each measure a text to speak has: its characters, one request, and its audio at most.
///
/// # Errors
/// As [`audio_ms_bound`].
pub fn quantities(characters: u64, speed_percent: u16) -> Result<Quantities, PriceError> {
    let audio_ms = audio_ms_bound(characters, speed_percent)?;
    Ok(Quantities::one_request()
        .with(Measure::Character, Quantity::Exact(characters))
        .with(Measure::AudioMs, Quantity::AtMost(audio_ms)))
}

/// The most audio, in milliseconds, that speaking so many characters in one task is expected to give:
/// [`AUDIO_MS_PER_TASK_MAX`] and [`AUDIO_MS_PER_CHARACTER_MAX`] for each, divided by the speed (100 is the voice's
/// own), rounded up.
///
/// # Errors
/// When the speed is zero, or the bound does not fit 64 bits.
pub fn audio_ms_bound(characters: u64, speed_percent: u16) -> Result<u64, PriceError> {
    if speed_percent == 0 {
        return Err(PriceError::Speed { speed_percent });
    }
    let spoken = u128::from(characters) * u128::from(AUDIO_MS_PER_CHARACTER_MAX);
    let at_full_speed = spoken + u128::from(AUDIO_MS_PER_TASK_MAX);
    u64::try_from((at_full_speed * 100).div_ceil(speed_percent.into()))
        .map_err(|_| PriceError::TooManyCharacters { characters })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audio_bound_follows_the_speed_and_rounds_up() {
        for (characters, speed_percent, ms) in [
            (0, 100, 2_000),
            (1, 100, 2_120),
            (24, 100, 4_880),
            (1000, 100, 122_000),
            (1000, 50, 244_000),
            (1000, 200, 61_000),
            (1, 70, 3_029),
            (1, u16::MAX, 4),
            ((u64::MAX - 2_000) / 120, 100, (u64::MAX - 2_000) / 120 * 120 + 2_000),
        ] {
            assert_eq!(
                audio_ms_bound(characters, speed_percent),
                Ok(ms),
                "{characters} at {speed_percent} %"
            );
        }
        assert_eq!(audio_ms_bound(1, 0), Err(PriceError::Speed { speed_percent: 0 }));
        let characters = (u64::MAX - 2_000) / 120 + 1;
        assert_eq!(audio_ms_bound(characters, 100), Err(PriceError::TooManyCharacters { characters }));
        assert!(audio_ms_bound(u64::MAX, 1).is_err());
    }
}

//! The header that makes a WAV file of raw 16-bit mono samples.

/// Length of the header.
pub(crate) const HEADER_BYTES: usize = 44;

/// The header before `data_bytes` bytes of samples; a longer file than its format can say is said to be endless.
pub(crate) fn header(data_bytes: u64, samples_per_second: u32) -> [u8; HEADER_BYTES] {
    let data_bytes = u32::try_from(data_bytes).unwrap_or(u32::MAX);
    let fields: [&[u8]; 13] = [
        b"RIFF",
        &data_bytes.saturating_add(36).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16_u32.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &samples_per_second.to_le_bytes(),
        &samples_per_second.saturating_mul(2).to_le_bytes(),
        &2_u16.to_le_bytes(),
        &16_u16.to_le_bytes(),
        b"data",
        &data_bytes.to_le_bytes(),
    ];
    let mut header = [0; HEADER_BYTES];
    for (place, byte) in header.iter_mut().zip(fields.into_iter().flatten()) {
        *place = *byte;
    }
    header
}

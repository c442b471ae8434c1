//! Reads the tar archives in which MiniMax packs long speech: an audio file, its subtitles and its figures. Only
//! the plain part of the format is read; whatever is torn is not there.

const BLOCK_BYTES: usize = 512;

/// The first file of an archive whose name ends so.
pub(crate) fn file_ending<'a>(archive: &'a [u8], endings: &[&str]) -> Option<&'a [u8]> {
    let mut rest = archive;
    loop {
        let (header, after) = rest.split_at_checked(BLOCK_BYTES)?;
        if header[0] == 0 {
            return None;
        }
        let size = octal(&header[124..136])?;
        let body = after.get(..size)?;
        let name = until_nul(&header[..100]);
        let is_file = matches!(header[156], b'0' | 0);
        if is_file && endings.iter().any(|ending| name.ends_with(ending.as_bytes())) {
            return Some(body);
        }
        rest = after.get(size.next_multiple_of(BLOCK_BYTES)..)?;
    }
}

/// Whether these bytes are an archive.
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

fn octal(field: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(until_nul(field)).ok()?.trim();
    usize::from_str_radix(digits, 8).ok()
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK_BYTES];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
        header[156] = kind;
        header[257..262].copy_from_slice(b"ustar");
        header.extend_from_slice(body);
        header.resize(header.len().next_multiple_of(BLOCK_BYTES), 0);
        header
    }

    #[test]
    fn a_file_is_found_by_its_ending() {
        let archive = [
            entry("out/", b'5', b""),
            entry("out/1.titles", b'0', b"[]"),
            entry("out/1.mp3", b'0', &[7; 700]),
            vec![0; 1024],
        ]
        .concat();
        assert!(is_archive(&archive));
        assert_eq!(file_ending(&archive, &[".mp3", ".wav"]), Some(&[7; 700][..]));
        assert_eq!(file_ending(&archive, &[".titles"]), Some(&b"[]"[..]));
        assert_eq!(file_ending(&archive, &[".extra"]), None);
        assert_eq!(file_ending(&archive[..2000], &[".mp3"]), None, "torn");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = (is_archive(&bytes), file_ending(&bytes, &[".mp3"]));
        }

        #[test]
        fn no_size_breaks_the_reader(size in any::<[u8; 12]>()) {
            let mut archive = entry("a.mp3", b'0', b"abc");
            archive[124..136].copy_from_slice(&size);
            let _ = file_ending(&archive, &[".mp3"]);
        }
    }
}

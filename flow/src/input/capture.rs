//! The first bytes of captures: just enough of pcap and pcapng to recognise and identify one.

/// A capture: pcap (micro- or nanoseconds, "modified", in either byte order) or pcapng.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capture {
    format: Format,
    /// Its numbers are little-endian.
    little: bool,
    /// Its stamps may have nanoseconds.
    pub(super) nano: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Pcap,
    /// With eight more bytes before each packet (Alexey Kuznetzov's patches).
    Modified,
    Pcapng,
}

impl Capture {
    /// The magic numbers of libpcap's `sf-pcap.c`, and the section header of pcapng.
    pub(super) fn of(begin: &[u8]) -> Option<Capture> {
        let magic: [u8; 4] = begin.get(..4)?.try_into().ok()?;
        let pcap = |little, magic| {
            let (format, nano) = match magic {
                0xa1b2_c3d4 => (Format::Pcap, false),
                0xa1b2_3c4d => (Format::Pcap, true),
                0xa1b2_cd34 => (Format::Modified, false),
                _ => return None,
            };
            Some(Capture {
                format,
                little,
                nano,
            })
        };
        if magic == *b"\n\r\r\n" {
            let little = match begin.get(8..12)? {
                [0x1a, 0x2b, 0x3c, 0x4d] => false,
                [0x4d, 0x3c, 0x2b, 0x1a] => true,
                _ => return None,
            };
            // Each of its interfaces has a resolution of its own, and interfaces may appear late.
            // Zeros at the end of a stamp do no harm.
            return Some(Capture {
                format: Format::Pcapng,
                little,
                nano: true,
            });
        }
        pcap(false, u32::from_be_bytes(magic)).or_else(|| pcap(true, u32::from_le_bytes(magic)))
    }

    fn number(self, bytes: &[u8], at: usize) -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        let number = match self.little {
            true => u32::from_le_bytes(bytes),
            false => u32::from_be_bytes(bytes),
        };
        usize::try_from(number).ok()
    }

    /// Where the first packet ends; `None` until all of it has been read.
    pub(super) fn first_packet(self, bytes: &[u8]) -> Option<usize> {
        let end = match self.format {
            Format::Pcap => self.number(bytes, 24 + 8)?.checked_add(24 + 16)?,
            Format::Modified => self.number(bytes, 24 + 8)?.checked_add(24 + 24)?,
            Format::Pcapng => self.first_block(bytes)?,
        };
        (end <= bytes.len()).then_some(end)
    }

    /// Where the first block that has a packet ends.
    fn first_block(self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let kind = self.number(bytes, at)?;
            // A block is no shorter than its own frame.
            let length = self.number(bytes, at + 4)?.max(12);
            at = at.checked_add(length)?;
            // The obsolete packet block, the simple and the enhanced one.
            if matches!(kind, 2 | 3 | 6) {
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magic_of_libpcap() {
        let kinds = [
            (0xa1b2_c3d4u32, Format::Pcap, false),
            (0xa1b2_3c4d, Format::Pcap, true),
            (0xa1b2_cd34, Format::Modified, false),
        ];
        for (magic, format, nano) in kinds {
            for (little, bytes) in [(false, magic.to_be_bytes()), (true, magic.to_le_bytes())] {
                let capture = Capture {
                    format,
                    little,
                    nano,
                };
                assert_eq!(Capture::of(&bytes), Some(capture));
            }
        }
        let section = Capture::of(b"\n\r\r\n\0\0\0\x1c\x1a\x2b\x3c\x4d").unwrap();
        assert!(!section.little && section.nano);
        for other in [&b""[..], b"\n\r\r\n", b"\n\r\r\nsome text", b"10:0"] {
            assert_eq!(Capture::of(other), None);
        }
    }

    #[test]
    fn the_first_packet_is_found() {
        let mut pcap = 0xa1b2_c3d4u32.to_le_bytes().to_vec();
        pcap.resize(24 + 8, 0);
        pcap.extend(5u32.to_le_bytes());
        pcap.resize(24 + 16 + 5 + 9, 0);
        let capture = Capture::of(&pcap).unwrap();
        assert_eq!(capture.first_packet(&pcap), Some(24 + 16 + 5));
        assert_eq!(capture.first_packet(&pcap[..40]), None);
        let mut ng = Vec::new();
        for (kind, length) in [(0x0a0d_0d0au32, 28u32), (1, 20), (6, 36), (6, 36)] {
            let start = ng.len();
            ng.extend(kind.to_be_bytes());
            ng.extend(length.to_be_bytes());
            ng.extend(0x1a2b_3c4du32.to_be_bytes());
            ng.resize(start + length as usize, 0);
        }
        let capture = Capture::of(&ng).unwrap();
        assert_eq!(capture.first_packet(&ng), Some(28 + 20 + 36));
        // Lengths of zero end, and so does the largest.
        let capture = Capture::of(&ng[..12]).unwrap();
        assert_eq!(capture.first_packet(&[0; 4096]), None);
        assert_eq!(capture.first_packet(&[0xff; 4096]), None);
    }
}

//! Names and hashes of texts, the same on every machine and in every release: they are stored.

/// FNV-1a of 128 bits: a name for a stream or a namespace, the same on every machine and in every
/// release. Not a defence: anyone who can choose both texts can make them collide.
///
/// ```
/// let mut hash = dumpstream::hash::Fnv::new();
/// hash.write(b"a");
/// assert_eq!(hash.finish(), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
/// ```
#[derive(Clone, Debug)]
pub struct Fnv(u128);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv::new()
    }
}

impl Fnv {
    /// The hash of nothing.
    pub fn new() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Goes on with these bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte))
                .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    /// The hash of all bytes so far.
    pub fn finish(&self) -> u128 {
        self.0
    }
}

/// The name of a stream that begins with this text: 32 hexadecimal digits.
pub fn stream_name(sensor: &str, begin: &[u8]) -> String {
    let mut hash = Fnv::new();
    hash.write(sensor.as_bytes());
    hash.write(&[0]);
    hash.write(begin);
    format!("{:032x}", hash.finish())
}

/// The hash of a stream's text up to the end of a record, from that up to the record before it (0
/// for the first) and the record's text. It takes 16 bytes a step, because every stored text passes
/// here. Not a defence: anyone who can choose both texts can make them collide.
///
/// ```
/// let first = dumpstream::hash::content(0, b"a packet\n");
/// assert_eq!(dumpstream::hash::content(first, b"another\n"), 0xb2b3_a1ce_e08c_e9df);
/// ```
pub fn content(before: u64, text: &[u8]) -> u64 {
    /// Odd, with as many ones as zeros: digits of pi.
    const A: u64 = 0x243f_6a88_85a3_08d3;
    const B: u64 = 0x1319_8a2e_0370_7345;
    const C: u64 = 0xa409_3822_299f_31d1;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let mut hash = before ^ A;
    let (pairs, rest) = text.as_chunks::<16>();
    for pair in pairs {
        let (one, other) = pair.split_at(8);
        hash = fold(word(one) ^ B, word(other) ^ hash);
    }
    let (one, other) = rest.split_at(rest.len().min(8));
    hash = fold(word(one) ^ B, word(other) ^ hash);
    fold(hash ^ C, text.len() as u64 ^ B)
}

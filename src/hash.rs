//! A name for a text, the same on every machine and in every release.

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

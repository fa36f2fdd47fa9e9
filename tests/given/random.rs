//! A small generator of numbers, the same in every run.

/// Its state, which is never 0.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// 0 to `n - 1`; of nothing, 0.
    pub(crate) fn below<N: TryInto<u64> + TryFrom<u64>>(&mut self, n: N) -> N {
        let n: u64 = n.try_into().ok().expect("it is not negative");
        let below = N::try_from(self.next() % n.max(1));
        below.ok().expect("it is no larger than n")
    }
}

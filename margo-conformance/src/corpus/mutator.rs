//! Changes to inputs without a fuzzer: it sees no coverage, but needs nothing installed.

/// Changes inputs, the same way for the same seed.
pub(super) struct Mutator(u64);

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        // Xorshift stays at zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One to four changes; `other` is another input to take something from.
    pub(super) fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(24)).min(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                3 => {
                    let from = self.below(other.len() + 1);
                    let taken = &other[from..(from + 40).min(other.len())];
                    bytes.splice(at..end, taken.iter().copied());
                }
                4 => {
                    let word = WORDS[self.below(WORDS.len())];
                    bytes.splice(at..at, word.iter().copied());
                }
                5 => {
                    let digits = bytes
                        .iter_mut()
                        .skip(at)
                        .take_while(|it| !it.is_ascii_alphabetic());
                    let value = u8::try_from(self.below(10)).unwrap_or_default();
                    if let Some(digit) = digits.into_iter().find(|it| it.is_ascii_digit()) {
                        *digit = b'0' + value;
                    }
                }
                _ => {
                    let bit = self.below(8);
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                }
            }
        }
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 8).unwrap_or_default() % end.max(1)
    }
}

/// What parsers stumble over.
const WORDS: [&[u8]; 14] = [
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"\"",
    b"{",
    b"[[[[",
    b":",
    b",",
    b"-1",
    b"18446744073709551615",
    b"999999999999999999999",
    b"\xe2\x80\xae",
    b"1e999",
];

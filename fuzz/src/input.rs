//! An input: some bytes that choose, then the file. Digits choose the first ten of everything, so that an input can be
//! written and read by a person.

/// What is left of an input.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte counted from `0`; none left chooses the first of everything.
    pub(crate) fn byte(&mut self) -> usize {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                usize::from(byte.wrapping_sub(b'0'))
            }
            None => 0,
        }
    }

    /// One of these.
    pub(crate) fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.byte() % from.len()]
    }

    /// A place below `end`, or 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.byte() * 256 + self.byte()) % end.max(1)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

//! Takes numbers and byte strings off the front of bytes that may be hostile.
//! Never panics and never reserves memory for more than is there.

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("a frame is cut off")]
    CutOff,
    #[error("a frame is not of this run")]
    Foreign,
    #[error("a frame is too long")]
    TooLong,
    #[error("a frame's content is malformed")]
    Malformed,
}

/// What has not been read yet. All numbers are little-endian.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Flaw> {
        // A length that is a lie must not reach beyond the bytes there are.
        let (front, rest) = self.rest.split_at_checked(count).ok_or(Flaw::CutOff)?;
        self.rest = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (front, rest) = self.rest.split_first_chunk().ok_or(Flaw::CutOff)?;
        self.rest = rest;
        Ok(*front)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Flaw> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Flaw> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Flaw> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Flaw> {
        self.array().map(f64::from_le_bytes)
    }

    /// How many items follow. A count that the remaining bytes can't hold is refused, so that
    /// nothing is ever reserved for it.
    pub(crate) fn count(&mut self) -> Result<usize, Flaw> {
        let count = self.u32()? as usize;
        if count > self.rest.len() {
            Err(Flaw::CutOff)
        } else {
            Ok(count)
        }
    }

    /// `length (u32) | bytes`
    pub(crate) fn blob(&mut self) -> Result<&'a [u8], Flaw> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// A blob of text; what is not utf-8 in it is replaced.
    pub(crate) fn text(&mut self) -> Result<String, Flaw> {
        let bytes = self.blob()?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

//! Frames: what the runner inside the jail writes to its private pipe, decoded from bytes that may
//! be hostile. Decoding never panics, never allocates more than the bytes it was given suggest, and
//! evaluates nothing.
//!
//! A frame is `nonce (8) | length (u32) | body`, all numbers little-endian. A body is a kind and
//! its fields: `R` cpu nanoseconds (u64) · `S` fault · `X` fault · `A` · `V` case (u32) value · `E`
//! case fault · `B` case · `Z`. A fault is `m` (memory) or `r`, then class and message, each
//! `length (u32) | utf-8`.

use std::{io, time::Duration};

use crate::wire::{
    reader::{Flaw, Reader},
    seen::Seen,
};

/// Drawn anew for every run and repeated in every frame, so that a frame from elsewhere is noticed.
pub type Nonce = [u8; 8];

/// Most bytes of frames accepted from one run.
pub const MAX_RESULT_BYTES: usize = 8 << 20;
/// Longest body accepted; the runner stops at 1 MiB.
const MAX_BODY_BYTES: usize = (1 << 20) + (1 << 17);

/// A nonce that no candidate can guess.
///
/// # Errors
/// If the kernel gives no randomness.
pub fn new_nonce() -> io::Result<Nonce> {
    let mut nonce = Nonce::default();
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}

/// What was raised inside the jail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub out_of_memory: bool,
    pub class: String,
    pub message: String,
}

impl Fault {
    /// `ValueError: bad digit`
    pub fn text(&self) -> String {
        if self.message.is_empty() {
            self.class.clone()
        } else {
            format!("{}: {}", self.class, self.message)
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// The runner is up and about to compile; the CPU time its process had used by then.
    Ready {
        cpu: Duration,
    },
    /// The source did not compile.
    Syntax(Fault),
    /// Executing the module raised.
    Load(Fault),
    /// The module has no callable of the entry's name.
    Missing,
    Returned {
        case: u32,
        value: Seen,
    },
    Raised {
        case: u32,
        fault: Fault,
    },
    /// The value was too large to send.
    TooLarge {
        case: u32,
    },
    /// Nothing follows.
    End,
}

/// Decodes everything that one run wrote and ends with the first flaw. One frame at a time, since
/// 8 MiB of hostile frames can hold values that take hundreds of MiB once decoded.
pub struct Frames<'a> {
    nonce: &'a Nonce,
    reader: Reader<'a>,
}

impl<'a> Frames<'a> {
    pub fn new(nonce: &'a Nonce, bytes: &'a [u8]) -> Self {
        Self {
            nonce,
            reader: Reader::new(bytes),
        }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let frame = read_frame(self.nonce, &mut self.reader);
        if frame.is_err() {
            // Behind a flaw nothing can be told apart, so the rest counts as read.
            self.reader = Reader::new(&[]);
        }
        Some(frame)
    }
}

/// The CPU time that the runner had used before the candidate's first step, once its first frame is
/// complete and says so.
pub fn runner_cpu(nonce: &Nonce, bytes: &[u8]) -> Option<Duration> {
    match read_frame(nonce, &mut Reader::new(bytes)) {
        Ok(Frame::Ready { cpu }) => Some(cpu),
        _ => None,
    }
}

fn read_frame(nonce: &Nonce, reader: &mut Reader<'_>) -> Result<Frame, Flaw> {
    if reader.take(nonce.len())? != nonce {
        return Err(Flaw::Foreign);
    }
    let length = reader.u32()? as usize;
    if length > MAX_BODY_BYTES {
        return Err(Flaw::TooLong);
    }
    let mut body = Reader::new(reader.take(length)?);
    // A body that is too short is malformed, while a frame that is cut off may yet be completed.
    let frame = read_body(&mut body).map_err(|_| Flaw::Malformed)?;
    if body.is_empty() {
        Ok(frame)
    } else {
        Err(Flaw::Malformed)
    }
}

fn read_body(body: &mut Reader<'_>) -> Result<Frame, Flaw> {
    Ok(match body.u8()? {
        b'R' => Frame::Ready {
            cpu: Duration::from_nanos(body.u64()?),
        },
        b'S' => Frame::Syntax(read_fault(body)?),
        b'X' => Frame::Load(read_fault(body)?),
        b'A' => Frame::Missing,
        b'V' => Frame::Returned {
            case: body.u32()?,
            value: Seen::read(body)?,
        },
        b'E' => Frame::Raised {
            case: body.u32()?,
            fault: read_fault(body)?,
        },
        b'B' => Frame::TooLarge { case: body.u32()? },
        b'Z' => Frame::End,
        _ => return Err(Flaw::Malformed),
    })
}

fn read_fault(body: &mut Reader<'_>) -> Result<Fault, Flaw> {
    let out_of_memory = match body.u8()? {
        b'm' => true,
        b'r' => false,
        _ => return Err(Flaw::Malformed),
    };
    Ok(Fault {
        out_of_memory,
        class: body.text()?,
        message: body.text()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONCE: Nonce = *b"12345678";

    fn framed(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_le_bytes();
        [NONCE.as_slice(), &length, body].concat()
    }

    /// The frames up to the first flaw, and that flaw.
    fn decode(nonce: &Nonce, bytes: &[u8]) -> (Vec<Frame>, Option<Flaw>) {
        let (mut read, mut flaw) = (Vec::new(), None);
        Frames::new(nonce, bytes).for_each(|frame| {
            frame.map_or_else(|found| flaw = Some(found), |frame| read.push(frame))
        });
        (read, flaw)
    }

    #[test]
    fn reads_the_simple_kinds() {
        let bytes = [
            framed(b"R\x01\0\0\0\0\0\0\0"),
            framed(b"A"),
            framed(b"B\x07\0\0\0"),
            framed(b"Z"),
        ]
        .concat();
        let ready = Frame::Ready {
            cpu: Duration::from_nanos(1),
        };
        assert_eq!(
            decode(&NONCE, &bytes),
            (
                vec![
                    ready,
                    Frame::Missing,
                    Frame::TooLarge { case: 7 },
                    Frame::End
                ],
                None
            )
        );
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(new_nonce().unwrap(), new_nonce().unwrap());
    }

    #[test]
    fn names_the_flaw() {
        assert_eq!(decode(&NONCE, &framed(b"Z")[..9]).1, Some(Flaw::CutOff));
        assert_eq!(decode(b"87654321", &framed(b"Z")).1, Some(Flaw::Foreign));
        assert_eq!(decode(&NONCE, &framed(b"Zz")).1, Some(Flaw::Malformed));
        assert_eq!(
            decode(&NONCE, &[NONCE.as_slice(), &[255; 4]].concat()).1,
            Some(Flaw::TooLong)
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            decode(&NONCE, &bytes);
        }

        #[test]
        fn hostile_bodies_never_panic(
            kind in prop::sample::select(b"RSXAVEBZ".to_vec()),
            rest in prop::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    prop::sample::select(b"NTFIDUGLPMO\0\x01".to_vec()),
                ],
                0..200,
            ),
        ) {
            let body = [&[kind], rest.as_slice()].concat();
            decode(&NONCE, &framed(&body));
        }

        /// A stream that is cut off or has a byte changed gives the frames before that place and
        /// never more than there were.
        #[test]
        fn damaged_streams_give_their_undamaged_beginning(
            count in 1..6u32,
            place in any::<prop::sample::Index>(),
            cut: bool,
            flip in 1..=255u8,
        ) {
            let mut bytes: Vec<u8> = (0..count)
                .flat_map(|case| framed(&[b"B".as_slice(), &case.to_le_bytes()].concat()))
                .collect();
            let whole = decode(&NONCE, &bytes);
            let place = place.index(bytes.len());
            let before = place / framed(b"B\0\0\0\0").len();
            if cut { bytes.truncate(place) } else { bytes[place] ^= flip }
            let damaged = decode(&NONCE, &bytes);
            prop_assert_eq!(&damaged.0[..before], &whole.0[..before]);
            prop_assert!(damaged.0.len() <= whole.0.len());
        }
    }
}

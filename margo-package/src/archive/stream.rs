//! The unpacked bytes of an archive, within limits.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::error::ArchiveError;
use super::limits::{Limit, Limits};

/// Unpacks a gzip stream, or passes a plain one on, and counts both sides.
pub(super) struct Stream<R> {
    unpacker: Unpacker<R>,
    limits: Limits,
    unpacked: u64,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

enum Unpacker<R> {
    Plain(BufReader<Counted<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Counted<R>>>>),
}

impl<R: Read> Stream<R> {
    /// Looks at the first byte to tell gzip from a plain archive.
    pub(super) fn new(source: R, limits: Limits) -> Result<Self, ArchiveError> {
        let mut source = BufReader::with_capacity(BUFFER, Counted::new(source, &limits));
        let first = source.fill_buf().map(|bytes| bytes.first().copied());
        let unpacker = match first {
            Ok(Some(GZIP)) => Unpacker::Gzip(Box::new(MultiGzDecoder::new(source))),
            Ok(_) => Unpacker::Plain(source),
            Err(error) => return Err(failure(source.get_ref(), &limits, error)),
        };
        Ok(Self {
            unpacker,
            limits,
            unpacked: 0,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
        })
    }

    /// At most `wanted` of the next bytes; empty only at the end.
    pub(super) fn next(&mut self, wanted: usize) -> Result<&[u8], ArchiveError> {
        if self.start == self.end {
            self.fill()?;
        }
        let end = self.end.min(self.start.saturating_add(wanted));
        let bytes = self.buffer.get(self.start..end).unwrap_or_default();
        self.start = end;
        Ok(bytes)
    }

    /// Fills `block`; says how many bytes there were before the end.
    pub(super) fn read_full(&mut self, block: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let bytes = self.next(rest.len())?;
            if bytes.is_empty() {
                break;
            }
            if let Some(room) = rest.get_mut(..bytes.len()) {
                room.copy_from_slice(bytes);
            }
            filled += bytes.len();
        }
        Ok(filled)
    }

    /// How many unpacked bytes the limits still allow.
    pub(super) fn allowance(&self) -> u64 {
        let buffered = (self.end - self.start) as u64;
        self.limits.max_unpacked_bytes.saturating_sub(self.unpacked) + buffered
    }

    /// How many bytes were unpacked so far.
    pub(super) const fn unpacked(&self) -> u64 {
        self.unpacked
    }

    fn fill(&mut self) -> Result<(), ArchiveError> {
        self.start = 0;
        self.end = 0;
        let result = loop {
            let result = match &mut self.unpacker {
                Unpacker::Plain(source) => source.read(&mut self.buffer),
                Unpacker::Gzip(decoder) => decoder.read(&mut self.buffer),
            };
            if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                break result;
            }
        };
        let counted = match &self.unpacker {
            Unpacker::Plain(source) => source.get_ref(),
            Unpacker::Gzip(decoder) => decoder.get_ref().get_ref(),
        };
        let count = result.map_err(|error| failure(counted, &self.limits, error))?;
        self.end = count;
        self.unpacked = self.unpacked.saturating_add(count as u64);
        let limits = &self.limits;
        if self.unpacked > limits.max_unpacked_bytes {
            return Err(over(Limit::UnpackedBytes(limits.max_unpacked_bytes)));
        }
        let allowed = counted.count.saturating_mul(limits.max_ratio);
        if self.unpacked > limits.ratio_free_bytes && self.unpacked > allowed {
            return Err(over(Limit::Ratio(limits.max_ratio)));
        }
        Ok(())
    }
}

/// Counts what is read and remembers whether reading itself failed, which decoders do not tell apart.
struct Counted<R> {
    source: R,
    count: u64,
    limit: u64,
    failed: bool,
}

impl<R> Counted<R> {
    const fn new(source: R, limits: &Limits) -> Self {
        Self {
            source,
            count: 0,
            limit: limits.max_packed_bytes,
            failed: false,
        }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer).inspect_err(|error| {
            self.failed = error.kind() != io::ErrorKind::Interrupted;
        })?;
        self.count = self.count.saturating_add(count as u64);
        if self.count > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(count)
    }
}

fn failure<R>(counted: &Counted<R>, limits: &Limits, error: io::Error) -> ArchiveError {
    if counted.failed {
        ArchiveError::Source(error)
    } else if counted.count > counted.limit {
        over(Limit::PackedBytes(limits.max_packed_bytes))
    } else {
        ArchiveError::Damaged(error.to_string())
    }
}

fn over(limit: Limit) -> ArchiveError {
    ArchiveError::over(limit, None)
}

/// The first byte of a gzip stream; no member's name starts with a control character.
const GZIP: u8 = 0x1f;
const BUFFER: usize = 64 << 10;

//! Where an answer ends (RFC 9112 section 6), and what a device wants to know of its head.

use httparse::{EMPTY_HEADER, Header, Status};

use super::{MAX_ANSWER, MAX_HEADERS, TOO_LONG};
use crate::load::fault::{Fault, FaultKind};

pub(super) struct Head {
    pub(super) status: u16,
    pub(super) size: usize,
    pub(super) framing: Framing,
    pub(super) tag: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) keeps_alive: bool,
}

/// How the end of the body is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Head {
    /// `None` when more has to come.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Fault> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let size = match response.parse(bytes) {
            Ok(Status::Complete(size)) => size,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(Fault::new(FaultKind::Malformed, &error)),
        };
        let status = response.code.unwrap_or_default();
        // No device asks for another protocol.
        if status < 100 || status == 101 {
            let text = format!("no request can be answered with the status {status}");
            return Err(Fault::malformed(&text));
        }
        let mut head = Self {
            status,
            size,
            framing: Framing::UntilEnd,
            tag: None,
            media_type: None,
            keeps_alive: response.version == Some(1),
        };
        for header in response.headers.iter() {
            head.read(header)?;
        }
        // These have no body, whatever their head says (RFC 9112 section 6.3).
        if status < 200 || status == 204 || status == 304 {
            head.framing = Framing::Length(0);
        }
        head.keeps_alive &= head.framing != Framing::UntilEnd;
        Ok(Some(head))
    }

    fn read(&mut self, header: &Header) -> Result<(), Fault> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = header.value.trim_ascii();
        let text = || std::str::from_utf8(value).ok().map(str::to_owned);
        if is("etag") {
            self.tag = text();
        } else if is("content-type") {
            self.media_type = text();
        } else if is("connection") {
            let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            self.keeps_alive &= !options.any(|option| option.eq_ignore_ascii_case(b"close"));
        } else if is("transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::malformed("only chunks were to be expected"));
            }
            self.frame(Framing::Chunked)?;
        } else if is("content-length") {
            self.frame(Framing::Length(length(value)?))?;
        }
        Ok(())
    }

    /// Whoever reads two ends differently from the server takes its next answer for another (RFC 9112 section 11.2).
    fn frame(&mut self, framing: Framing) -> Result<(), Fault> {
        if self.framing != Framing::UntilEnd && self.framing != framing {
            return Err(Fault::malformed("the body has two ends"));
        }
        self.framing = framing;
        Ok(())
    }
}

fn length(value: &[u8]) -> Result<usize, Fault> {
    let unreadable = || Fault::malformed("the length of the body cannot be read");
    if !value.iter().all(u8::is_ascii_digit) {
        return Err(unreadable());
    }
    let text = std::str::from_utf8(value).map_err(|_| unreadable())?;
    let length: usize = text.parse().map_err(|_| unreadable())?;
    if length > MAX_ANSWER {
        return Err(Fault::malformed(TOO_LONG));
    }
    Ok(length)
}

//! As much of DER (ITU-T X.690) as it takes to see that bytes are a certificate and to find its key.

/// One element: tag and content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'b> {
    pub(crate) tag: u8,
    pub(crate) content: &'b [u8],
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const SEQUENCE: u8 = 0x30;
/// The version of a certificate, tagged `[0]`.
pub(crate) const EXPLICIT_VERSION: u8 = 0xa0;

/// The elements that these bytes consist of; `None` when they do not, or there are more than 16.
pub(crate) fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        if elements.len() == 16 {
            return None;
        }
        let (element, rest) = element(bytes)?;
        elements.push(element);
        bytes = rest;
    }
    Some(elements)
}

/// Whether the bytes are one sequence that is not empty and ends where they end, as every certificate is.
pub(crate) fn is_one_sequence(bytes: &[u8]) -> bool {
    match element(bytes) {
        Some((Element { tag, content }, rest)) => {
            tag == SEQUENCE && !content.is_empty() && rest.is_empty()
        }
        None => false,
    }
}

impl<'b> Element<'b> {
    /// The elements inside a sequence.
    pub(crate) fn children(&self) -> Option<Vec<Element<'b>>> {
        (self.tag == SEQUENCE)
            .then(|| elements(self.content))
            .flatten()
    }

    /// The bytes of a bit string of whole bytes.
    pub(crate) fn bit_string(&self) -> Option<&'b [u8]> {
        (self.tag == BIT_STRING)
            .then(|| self.content.strip_prefix(&[0]))
            .flatten()
    }

    /// The bytes of an integer that is not negative, without the byte that says so.
    pub(crate) fn unsigned_integer(&self) -> Option<&'b [u8]> {
        match self.content {
            _ if self.tag != INTEGER => None,
            [] | [0x80..=0xff, ..] => None,
            [0, rest @ ..] if !rest.is_empty() => Some(rest),
            digits => Some(digits),
        }
    }
}

/// The first element and what follows it. Lengths have to be definite and as short as possible.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let (digits, rest) = rest.split_at_checked(count)?;
        if !(1..=4).contains(&count) || digits.first() == Some(&0) {
            return None;
        }
        let length = digits
            .iter()
            .try_fold(0_usize, |length, &digit| {
                length.checked_mul(256)?.checked_add(usize::from(digit))
            })
            .filter(|length| *length >= 0x80)?;
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((Element { tag, content }, rest))
}

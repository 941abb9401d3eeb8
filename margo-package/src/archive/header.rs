//! Header blocks of tar, read and written (POSIX.1-2017 pax, "ustar Interchange Format"; GNU long names).

use super::error::Refusal;

/// Tar is made of blocks of this size.
pub(super) const BLOCK: usize = 512;

/// What a header block says.
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) executable: bool,
}

/// What follows a header block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// Pax records for the next member.
    Records,
    /// Pax records for all members that follow.
    GlobalRecords,
    /// GNU: the name of the next member.
    LongName,
    /// GNU: the link target of the next member.
    LongLink,
    /// Something that is never wanted.
    Other(&'static str),
}

impl Kind {
    /// Whether it says something of members after it.
    pub(super) const fn is_of_the_next(self) -> bool {
        matches!(
            self,
            Self::Records | Self::GlobalRecords | Self::LongName | Self::LongLink
        )
    }
}

impl Header {
    /// Reads a block; the reason says why it is no header.
    pub(super) fn read(block: &[u8; BLOCK]) -> Result<Self, &'static str> {
        let sum = number(field(block, CHECKSUM)).ok_or("a header has no checksum")?;
        if sum != checksum(block) {
            return Err("the checksum of a header is wrong");
        }
        let size = number(field(block, SIZE)).ok_or("a header has no readable size")?;
        let mode = number(field(block, MODE)).ok_or("a header has no readable mode")?;
        let mut name = text(field(block, NAME)).to_vec();
        // Only POSIX headers have a prefix there; GNU keeps times in its place.
        let prefix = text(field(block, PREFIX));
        let kind = kind(block.get(TYPE).copied().unwrap_or_default());
        match field(block, MAGIC) {
            POSIX if !prefix.is_empty() => name = [prefix, b"/", &name].concat(),
            POSIX | GNU => {}
            // Of what is neither some programs take it for a part of the name, others do not.
            _ if !prefix.is_empty() => return Err("a header has a prefix but is not of POSIX"),
            _ if kind.is_of_the_next() => return Err("an extended header is marked as none"),
            _ => {}
        }
        Ok(Self {
            kind,
            name,
            link: text(field(block, LINK)).to_vec(),
            size,
            executable: mode & 0o111 != 0,
        })
    }
}

/// Names and sizes that pax records give the next member.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

impl Records {
    /// Reads records `<length> <key>=<value>\n`. Times, owners and attributes are ignored.
    pub(super) fn read(mut bytes: &[u8]) -> Result<Self, Refusal> {
        const MALFORMED: Refusal = Refusal::Header("has a malformed record");
        let mut records = Self::default();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ');
            let space = space.ok_or(MALFORMED)?;
            let length = bytes.get(..space).and_then(decimal).ok_or(MALFORMED)?;
            let length = usize::try_from(length).map_err(|_| MALFORMED)?;
            let record = bytes.get(space + 1..length).ok_or(MALFORMED)?;
            let record = record.strip_suffix(b"\n").ok_or(MALFORMED)?;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (key, value) = record
                .split_at_checked(equals.ok_or(MALFORMED)?)
                .ok_or(MALFORMED)?;
            records.set(key, value.get(1..).unwrap_or_default())?;
            bytes = bytes.get(length..).unwrap_or_default();
        }
        Ok(records)
    }

    /// Whether nothing in them changes what a member is.
    pub(super) fn is_harmless(&self) -> bool {
        *self == Self::default()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Refusal> {
        let is_repeated = match key {
            b"path" => self.path.replace(value.to_vec()).is_some(),
            b"linkpath" => self.link.replace(value.to_vec()).is_some(),
            b"size" => {
                let size = decimal(value).ok_or(Refusal::Header("has no readable size"))?;
                self.size.replace(size).is_some()
            }
            b"SCHILY.realsize" | b"SUN.holesdata" => return Err(SPARSE),
            key if key.starts_with(b"GNU.sparse.") => return Err(SPARSE),
            _ => false,
        };
        if is_repeated {
            return Err(Refusal::Header("says something twice"));
        }
        Ok(())
    }
}

/// Whether these bytes start with a header that is not the end mark.
pub(crate) fn is_tar_header(head: &[u8]) -> bool {
    head.first_chunk::<BLOCK>()
        .is_some_and(|block| Header::read(block).is_ok_and(|header| !header.name.is_empty()))
}

/// Writes a POSIX header with fixed owner and time. `name` and `link` must fit: see [`split_name`].
pub(super) fn write(
    kind: u8,
    (prefix, name): (&str, &str),
    link: &str,
    size: u64,
    mode: u32,
) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: (usize, usize), bytes: &[u8]| {
        if let Some(room) = block.get_mut(at.0..at.0 + bytes.len().min(at.1)) {
            room.copy_from_slice(bytes.get(..at.1.min(bytes.len())).unwrap_or_default());
        }
    };
    put(NAME, name.as_bytes());
    put(MODE, format!("{mode:07o}").as_bytes());
    put(OWNER, b"0000000");
    put(GROUP, b"0000000");
    put(SIZE, format!("{size:011o}").as_bytes());
    put(TIME, b"00000000000");
    put((TYPE, 1), &[kind]);
    put(LINK, link.as_bytes());
    put(MAGIC, POSIX);
    put(DEVICE_MAJOR, b"0000000");
    put(DEVICE_MINOR, b"0000000");
    put(PREFIX, prefix.as_bytes());
    let sum = format!("{:06o}\0 ", checksum(&block));
    if let Some(room) = block.get_mut(CHECKSUM.0..CHECKSUM.0 + CHECKSUM.1) {
        room.copy_from_slice(sum.as_bytes());
    }
    block
}

/// A path as the prefix and name of a POSIX header; `None` when it does not fit and needs a pax record.
pub(super) fn split_name(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME.1 {
        return Some(("", path));
    }
    path.match_indices('/').find_map(|(slash, _)| {
        let (prefix, name) = (path.get(..slash)?, path.get(slash + 1..)?);
        (prefix.len() <= PREFIX.1 && name.len() <= NAME.1 && !name.is_empty())
            .then_some((prefix, name))
    })
}

/// The longest link target that fits into a header.
pub(super) const MAX_LINK: usize = LINK.1;

/// A pax record `<length> <key>=<value>\n`, whose length counts itself.
pub(super) fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

const fn kind(flag: u8) -> Kind {
    match flag {
        b'0' | 0 => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'5' => Kind::Directory,
        b'x' => Kind::Records,
        b'g' => Kind::GlobalRecords,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'3' | b'4' => Kind::Other("a device node"),
        b'6' => Kind::Other("a FIFO"),
        b'S' => Kind::Other("a sparse file"),
        _ => Kind::Other("of a type that programs read differently"),
    }
}

/// The sum of all bytes, the checksum itself counted as blanks.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let stored: u64 = field(block, CHECKSUM).iter().copied().map(u64::from).sum();
    let all: u64 = block.iter().copied().map(u64::from).sum();
    all - stored + 8 * u64::from(b' ')
}

/// Octal digits after blanks and before blanks and NULs (none: 0), or GNU's binary form.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        // 0x80 starts a positive number; 0xff a negative one, which nothing here can be.
        return rest.iter().try_fold(u64::from(first & 0x7f), |sum, byte| {
            sum.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let is_padding = |byte: &u8| matches!(*byte, b' ' | 0);
    if field.iter().all(is_padding) {
        return Some(0);
    }
    // Digits after a NUL count for some programs and not for others.
    let start = field.iter().position(|byte| *byte != b' ')?;
    let digits = field.get(start..)?;
    let end = digits.iter().position(is_padding).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end)?;
    if !rest.iter().all(is_padding) {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, digit| match digit {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| is_plain)?
        .parse()
        .ok()
}

fn field(block: &[u8; BLOCK], (start, length): (usize, usize)) -> &[u8] {
    block.get(start..start + length).unwrap_or_default()
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

// Start and length of the fields.
const NAME: (usize, usize) = (0, 100);
const MODE: (usize, usize) = (100, 8);
const OWNER: (usize, usize) = (108, 8);
const GROUP: (usize, usize) = (116, 8);
const SIZE: (usize, usize) = (124, 12);
const TIME: (usize, usize) = (136, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const TYPE: usize = 156;
const LINK: (usize, usize) = (157, 100);
const MAGIC: (usize, usize) = (257, 8);
const DEVICE_MAJOR: (usize, usize) = (329, 8);
const DEVICE_MINOR: (usize, usize) = (337, 8);
const PREFIX: (usize, usize) = (345, 155);
/// Magic and version of POSIX headers.
const POSIX: &[u8] = b"ustar\x0000";
/// Magic and version of GNU headers.
const GNU: &[u8] = b"ustar  \x00";

/// GNU's records for sparse files, and those of star and Solaris.
const SPARSE: Refusal = Refusal::Kind("a sparse file");

//! Members of an archive, one after the other, each checked before it is handed out.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;

use super::contents::{Contents, Entry};
use super::error::{ArchiveError, Refusal};
use super::header::{BLOCK, Header, Kind, Records};
use super::limits::{Limit, Links, Policy, TopLevel};
use super::links;
use super::path::{InvalidPath, MemberPath};
use super::stream::Stream;

/// Reads the members of a tar or tar.gz archive, which is told by its first byte.
///
/// Every member obeys the policy when it is handed out, except that links can only be followed when all members
/// are known: a caller that acts on members must wait for [`Self::next_member`] to say `None`.
pub struct ArchiveReader<R> {
    stream: Stream<R>,
    policy: Policy,
    contents: Contents,
    /// Directories that only the paths of other members imply so far.
    implied: BTreeSet<MemberPath>,
    /// Whether the root itself was a member.
    has_root: bool,
    /// Headers seen, and directories implied.
    members: usize,
    /// Content of the current member that was not read yet, and the padding after it.
    unread: u64,
    padding: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Complete,
    Failed,
}

impl<R: Read> ArchiveReader<R> {
    /// Starts to read.
    ///
    /// # Errors
    /// [`ArchiveError::Source`] when the first bytes cannot be read.
    pub fn new(source: R, policy: Policy) -> Result<Self, ArchiveError> {
        Ok(Self {
            stream: Stream::new(source, policy.limits)?,
            policy,
            contents: Contents::default(),
            implied: BTreeSet::new(),
            has_root: false,
            members: 0,
            unread: 0,
            padding: 0,
            state: State::Reading,
        })
    }

    /// The next member; what was not read of the one before is skipped. `None` when the whole archive was read and
    /// obeys the policy.
    ///
    /// # Errors
    /// [`ArchiveError`] says what is wrong with the archive; nothing more can be read then.
    pub fn next_member(&mut self) -> Result<Option<Member<'_, R>>, ArchiveError> {
        match self.state {
            State::Complete => return Ok(None),
            State::Failed => {
                let why = "reading it failed before";
                return Err(ArchiveError::Damaged(why.to_owned()));
            }
            // Whatever fails from here on ends the archive: what follows cannot be trusted.
            State::Reading => self.state = State::Failed,
        }
        self.skip_unread()?;
        let (path, entry) = loop {
            let Some((header, names)) = self.read_headers()? else {
                self.read_end()?;
                self.check_whole()?;
                self.state = State::Complete;
                return Ok(None);
            };
            if let Some(member) = self.admit(&header, &names)? {
                break member;
            }
        };
        self.state = State::Reading;
        Ok(Some(Member {
            reader: self,
            path,
            entry,
        }))
    }

    /// The members so far; all of them once [`Self::next_member`] said `None`.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// How many bytes were unpacked so far.
    pub(crate) const fn unpacked_bytes(&self) -> u64 {
        self.stream.unpacked()
    }

    /// Skips what is left and gives the index of the whole archive.
    ///
    /// # Errors
    /// Those of [`Self::next_member`].
    pub fn into_contents(mut self) -> Result<Contents, ArchiveError> {
        while self.next_member()?.is_some() {}
        Ok(self.contents)
    }

    /// The header of a member and what the header members before it say; `None` at the end mark.
    fn read_headers(&mut self) -> Result<Option<(Header, Names)>, ArchiveError> {
        let mut names = Names::default();
        loop {
            let mut block = [0; BLOCK];
            let filled = self.stream.read_full(&mut block)?;
            if filled < BLOCK {
                let why = "it ends before its end mark; it was cut short";
                return Err(ArchiveError::Damaged(why.to_owned()));
            }
            if block == [0; BLOCK] {
                if names != Names::default() {
                    let why = "it ends between a header and its member";
                    return Err(ArchiveError::Damaged(why.to_owned()));
                }
                return Ok(None);
            }
            let header =
                Header::read(&block).map_err(|why| ArchiveError::Damaged(why.to_owned()))?;
            self.count_member(&header.name)?;
            if !header.kind.is_of_the_next() {
                return Ok(Some((header, names)));
            }
            let bytes = self.read_header_member(&header)?;
            names
                .add(header.kind, bytes)
                .map_err(|why| ArchiveError::refused(lossy(&header.name), why))?;
        }
    }

    fn read_header_member(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        let limit = self.policy.limits.max_header_bytes;
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        if size > limit {
            let name = lossy(&header.name);
            return Err(ArchiveError::over(Limit::HeaderBytes(limit), Some(&name)));
        }
        let mut bytes = vec![0; size];
        let filled = self.stream.read_full(&mut bytes)?;
        if filled < size {
            return Err(cut_short());
        }
        self.padding = padding(header.size);
        self.skip_unread()?;
        Ok(bytes)
    }

    /// Checks a member and adds it to the index; `None` for the root, which `tar -C directory .` packs first.
    fn admit(
        &mut self,
        header: &Header,
        names: &Names,
    ) -> Result<Option<(MemberPath, Entry)>, ArchiveError> {
        let name = names.path(&header.name);
        let refuse = |why: Refusal| ArchiveError::refused(lossy(name), why);
        if let Kind::Other(what) = header.kind {
            return Err(refuse(Refusal::Kind(what)));
        }
        if names.size.is_some_and(|size| size != header.size) {
            return Err(refuse(Refusal::Header(
                "gives another size than its header",
            )));
        }
        let text = std::str::from_utf8(name).map_err(|_| refuse(InvalidPath::NotUtf8.into()))?;
        let path = MemberPath::parse_within(text, &self.policy.limits)
            .map_err(|why| refuse(why.into()))?;
        if header.kind == Kind::File {
            self.check_size(header.size, text)?;
            if text.ends_with('/') {
                return Err(refuse(Refusal::FileNamedDirectory));
            }
        } else if header.size != 0 {
            return Err(refuse(Refusal::UnexpectedContent));
        }
        let Some(path) = path else {
            return match header.kind {
                Kind::Directory if !std::mem::replace(&mut self.has_root, true) => Ok(None),
                Kind::Directory => Err(refuse(Refusal::Duplicate)),
                _ => Err(refuse(InvalidPath::Empty.into())),
            };
        };
        let entry = self
            .entry(header, names.link(&header.link))
            .map_err(&refuse)?;
        self.insert(&path, &entry)?;
        self.unread = header.size;
        self.padding = padding(header.size);
        Ok(Some((path, entry)))
    }

    fn entry(&self, header: &Header, target: &[u8]) -> Result<Entry, Refusal> {
        let is_link = matches!(header.kind, Kind::Symlink | Kind::HardLink);
        if is_link && self.policy.links == Links::Refused {
            return Err(Refusal::Link);
        }
        match header.kind {
            Kind::Symlink => {
                let target = link_text(target)?;
                links::check_target(target, self.policy.limits.max_path_bytes)?;
                Ok(Entry::Symlink {
                    target: target.to_owned(),
                })
            }
            Kind::HardLink => {
                let target = link_text(target)?;
                let file = MemberPath::parse_within(target, &self.policy.limits)
                    .map_err(Refusal::LinkTarget)?
                    .ok_or(Refusal::LinkTarget(InvalidPath::Empty))?;
                match self.contents.entries.get(&file) {
                    Some(Entry::File { .. }) => Ok(Entry::HardLink { file }),
                    Some(Entry::HardLink { file }) => Ok(Entry::HardLink { file: file.clone() }),
                    _ => Err(Refusal::HardLink(super::error::shorten(target))),
                }
            }
            Kind::Directory => Ok(Entry::Directory),
            _ => Ok(Entry::File {
                bytes: header.size,
                executable: header.executable,
            }),
        }
    }

    /// Adds a member and the directories its path implies.
    fn insert(&mut self, path: &MemberPath, entry: &Entry) -> Result<(), ArchiveError> {
        if self.contents.entries.contains_key(path) {
            // A directory may come after its content, once.
            if *entry == Entry::Directory && self.implied.remove(path) {
                return Ok(());
            }
            return Err(ArchiveError::refused(path, Refusal::Duplicate));
        }
        let mut parent = path.parent();
        while let Some(directory) = parent {
            match self.contents.entries.get(&directory) {
                Some(Entry::Directory) => break,
                Some(_) => {
                    let through = Refusal::ThroughNonDirectory(directory.to_string());
                    return Err(ArchiveError::refused(path, through));
                }
                None => {
                    self.count_member(path.as_str().as_bytes())?;
                    parent = directory.parent();
                    self.implied.insert(directory.clone());
                    self.contents.entries.insert(directory, Entry::Directory);
                }
            }
        }
        self.contents.entries.insert(path.clone(), entry.clone());
        Ok(())
    }

    fn count_member(&mut self, name: &[u8]) -> Result<(), ArchiveError> {
        self.members += 1;
        let limit = self.policy.limits.max_members;
        if self.members > limit {
            return Err(ArchiveError::over(
                Limit::Members(limit),
                Some(&lossy(name)),
            ));
        }
        Ok(())
    }

    /// Refuses a file that would exceed a limit before its first byte is read.
    fn check_size(&self, size: u64, name: &str) -> Result<(), ArchiveError> {
        let limits = &self.policy.limits;
        if size > limits.max_file_bytes {
            return Err(ArchiveError::over(
                Limit::FileBytes(limits.max_file_bytes),
                Some(name),
            ));
        }
        if size > self.stream.allowance() {
            return Err(ArchiveError::over(
                Limit::UnpackedBytes(limits.max_unpacked_bytes),
                Some(name),
            ));
        }
        Ok(())
    }

    fn next_chunk(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        if self.unread == 0 {
            return Ok(None);
        }
        let wanted = usize::try_from(self.unread).unwrap_or(usize::MAX);
        let chunk = self.stream.next(wanted)?;
        if chunk.is_empty() {
            return Err(cut_short());
        }
        self.unread -= chunk.len() as u64;
        Ok(Some(chunk))
    }

    fn skip_unread(&mut self) -> Result<(), ArchiveError> {
        while self.next_chunk()?.is_some() {}
        while self.padding > 0 {
            let chunk = self.stream.next(self.padding)?;
            if chunk.is_empty() {
                return Err(cut_short());
            }
            if chunk.iter().any(|byte| *byte != 0) {
                let why = "something that is not zero fills up a member";
                return Err(ArchiveError::Damaged(why.to_owned()));
            }
            self.padding -= chunk.len();
        }
        Ok(())
    }

    /// After the first block of zeros only zeros may follow: the second block and the padding of the last record.
    fn read_end(&mut self) -> Result<(), ArchiveError> {
        loop {
            let rest = self.stream.next(usize::MAX)?;
            if rest.is_empty() {
                return Ok(());
            }
            if rest.iter().any(|byte| *byte != 0) {
                let why = "something follows its end mark";
                return Err(ArchiveError::Damaged(why.to_owned()));
            }
        }
    }

    fn check_whole(&self) -> Result<(), ArchiveError> {
        let root = match self.policy.top_level {
            TopLevel::Any => "",
            TopLevel::OneDirectory => self.contents.top_directory().ok_or_else(|| {
                let names = self.contents.top_level();
                let names = names.into_iter().map(super::error::shorten);
                ArchiveError::TopLevel(names.collect())
            })?,
        };
        links::check(&self.contents, root)
    }
}

impl<R> fmt::Debug for ArchiveReader<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("ArchiveReader")
            .field("policy", &self.policy)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

/// One member while it is read.
#[derive(Debug)]
pub struct Member<'r, R> {
    reader: &'r mut ArchiveReader<R>,
    path: MemberPath,
    entry: Entry,
}

impl<R: Read> Member<'_, R> {
    /// Where it is.
    pub const fn path(&self) -> &MemberPath {
        &self.path
    }

    /// What it is.
    pub const fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Some of the content that was not read yet; `None` at its end. Directories and links have none.
    ///
    /// # Errors
    /// [`ArchiveError`] when the archive is damaged, too large or cannot be read.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        self.reader.next_chunk()
    }

    /// All of the content that was not read yet. Its length is that of the entry.
    ///
    /// # Errors
    /// Those of [`Self::next_chunk`].
    pub fn read_to_end(&mut self) -> Result<Vec<u8>, ArchiveError> {
        // The length is a claim: memory is taken as content arrives.
        let mut content = Vec::new();
        while let Some(chunk) = self.next_chunk()? {
            content.extend_from_slice(chunk);
        }
        Ok(content)
    }
}

/// What header members say of the member after them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Names {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    has_records: bool,
}

impl Names {
    fn add(&mut self, kind: Kind, bytes: Vec<u8>) -> Result<(), Refusal> {
        match kind {
            Kind::GlobalRecords if Records::read(&bytes)?.is_harmless() => Ok(()),
            Kind::GlobalRecords => Err(Refusal::Header("names or sizes all members that follow")),
            Kind::Records => {
                if std::mem::replace(&mut self.has_records, true) {
                    return Err(Refusal::Header("is there twice"));
                }
                let records = Records::read(&bytes)?;
                self.size = records.size;
                set_once(&mut self.path, records.path)?;
                set_once(&mut self.link, records.link)
            }
            Kind::LongName => set_once(&mut self.path, Some(without_end(bytes)?)),
            _ => set_once(&mut self.link, Some(without_end(bytes)?)),
        }
    }

    fn path<'a>(&'a self, header: &'a [u8]) -> &'a [u8] {
        self.path.as_deref().unwrap_or(header)
    }

    fn link<'a>(&'a self, header: &'a [u8]) -> &'a [u8] {
        self.link.as_deref().unwrap_or(header)
    }
}

fn set_once(slot: &mut Option<Vec<u8>>, value: Option<Vec<u8>>) -> Result<(), Refusal> {
    if value.is_some() && slot.is_some() {
        return Err(Refusal::Header("names it twice"));
    }
    if value.is_some() {
        *slot = value;
    }
    Ok(())
}

/// GNU ends long names with one NUL.
fn without_end(mut bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.contains(&0) {
        return Err(Refusal::Header("has a name with a NUL"));
    }
    Ok(bytes)
}

fn link_text(target: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(target).map_err(|_| Refusal::LinkTarget(InvalidPath::NotUtf8))
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Zeros that fill the last block.
fn padding(size: u64) -> usize {
    let used = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - used) % BLOCK
}

fn cut_short() -> ArchiveError {
    ArchiveError::Damaged("it ends inside a member; it was cut short".to_owned())
}

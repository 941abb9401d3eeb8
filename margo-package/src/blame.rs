//! Whose fault an error is: the first thing its handler needs to know.

/// Who has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// Whoever made or delivered the content; the same bytes fail every time.
    Content,
    /// The calling program, by an argument it gave.
    Caller,
    /// The disk, the network or the operating system; the same call may succeed later.
    Environment,
}

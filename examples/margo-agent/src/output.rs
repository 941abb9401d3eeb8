//! What commands print.

use std::io::{self, Write as _};

use clap::builder::styling::AnsiColor;

use crate::failure::{Failure, Kind};

/// Prints a result.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let printed = writeln!(out, "{}", harmless(text.trim_end())).and_then(|()| out.flush());
    match printed {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let doing = "the standard output cannot be written";
            Err(Failure::of(Kind::Unavailable, &error).while_doing(doing))
        }
        Ok(()) => Ok(()),
    }
}

/// Tells something besides the result.
pub(crate) fn note(text: &str) {
    // The result counts, also when nobody reads this.
    let _ = writeln!(anstream::stderr(), "note: {}", harmless(text));
}

/// Prints why a command failed.
pub(crate) fn failure(failure: &Failure) {
    let style = AnsiColor::Red.on_default().bold();
    let text = harmless(&failure.to_string());
    // The exit code tells it, also when nobody reads this.
    let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {text}");
}

/// A text without anything that a terminal would obey: fleet managers have a say in it.
fn harmless(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n';
    text.replace(is_harmful, "\u{fffd}")
}

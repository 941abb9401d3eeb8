//! The only place that prints.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use clap::builder::styling::AnsiColor;
use margo_wfm::Failure;
use margo_wfm::operations::Listing;
use serde::Serialize;
use serde_json::{Value, json};

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// As one JSON object each.
    pub(crate) json: bool,
}

impl Output {
    /// Prints a result: for programs, or this text for people.
    pub(crate) fn result<T: Serialize>(self, result: &T, text: &str) -> Result<(), Failure> {
        if self.json {
            self.line(&json!({ "ok": true, "result": result }))
        } else {
            print(&harmless(text))
        }
    }

    /// Prints a listing: what can be used as the result, beside it what cannot.
    pub(crate) fn listing<T: Serialize>(
        self,
        listing: &Listing<T>,
        table: fn(&[T]) -> String,
    ) -> Result<(), Failure> {
        let Listing {
            entries, damaged, ..
        } = listing;
        if self.json {
            return self.line(&json!({ "ok": true, "result": entries, "damaged": damaged }));
        }
        let mut text = table(entries);
        for failure in damaged {
            // Writing to a string cannot fail.
            let _ = write!(text, "\nwarning: {failure}");
        }
        print(&harmless(&text))
    }

    /// Shows a listing in the place of the one before.
    pub(crate) fn again<T: Serialize>(
        self,
        listing: &Listing<T>,
        table: fn(&[T]) -> String,
    ) -> Result<(), Failure> {
        if !self.json && io::stdout().is_terminal() {
            print(CLEAR)?;
        }
        self.listing(listing, table)
    }

    /// Prints why a command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        // The exit code tells it, also when nobody reads the text.
        if self.json {
            let _ = self.line(&json!({ "ok": false, "error": failure }));
        } else {
            let style = AnsiColor::Red.on_default().bold();
            let text = harmless(&failure.to_string());
            let _ = writeln!(anstream::stderr(), "{style}error:{style:#} {text}");
        }
    }

    fn line(self, document: &Value) -> Result<(), Failure> {
        debug_assert!(self.json, "a document is for programs");
        print(&document.to_string())
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let printed = match text {
        CLEAR => out.write_all(CLEAR.as_bytes()),
        text => writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()),
    };
    match printed {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let message = "the standard output cannot be written";
            Err(Failure::caused(
                margo_wfm::Kind::Environment,
                message,
                &error,
            ))
        }
        Ok(()) => Ok(()),
    }
}

/// A text without anything that a terminal would obey: devices and authors have a say in it.
fn harmless(text: &str) -> String {
    let is_harmful = |c: char| c.is_control() && c != '\n';
    text.replace(is_harmful, "\u{fffd}")
}

/// Clears the screen and goes to its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

//! Tells what documents are and what is wrong with them.
//!
//! ```sh
//! cargo run -q -p margo-types --example inspect -- margo.yaml capabilities.json
//! cat margo.yaml | cargo run -q -p margo-types --example inspect -- -
//! ```
//!
//! Prints a line for each file (path, kind, generation, `valid` or `invalid`) and an indented one for each
//! finding. Ends with status 1 if any file is invalid or cannot be read.
//!
//! With `--json` it prints one array instead, with an object for each file:
//!
//! | member | type | meaning |
//! |---|---|---|
//! | `path` | string | the file as it was named |
//! | `kind` | string or null | such as `ApplicationDescription`; null when unknown |
//! | `generation` | string or null | `pre-draft`, `rc.1` or `rc.3`; null when unknown |
//! | `valid` | boolean | whether it was read and has no finding of severity `error` |
//! | `findings` | array | objects with `severity`, `path` (a JSON Pointer), `line` and `column` (or null), `rule` (or null, for what the reader refuses), `message` and `fix` |

use std::io::Read as _;
use std::process::ExitCode;
use std::{fs, io};

use clap::Parser;
use margo_types::{DocumentPath, Location, ReadError, read_any};
use serde_json::{Value, json};

/// Tells what documents are and what is wrong with them.
#[derive(Parser)]
struct Arguments {
    /// The documents; `-` reads the standard input.
    #[arg(required = true)]
    files: Vec<String>,
    /// Prints one JSON array, for programs.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let verdicts: Vec<_> = arguments.files.into_iter().map(Verdict::on).collect();
    if arguments.json {
        println!(
            "{:#}",
            verdicts.iter().map(Verdict::to_json).collect::<Value>()
        );
    } else {
        verdicts.iter().for_each(Verdict::print);
    }
    ExitCode::from(u8::from(!verdicts.iter().all(|verdict| verdict.valid)))
}

/// What there is to say about one file.
#[derive(Default)]
struct Verdict {
    file: String,
    kind: Option<&'static str>,
    generation: Option<&'static str>,
    valid: bool,
    findings: Vec<Row>,
}

/// A finding, for people and for programs.
type Row = (String, Value);

impl Verdict {
    fn on(file: String) -> Self {
        let read = bytes_of(&file).map(|bytes| read_any(&bytes));
        let mut verdict = Self {
            file,
            ..Self::default()
        };
        match read {
            Err(error) => verdict.findings.push(of_file(&error)),
            Ok(Err(error)) => {
                if let ReadError::Unfit {
                    kind, generation, ..
                } = error
                {
                    verdict.kind = Some(kind.as_str());
                    verdict.generation = Some(generation.as_str());
                }
                verdict.findings = of_error(&error);
            }
            Ok(Ok(document)) => {
                let report = document.validate();
                verdict.kind = Some(document.kind().as_str());
                verdict.generation = Some(document.generation().as_str());
                verdict.valid = report.is_valid();
                verdict.findings = report
                    .findings()
                    .iter()
                    .map(|finding| {
                        let mut object = object(&finding.path, finding.location, &finding.message);
                        object["severity"] = finding.severity.to_string().into();
                        object["rule"] = finding.rule.name.into();
                        object["fix"] = finding.fix.as_str().into();
                        (finding.to_string(), object)
                    })
                    .collect();
            }
        }
        verdict
    }

    fn print(&self) {
        let (kind, generation) = (self.kind.unwrap_or("-"), self.generation.unwrap_or("-"));
        let verdict = if self.valid { "valid" } else { "invalid" };
        println!("{} {kind} {generation} {verdict}", self.file);
        self.findings
            .iter()
            .for_each(|(line, _)| println!("  {line}"));
    }

    fn to_json(&self) -> Value {
        let findings: Vec<_> = self.findings.iter().map(|(_, object)| object).collect();
        json!({
            "path": self.file, "kind": self.kind, "generation": self.generation,
            "valid": self.valid, "findings": findings,
        })
    }
}

fn bytes_of(file: &str) -> io::Result<Vec<u8>> {
    if file != "-" {
        return fs::read(file);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Each fault of a document that could not be read; at least one.
fn of_error(error: &ReadError) -> Vec<Row> {
    match error {
        ReadError::Unfit { faults, .. } => faults
            .iter()
            .map(|fault| {
                let object = object(&fault.path, fault.location, &fault.message);
                (format!("error: {fault}"), object)
            })
            .collect(),
        ReadError::Malformed {
            path,
            location,
            message,
            ..
        } => {
            vec![(format!("error: {error}"), object(path, *location, message))]
        }
        other => vec![of_file(other)],
    }
}

/// Something wrong with a file as a whole.
fn of_file(error: &dyn std::error::Error) -> Row {
    (
        format!("error: {error}"),
        object(&DocumentPath::root(), None, &error.to_string()),
    )
}

fn object(path: &DocumentPath, location: Option<Location>, message: &str) -> Value {
    json!({
        "severity": "error", "path": path.to_json_pointer(),
        "line": location.map(|location| location.line),
        "column": location.map(|location| location.column),
        "rule": null, "message": message, "fix": "",
    })
}

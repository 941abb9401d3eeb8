//! Writes the JSON Schema of every document of every generation.
//!
//! ```sh
//! cargo run -q -p margo-types --example schemas -- DIR
//! ```
//!
//! The files are `DIR/<generation>/<kind>.json`, such as `DIR/rc.3/ApplicationDescription.json`.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Parser;

/// Writes the JSON Schema (draft 2020-12) of every document of every generation.
#[derive(Parser)]
struct Arguments {
    /// The folder to write to; created where it is missing.
    directory: PathBuf,
}

fn main() -> io::Result<()> {
    let Arguments { directory } = Arguments::parse();
    for (generation, kind, schema) in margo_types::schema::schemas() {
        let folder = directory.join(generation.as_str());
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{kind}.json"));
        write_whole(&file, &format!("{schema:#}\n"))?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Writes a file so that a reader sees the old content or all of the new, never a part.
fn write_whole(file: &Path, text: &str) -> io::Result<()> {
    let draft = file.with_extension(format!("{}.part", std::process::id()));
    fs::write(&draft, text)?;
    fs::rename(&draft, file).inspect_err(|_| drop(fs::remove_file(&draft)))
}

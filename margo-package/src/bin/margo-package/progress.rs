//! Progress bars on the standard error, when that is a terminal.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use margo_package::oci::{ArtifactStore, Observed, Progress};
use margo_types::Digest;
use margo_types::oci::Descriptor;

/// Shows one bar for each blob that is worth one.
pub(crate) fn shown(store: &dyn ArtifactStore) -> Observed<'_> {
    // Draws nothing where nobody looks.
    Observed::new(store, Arc::new(Bars::default()))
}

#[derive(Default)]
struct Bars {
    all: MultiProgress,
    running: Mutex<HashMap<Digest, ProgressBar>>,
}

impl Progress for Bars {
    fn transferred(&self, blob: &Descriptor, done: u64) {
        if blob.size < WORTH_A_BAR {
            return;
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if done >= blob.size {
            if let Some(bar) = running.remove(&blob.digest) {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = running.entry(blob.digest).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(blob.size));
            bar.set_style(style());
            let digest = blob.digest.to_hex();
            bar.set_message(digest.get(..12).unwrap_or_default().to_owned());
            bar
        });
        bar.set_position(done);
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{msg} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
    .progress_chars("=> ")
}

/// Smaller blobs are there before anybody sees a bar, in bytes.
const WORTH_A_BAR: u64 = 256 << 10;

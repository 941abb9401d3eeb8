//! Archives as peers send them: honest, broken and hostile.

mod archive_build;
mod archive_extract;
mod archive_refused;
mod bundle;
mod chart;
mod compose;
mod interop;
mod properties;
mod replay;
mod support;

//! What a fleet manager may choose.

use std::time::Duration;

/// The switches of a [`FleetService`](super::FleetService). The defaults suit a fleet manager that follows the
/// specification and refuses no more than it has to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceOptions {
    /// The longest body of a request, in bytes: 1 MiB. A longer one is answered by 413 and not read on.
    pub max_body_bytes: usize,
    /// How long a request may take, from its head to the response, with the time its body takes to arrive: 30 s.
    ///
    /// It is answered by 503 then, not by 408: of the two, only 503 tells a client to try again (rc3.md section 6, W9).
    pub request_timeout: Duration,
    /// After how many seconds clients are told to try again when nobody knows better: 10.
    pub retry_after_seconds: u32,
    /// Also refuses, with 422, documents that break a rule which no schema can express, such as a device that hosts
    /// workloads without an OpenTelemetry collector. Otherwise such findings are handed on with the document.
    pub refuse_findings: bool,
    /// Takes unknown runtimes and deployment types for `custom`, as the prose of the specification has it, instead of
    /// refusing them with 422, as its schema has it (rc3.md ambiguity 6, W56).
    ///
    /// What is handed on is then the rewritten document; the findings tell the original names.
    pub map_unknown_to_custom: bool,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            request_timeout: Duration::from_secs(30),
            retry_after_seconds: 10,
            refuse_findings: false,
            map_unknown_to_custom: false,
        }
    }
}

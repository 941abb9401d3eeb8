//! Reading what a registry answers, within limits of size and time.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::Client;
use super::transport::connection;
use crate::line::in_a_line;
use crate::oci::error::{Misbehaviour, OciError, Place, Refusal};
use crate::oci::retry::{is_transient, retry_after};

impl Client {
    /// A whole document of at most `limit` bytes.
    pub(super) async fn document(
        &self,
        mut response: Response,
        what: &'static str,
        limit: u64,
        place: &Place,
    ) -> Result<Vec<u8>, OciError> {
        let too_large = || OciError::misbehaved(place, Misbehaviour::TooLarge { what, limit });
        if response
            .content_length()
            .is_some_and(|length| length > limit)
        {
            return Err(too_large());
        }
        let deadline = Instant::now() + self.shared.timeouts.document;
        let mut document = Vec::new();
        while let Some(chunk) = self.chunk(&mut response, deadline, place).await? {
            if document.len() as u64 + chunk.len() as u64 > limit {
                return Err(too_large());
            }
            document.extend_from_slice(&chunk);
        }
        Ok(document)
    }

    /// The next piece of a body, which must come before the deadline and without an idle pause.
    async fn chunk(
        &self,
        response: &mut Response,
        deadline: Instant,
        place: &Place,
    ) -> Result<Option<Bytes>, OciError> {
        let now = Instant::now();
        let until = deadline.min(now + self.shared.timeouts.idle);
        let chunk = timeout_at(until, response.chunk()).await;
        chunk
            .map_err(|_| stalled(until - now, place))?
            .map_err(|error| connection(error, place))
    }

    /// What an answer other than the expected one means.
    pub(super) async fn unexpected(&self, response: Response, place: &Place) -> OciError {
        let status = response.status();
        if is_transient(status) {
            return self.busy(response, 1, place).await;
        }
        let detail = self.detail(response, place).await;
        let refusal = match status {
            StatusCode::NOT_FOUND => Refusal::NotFound { detail },
            StatusCode::UNAUTHORIZED => Refusal::Unauthenticated {
                by: place.store().to_owned(),
                detail,
            },
            StatusCode::FORBIDDEN => Refusal::Forbidden { detail },
            _ if status.is_client_error() => Refusal::Rejected {
                status: status.as_u16(),
                detail,
            },
            _ => {
                let fault = Misbehaviour::Status {
                    status: status.as_u16(),
                    detail,
                };
                return OciError::misbehaved(place, fault);
            }
        };
        OciError::refused(place, refusal)
    }

    pub(super) async fn busy(&self, response: Response, attempts: u32, place: &Place) -> OciError {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let detail = self.detail(response, place).await;
        OciError::refused(
            place,
            Refusal::Busy {
                status,
                attempts,
                retry_after,
                detail,
            },
        )
    }

    /// What the registry says in an error's body, for people: its codes and messages, or the first line.
    async fn detail(&self, mut response: Response, place: &Place) -> String {
        let deadline = Instant::now() + DETAIL_TIME.min(self.shared.timeouts.document);
        let mut body = Vec::new();
        while body.len() < MAX_DETAIL {
            match self.chunk(&mut response, deadline, place).await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) | Err(_) => break,
            }
        }
        body.truncate(MAX_DETAIL);
        let text = match serde_json::from_slice::<Errors>(&body) {
            Ok(Errors { errors }) => {
                let mut text = String::new();
                for Reason { code, message } in errors.iter().take(3) {
                    let separator = if text.is_empty() { "" } else { "; " };
                    // Writing to a string cannot fail.
                    let _ = write!(text, "{separator}{code}: {message}");
                }
                text
            }
            Err(_) => String::from_utf8_lossy(&body)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        in_a_line(&text, 200)
    }
}

/// Takes the pieces of a long body and notices a peer that stops or only drips.
pub(super) struct Pieces {
    idle: Duration,
    /// Since when too little came.
    period: Instant,
    in_period: usize,
}

impl Pieces {
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            idle,
            period: Instant::now(),
            in_period: 0,
        }
    }

    pub(super) async fn next(
        &mut self,
        response: &mut Response,
        place: &Place,
    ) -> Result<Option<Bytes>, OciError> {
        let chunk = tokio::time::timeout(self.idle, response.chunk())
            .await
            .map_err(|_| stalled(self.idle, place))?
            .map_err(|error| connection(error, place))?;
        self.in_period += chunk.as_ref().map_or(SLOWEST, Bytes::len);
        if self.in_period >= SLOWEST {
            (self.period, self.in_period) = (Instant::now(), 0);
        } else if self.period.elapsed() > self.idle {
            return Err(stalled(self.idle, place));
        }
        Ok(chunk)
    }
}

pub(super) fn stalled(after: Duration, place: &Place) -> OciError {
    OciError::misbehaved(place, Misbehaviour::Stalled { after })
}

/// The error document of OCI distribution.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Reason {
    code: String,
    message: String,
}

/// Bytes that must come within the idle time.
const SLOWEST: usize = 1 << 10;
const MAX_DETAIL: usize = 16 << 10;
const DETAIL_TIME: Duration = Duration::from_secs(5);

//! Taking a body without being drowned or starved by it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::{Bounds, failure};
use crate::Error;

/// The whole body; an error when it is longer than the bounds, or stalls.
pub(super) async fn whole(
    mut response: Response,
    peer: &str,
    bounds: Bounds,
) -> Result<Bytes, Error> {
    let announced = response.content_length().unwrap_or_default();
    if announced > bounds.bytes as u64 {
        return Err(failure::too_long(peer, bounds.bytes));
    }
    let mut body = BytesMut::new();
    loop {
        let chunk = tokio::time::timeout(bounds.idle, response.chunk()).await;
        let chunk = chunk
            .map_err(|_| failure::silence(peer, bounds.idle))?
            .map_err(|error| failure::connection(error, peer))?;
        let Some(chunk) = chunk else {
            return Ok(body.freeze());
        };
        if body.len() + chunk.len() > bounds.bytes {
            return Err(failure::too_long(peer, bounds.bytes));
        }
        body.extend_from_slice(&chunk);
    }
}

/// What comes of a body within a short time, up to [`LONGEST_ERROR`], and whether that is all of it.
pub(super) async fn beginning(mut response: Response, idle: Duration) -> (Bytes, bool) {
    let mut body = BytesMut::new();
    let reading = async {
        while let Ok(chunk) = response.chunk().await {
            let Some(chunk) = chunk else {
                return true;
            };
            let room = LONGEST_ERROR - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= LONGEST_ERROR {
                break;
            }
        }
        false
    };
    // When the time is over, what has come by then counts.
    let read = tokio::time::timeout(idle.min(ERROR_TIME), reading).await;
    (body.freeze(), read.unwrap_or(false))
}

/// No error body worth reading is longer: 64 KiB.
pub(super) const LONGEST_ERROR: usize = 64 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(5);

//! The side of the command line.

use std::error::Error;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::path_of;
use crate::failure::{Failure, Kind};
use crate::operations::Operation;

/// Asks a running fleet manager to do things.
#[derive(Clone, Debug)]
pub struct AdminClient {
    socket: PathBuf,
    start: String,
}

impl AdminClient {
    /// A client of the fleet manager at this socket. `start` is the command that starts it, for messages.
    pub fn new(socket: impl Into<PathBuf>, start: impl Into<String>) -> Self {
        Self {
            socket: socket.into(),
            start: start.into(),
        }
    }

    /// Does something.
    ///
    /// # Errors
    /// The failure of the operation, or [`Kind::NotRunning`].
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, Failure> {
        let body = serde_json::to_vec(&operation)
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(path_of(O::NAME))
            .header(header::HOST, "margo-wfm")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::of(Kind::Environment, &error))?;
        let (status, body) = self.send(request).await?;
        if status == StatusCode::OK {
            serde_json::from_slice(&body).map_err(|error| self.strange(&error))
        } else {
            Err(serde_json::from_slice(&body).unwrap_or_else(|error| self.strange(&error)))
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| {
            let message = format!(
                "the fleet manager does not run: nobody answers at {}; start it with `{}`",
                self.socket.display(),
                self.start
            );
            Failure::caused(Kind::NotRunning, message, &error)
        })?;
        let broken = |error: hyper::Error| {
            let message = format!(
                "the fleet manager at {} broke off; see its log, then look with `margo-wfm status` what was done",
                self.socket.display()
            );
            Failure::caused(Kind::NotRunning, message, &error)
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        connection.abort();
        match body {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(error) => Err(broken(*error)),
                Err(error) => Err(self.strange(&*error)),
            },
        }
    }

    fn strange(&self, error: &dyn Error) -> Failure {
        let message = format!(
            "what answers at {} is no fleet manager of this version; use the same version of both",
            self.socket.display()
        );
        Failure::caused(Kind::Environment, message, error)
    }

    /// Where the fleet manager listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// Far more than a list of ten thousand deployments with their reports.
const MAX_ANSWER: usize = 256 << 20;

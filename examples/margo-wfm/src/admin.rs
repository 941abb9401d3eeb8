//! The admin API: operations over a Unix socket.
//!
//! `POST /v1/NAME` with the operation as JSON; answered by its result, or by a [`Failure`](crate::Failure) and a status code that is not 200.
//! The socket is of mode 0600, and only processes of the same user or of root are talked to.

mod client;
mod server;

use http::StatusCode;

pub use self::client::AdminClient;
pub(crate) use self::server::AdminServer;

use crate::failure::Kind;

fn path_of(operation: &str) -> String {
    format!("/v1/{operation}")
}

const fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Usage => StatusCode::BAD_REQUEST,
        Kind::Registry => StatusCode::BAD_GATEWAY,
        Kind::Refused => StatusCode::CONFLICT,
        Kind::NotRunning => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Environment => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

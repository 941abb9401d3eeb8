//! Answers of a test's own making.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use margo_types::SpecVersion;
use margo_types::media_type;
use margo_types::problem::Problem;

use crate::server::{AnswerBody, whole};

/// What a request is answered with instead of the truth.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Whole(Bytes),
    Endless,
    Drip(Duration),
    Cut,
    Silence,
}

impl Answer {
    /// This status without a body.
    pub const fn status(status: u16) -> Self {
        Self::with(status, Content::Whole(Bytes::new()))
    }

    /// The problem document `about:blank` of this status.
    pub fn problem(status: u16) -> Self {
        Self::of_problem(&Problem::about_blank(status))
    }

    /// This problem document, with its status.
    pub fn of_problem(problem: &Problem) -> Self {
        let body = margo_types::write(problem, SpecVersion::NEWEST)
            .expect("the newest generation has problem documents");
        Self::body(problem.status, media_type::PROBLEM, body)
    }

    /// The operator has not decided yet whether the client is enrolled; the specification has no word for it
    /// (rc1-and-pre-draft.md contradiction 53).
    pub fn pending() -> Self {
        Self::body(202, media_type::JSON, r#"{"status":"pending"}"#).retry_after(1)
    }

    /// The client is not enrolled, and will not be (rc1-and-pre-draft.md section 6.2).
    pub fn rejected() -> Self {
        Self::body(403, media_type::JSON, r#"{"error":"Client rejected"}"#)
    }

    /// The error page of some proxy in between.
    pub fn html(status: u16) -> Self {
        let page = "<!doctype html><title>Oops</title><p>The gateway is tired.";
        Self::body(status, "text/html; charset=utf-8", page)
    }

    /// Anything.
    pub fn body(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::with(status, Content::Whole(body.into())).header(CONTENT_TYPE.as_str(), content_type)
    }

    /// Status 200 with a body that never ends, as fast as the client takes it.
    pub const fn endless() -> Self {
        Self::with(200, Content::Endless)
    }

    /// Status 200 with a body that never ends, one byte after every pause.
    pub const fn drip(pause: Duration) -> Self {
        Self::with(200, Content::Drip(pause))
    }

    /// Status 200 and the beginning of a body; then the connection breaks.
    pub const fn cut() -> Self {
        Self::with(200, Content::Cut)
    }

    /// No answer at all, on a connection that stays open.
    pub const fn silence() -> Self {
        Self::with(200, Content::Silence)
    }

    /// The same answer with the header `Retry-After`, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(RETRY_AFTER.as_str(), &seconds.to_string())
    }

    /// The same answer with another header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    const fn with(status: u16, content: Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content,
        }
    }

    /// The answer as it goes out; `media_type` is that of the truth.
    pub(super) async fn send(self, media_type: Option<&str>) -> Response<AnswerBody> {
        let body = match self.content {
            Content::Whole(bytes) => whole(bytes),
            Content::Endless => {
                stream_of(stream::repeat(Bytes::from_static(&[b' '; 4096])).map(Ok))
            }
            Content::Drip(pause) => stream_of(stream::unfold((), move |()| async move {
                tokio::time::sleep(pause).await;
                Some((Ok(Bytes::from_static(b" ")), ()))
            })),
            Content::Cut => stream_of(
                stream::iter([Ok(Bytes::from_static(b"{\"manifestVersion\":"))]).chain(
                    stream::once(async {
                        // Until then the beginning has left.
                        tokio::task::yield_now().await;
                        Err(io::ErrorKind::ConnectionReset.into())
                    }),
                ),
            ),
            Content::Silence => std::future::pending().await,
        };
        let mut response = Response::builder().status(self.status);
        let has_type = self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
        if let (false, 200, Some(media_type)) = (has_type, self.status, media_type) {
            response = response.header(CONTENT_TYPE, media_type);
        }
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response
            .body(body)
            .expect("the test gave a status and headers of HTTP")
    }
}

fn stream_of(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> AnswerBody {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

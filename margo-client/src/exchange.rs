//! One HTTP exchange: bounded in bytes and time, decoded, and every failure put into words.

mod body;
mod call;
mod coding;
mod failure;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use margo_types::problem::{BackoffStrategy, Problem, RetryAdvice};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER,
};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, StatusCode, redirect};
use rustls::ClientConfig;

use crate::error::{Error, ErrorKind};

pub(crate) use self::call::Call;

/// HTTP/1.1 over this TLS and nothing else: no proxies, no redirects, nothing repeated.
pub(crate) fn client_builder(tls: ClientConfig, connect: Duration) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connect)
        .pool_idle_timeout(LONGEST_REST)
}

/// How much an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// For the head of the answer, and for the next piece of its body.
    pub(crate) idle: Duration,
    /// For the whole exchange, however slowly it drips.
    pub(crate) total: Duration,
    /// The longest body of a success, as sent and decoded.
    pub(crate) bytes: usize,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// With content coding undone.
    pub(crate) body: Bytes,
    /// As it was sent.
    pub(crate) sent: Bytes,
    /// Whether the body came to its end; one of a success always did.
    is_whole: bool,
}

impl Answer {
    /// A header as text; `None` when it is absent or no text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Sends a request to `peer`, which is a name for messages, and takes the whole answer.
    ///
    /// Gzip is offered unless the request says what it takes.
    pub(crate) async fn to(
        mut request: RequestBuilder,
        peer: &str,
        bounds: Bounds,
        offer_gzip: bool,
    ) -> Result<Self, Error> {
        let offer = if offer_gzip { "gzip" } else { "identity" };
        request = request.header(ACCEPT_ENCODING, offer);
        let exchange = async {
            let sent = tokio::time::timeout(bounds.idle, request.send()).await;
            let response = sent
                .map_err(|_| failure::silence(peer, bounds.idle))?
                .map_err(|error| failure::connection(error, peer))?;
            Self::take(response, peer, bounds).await
        };
        tokio::time::timeout(bounds.total, exchange)
            .await
            .unwrap_or_else(|_| Err(failure::too_slow(peer, bounds.total)))
    }

    async fn take(response: Response, peer: &str, bounds: Bounds) -> Result<Self, Error> {
        let status = response.status();
        let headers = response.headers().clone();
        let codings = headers.get_all(CONTENT_ENCODING);
        let codings: Vec<&str> = codings
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        let (sent, body, is_whole) = if status.is_success() {
            let sent = body::whole(response, peer, bounds).await?;
            let body = coding::decode(&codings, &sent, bounds.bytes)
                .map_err(|error| error.blaming(peer))?;
            (sent, body, true)
        } else {
            // Whatever can be had of an error's body is better than another error in its place.
            let (sent, is_whole) = body::beginning(response, bounds.idle).await;
            let body = coding::decode_beginning(&codings, &sent, body::LONGEST_ERROR);
            (sent, body, is_whole)
        };
        Ok(Self {
            status,
            headers,
            body,
            sent,
            is_whole,
        })
    }

    /// The error that an answer without success is, in words that say what was asked for.
    pub(crate) fn refusal(&self, peer: &str, asked: &str) -> Error {
        let hint = match self.status {
            StatusCode::UNAUTHORIZED => {
                "it does not take the SVID of this device; ask its operator"
            }
            _ => "",
        };
        self.refusal_hinting(peer, asked, hint)
    }

    /// The same with what to do about it, where the answer is the fleet manager's own word.
    pub(crate) fn refusal_hinting(&self, peer: &str, asked: &str, hint: &str) -> Error {
        let status = self.status.as_u16();
        let problem = Problem::from_error_body(status, self.header(CONTENT_TYPE), &self.body);
        let retry_after = self.header(RETRY_AFTER);
        let mut advice = RetryAdvice::new(Some(&problem), status, retry_after, Timestamp::now());
        let (kind, hint) = match status {
            // A portal or proxy, or a gateway whose fleet manager is being replaced. It must not have reports given up.
            400..500 if self.is_no_answer() => {
                advice.retryable = true;
                advice.backoff = BackoffStrategy::Exponential;
                (
                    ErrorKind::Unreachable,
                    "a web page or plain text is not the fleet manager's word; check the URL, and what stands between here and there",
                )
            }
            401 => (ErrorKind::Untrusted, hint),
            300..400 => (
                ErrorKind::Misbehaved,
                "redirects are not followed; configure the URL that it leads to",
            ),
            // Statuses of a proxy whose fleet manager is away: not an answer of the fleet manager.
            408 | 502 | 504 => {
                advice.retryable = problem.retryable.unwrap_or(true);
                (
                    ErrorKind::Unreachable,
                    "something between here and there does not reach it",
                )
            }
            400..600 => (ErrorKind::Refused, hint),
            _ => (ErrorKind::Misbehaved, "that is no answer to this request"),
        };
        let mut message = format!("{peer} answers {} to {asked}", phrase(&problem));
        for detail in [problem.detail.as_deref().unwrap_or_default(), hint] {
            if !detail.is_empty() {
                message.push_str(": ");
                message.push_str(detail);
            }
        }
        for field in problem.errors.iter().take(MAX_FIELDS) {
            message = format!("{message}; {}: {}", field.field, field.message);
        }
        Error::new(kind, one_line(&message)).with_response(Some(problem), advice)
    }

    /// Whether a refusal is not the fleet manager's own. In words alone it may say that it does not take a client.
    pub(crate) fn is_no_answer(&self) -> bool {
        let text = self.body.trim_ascii();
        // Nothing at all is a word, too, but not when something was to come.
        let is_nothing = text.is_empty() && self.is_whole;
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        self.is_web_page()
            || !matches!(self.status.as_u16(), 401 | 403 | 429) && !is_nothing && !is_json()
    }

    /// Refuses what is evidently no document: the page of a portal or proxy, or a problem under a status of success.
    pub(crate) fn document(&self, peer: &str, asked: &str) -> Result<&Bytes, Error> {
        if self.is_web_page() {
            let message = format!(
                "{peer} sends a web page instead of {asked}; check the URL, and what stands between here and there"
            );
            return Err(Error::new(ErrorKind::Misbehaved, message));
        }
        if self.has_type(margo_types::media_type::PROBLEM) {
            let mut error = self.refusal(peer, asked);
            error.set_kind(ErrorKind::Misbehaved);
            return Err(error);
        }
        Ok(&self.body)
    }

    fn is_web_page(&self) -> bool {
        self.has_type("text/html") || self.has_type("application/xhtml+xml")
    }

    fn has_type(&self, media_type: &str) -> bool {
        let found = self.header(CONTENT_TYPE).unwrap_or_default();
        let found = found.split(';').next().unwrap_or_default().trim();
        found.eq_ignore_ascii_case(media_type)
    }
}

/// The error of an answer that the specification forbids.
pub(crate) fn misbehaved(peer: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Misbehaved, format!("{peer} {what}"))
}

fn phrase(problem: &Problem) -> String {
    let phrase = format!("{} {}", problem.status, problem.title);
    phrase.chars().take(MAX_TITLE).collect()
}

/// The text without what would end its line in a log, or steer a terminal: a peer wrote parts of it.
fn one_line(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(printable).collect()
}

/// Servers close idle connections after a minute or so.
const LONGEST_REST: Duration = Duration::from_secs(50);
const MAX_TITLE: usize = 200;
const MAX_FIELDS: usize = 8;

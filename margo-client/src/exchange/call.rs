//! One request, before it is sent.

use bytes::Bytes;
use margo_types::endpoint::Endpoint;
use margo_types::etag::EntityTag;
use margo_types::media_type;
use reqwest::header::{ACCEPT, CONTENT_TYPE, IF_NONE_MATCH};
use reqwest::{Client, Method, RequestBuilder};
use url::Url;

use super::{Answer, Bounds};
use crate::error::{Error, ErrorKind};

/// One request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) url: Url,
    /// What is asked for, for messages.
    pub(crate) asked: &'a str,
    pub(crate) held: Option<&'a EntityTag>,
    pub(crate) body: Option<Bytes>,
    pub(crate) bounds: Bounds,
    pub(crate) offer_gzip: bool,
}

impl Call<'_> {
    /// The request, to be sent over this client.
    ///
    /// `Accept` is exactly the media type of the endpoint: a fleet manager is known that takes nothing else.
    pub(crate) fn request(&self, http: &Client) -> Result<RequestBuilder, Error> {
        let method = Method::from_bytes(self.endpoint.method.as_str().as_bytes());
        let method = method.map_err(|error| {
            let message = format!("there is no request for {}", self.asked);
            Error::new(ErrorKind::Setup, message).because(error)
        })?;
        let accept = self.endpoint.response_type.unwrap_or(ACCEPT_OF_REPORTS);
        let mut request = http
            .request(method, self.url.clone())
            .header(ACCEPT, accept);
        if let Some(held) = self.held {
            request = request.header(IF_NONE_MATCH, held.to_string());
        }
        if let Some(body) = &self.body {
            request = request
                .header(CONTENT_TYPE, media_type::JSON)
                .body(body.clone());
        }
        Ok(request)
    }

    /// Sends the request to `peer`, and takes the whole answer.
    pub(crate) async fn send(&self, request: RequestBuilder, peer: &str) -> Result<Answer, Error> {
        let answer = Answer::to(request, peer, self.bounds, self.offer_gzip).await;
        let (method, path) = (self.endpoint.method.as_str(), self.url.path());
        match &answer {
            Ok(answer) => tracing::debug!(
                method,
                path,
                status = answer.status.as_u16(),
                bytes = answer.sent.len(),
                "exchange"
            ),
            Err(error) => tracing::debug!(method, path, %error, "exchange failed"),
        }
        answer
    }
}

/// Reports have no body in answer but that of an error.
const ACCEPT_OF_REPORTS: &str = "application/json, application/problem+json";

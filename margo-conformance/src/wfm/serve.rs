//! What every request goes through before its endpoint, in whichever generation.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::response::Builder;
use margo_types::endpoint::{NoMatch, match_path};
use margo_types::problem::Problem;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::Answer;
use super::speech::Speech;
use super::state::Shared;
use super::{rc3, signed};
use crate::request::RecordedRequest;
use crate::server::{AnswerBody, serve_http, whole};

/// Serves one connection.
pub(super) async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let acceptor = TlsAcceptor::from(shared.tls());
    let Ok(stream) = acceptor.accept(stream).await else {
        return; // the client learns why from the alert
    };
    let leaf = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.to_vec());
    serve_http(stream, |mut request| {
        request.client_certificate.clone_from(&leaf);
        answer(&shared, request)
    })
    .await;
}

async fn answer(shared: &Shared, request: RecordedRequest) -> Response<AnswerBody> {
    let generation = shared.speech.generation();
    let path = shared.speech.path(&request.path);
    let matched = match_path(&[generation], request.method.as_str(), path);
    let operation = matched
        .as_ref()
        .ok()
        .map(|matched| matched.endpoint.operation);
    let fault = shared.change(|state| {
        state.requests.push((operation, request.clone()));
        state.take_fault(operation?)
    });
    let matched = match matched {
        Ok(matched) => matched,
        Err(no_match) => return problem(&unmatched(&no_match)).await,
    };
    if let Some(fault) = fault {
        return fault.send(matched.endpoint.response_type).await;
    }
    let answered = shared.change(|state| match &shared.speech {
        Speech::Newest(_) => rc3::answer(state, matched, &request),
        Speech::Signed(rules) => Ok(signed::answer(state, rules, &matched, &request)),
    });
    match answered {
        Ok(response) => response,
        Err(refusal) => problem(&refusal).await,
    }
}

fn unmatched(no_match: &NoMatch) -> Problem {
    let status = match no_match {
        NoMatch::MethodNotAllowed { .. } => 405,
        _ => 404,
    };
    Problem::about_blank(status).with_detail(no_match.to_string())
}

async fn problem(problem: &Problem) -> Response<AnswerBody> {
    Answer::of_problem(problem).send(None).await
}

/// This status without a body.
pub(super) fn empty(code: u16) -> Response<AnswerBody> {
    finish(Response::builder().status(code), "")
}

/// A response with this body.
pub(super) fn finish(response: Builder, body: impl Into<Bytes>) -> Response<AnswerBody> {
    response
        .body(whole(body))
        .expect("the fake writes statuses and headers of HTTP")
}

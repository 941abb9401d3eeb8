//! What all fakes share: a port that can be closed and opened again, and HTTP on its connections.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::request::RecordedRequest;

/// A loopback port, and the connections on it. Both end when it is dropped.
#[derive(Debug)]
pub(crate) struct Port {
    address: SocketAddr,
    /// `None` while it is closed.
    connections: Arc<Mutex<Option<JoinSet<()>>>>,
    accepting: JoinHandle<()>,
}

impl Port {
    /// Listens on a free port and gives every connection to `handle`.
    pub(crate) async fn listen<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let connections = Arc::new(Mutex::new(Some(JoinSet::new())));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&connections), handle));
        Self {
            address,
            connections,
            accepting,
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Cuts every connection, and every new one until [`open`](Self::open).
    ///
    /// The port itself stays bound: nobody else can take it in between.
    pub(crate) async fn close(&self) {
        let connections = lock(&self.connections).take();
        if let Some(mut connections) = connections {
            connections.shutdown().await;
        }
    }

    /// Takes connections again.
    pub(crate) fn open(&self) {
        lock(&self.connections).get_or_insert_default();
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.accepting.abort();
        lock(&self.connections).take();
    }
}

/// The body of an answer. An error in it cuts the connection.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, io::Error>;

/// Serves HTTP/1.1 on a connection until the peer is done.
pub(crate) async fn serve_http<F>(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answer: impl Fn(RecordedRequest) -> F,
) where
    F: Future<Output = Response<AnswerBody>>,
{
    let service = service_fn(|request| {
        let answer = &answer;
        async move {
            let request = record(request).await?;
            Ok::<_, hyper::Error>(answer(request).await)
        }
    });
    // A peer may hang up whenever it likes.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(connection), service)
        .await;
}

/// The whole body at once.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> AnswerBody {
    http_body_util::Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Fakes do not panic while they hold a lock, so a poisoned one is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn accept<F>(
    listener: TcpListener,
    connections: Arc<Mutex<Option<JoinSet<()>>>>,
    handle: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    while let Ok((stream, _)) = listener.accept().await {
        match lock(&connections).as_mut() {
            Some(connections) => {
                while connections.try_join_next().is_some() {}
                connections.spawn(handle(stream));
            }
            // The peer sees a reset rather than an orderly end.
            None => drop(stream.set_zero_linger()),
        }
    }
}

async fn record(request: Request<Incoming>) -> Result<RecordedRequest, hyper::Error> {
    let (parts, body) = request.into_parts();
    Ok(RecordedRequest {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(ToOwned::to_owned),
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
        client_certificate: None,
    })
}

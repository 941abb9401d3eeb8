//! `Client-Cert` of a proxy.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Poll};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Request};
use margo_server_traits::proxy::ClientCertHeader;
use margo_types::id::TrustDomain;
use margo_types::svid::PeerSvid;
use margo_types::trust::TrustBundle;
use tower_service::Service;

use crate::exchange::client;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// What gets through to the inner service.
struct Through {
    headers: HeaderMap,
    peer: Option<PeerSvid>,
}

//! TLS configurations of an [`Identity`](super::Identity).

//! X.509-SVIDs: who a peer is, proved by its certificate (rc3.md sections 7.2, 7.3, 7.6; feature `svid`).
//!
//! An [`Identity`] is what one side shows and trusts: its own [`Svid`] and the anchors of its trust domain. Both can
//! be replaced while connections are open. From it come the TLS configurations of a client and of a server; what a
//! finished handshake proves about the other side is a [`PeerSvid`], a value that nothing else can make.
//!
//! Nothing here reads files or opens sockets. The clock is that of the system unless another is given. A refused
//! handshake is logged, with whom the peer claims to be and what is wrong.

mod anchors;
mod certificate;
pub mod danger;
mod error;
mod identity;
mod key_pair;
mod peer;
mod tls;

pub use self::certificate::ChainPart;
pub use self::error::SvidError;
pub use self::identity::{Identity, IdentityError, check_bundle};
pub use self::key_pair::{InvalidSvid, Svid};
pub use self::peer::{PeerSvid, verify};
pub use self::tls::{Refusal, ServerHandshake};

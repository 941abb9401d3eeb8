//! Small values that travel as text: revisions, repositories, timeouts, quantities.

mod quantity;
mod repository;
mod revision;
mod timeout;

pub use quantity::Quantity;
pub use repository::Repository;
pub use revision::Revision;
pub use timeout::Timeout;

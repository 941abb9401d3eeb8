//! The contract every store keeps, as functions to call from tests.

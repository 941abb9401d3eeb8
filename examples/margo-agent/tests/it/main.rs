//! The program itself, with a fleet manager that does what the tests tell it to and workloads that are simulated.

mod bad_input;
mod capabilities;
mod configuration;
mod device;
mod signed;
mod support;

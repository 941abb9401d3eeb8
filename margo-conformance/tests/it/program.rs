//! Programs that tests write and start.

use std::process::Command;
use std::thread;

use margo_conformance::program;
use tempfile::TempDir;

#[test]
fn programs_start_at_once_beside_others_that_start() {
    let folder = TempDir::new().expect("a folder");
    thread::scope(|scope| {
        for thread in 0..8 {
            let folder = folder.path();
            scope.spawn(move || {
                for number in 0..50 {
                    let path = folder.join(format!("{thread}-{number}"));
                    program::write(&path, format!("#!/bin/sh\nexit {number}\n"));
                    let status = Command::new(&path).status();
                    assert_eq!(status.expect("it starts").code(), Some(number));
                }
            });
        }
    });
}

//! What may answer at the admin socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;

use margo_conformance::corpus::input::line;
use margo_wfm::admin::AdminClient;
use margo_wfm::operations::{Deploy, History, ListDevices, ListPackages, Operation, Status};

use super::place::{RUNTIME, refused};

/// The operation that is asked for in the first line; from the second on what is answered, from the status line on.
///
/// The command line takes it for an answer or says what is wrong, and ends.
pub fn answers(bytes: &[u8]) {
    let (operation, answer) = line(bytes);
    match operation {
        "status" => ask(Status::default(), answer),
        "list-packages" => ask(ListPackages {}, answer),
        "list-devices" => ask(ListDevices {}, answer),
        "deploy" => ask(Deploy::new("com-example-lamp"), answer),
        "history" => ask(History::new("com-example-lamp"), answer),
        _ => {}
    }
}

fn ask<O: Operation>(operation: O, answer: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("admin.sock");
    let listener = UnixListener::bind(&socket).expect("bound");
    let answer = answer.to_vec();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a caller");
        let mut request = [0; 1 << 12];
        // Whoever asks may be gone before all was answered.
        let _ = stream.read(&mut request);
        let _ = stream.write_all(&answer);
    });
    let admin = AdminClient::new(socket, "margo-wfm run");
    if let Err(failure) = RUNTIME.block_on(admin.run(operation)) {
        refused(&failure);
    }
    server.join().expect("it answered");
}

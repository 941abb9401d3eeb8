//! What the threads of one test log.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use margo_conformance::log::heard_by;
use tracing::dispatcher::with_default;

#[test]
fn what_another_thread_comes_to_first_is_heard() {
    let heard = Heard::default();
    let writer = heard.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    let log = heard_by(subscriber.finish());
    let say = || tracing::warn!("the valve is stuck");
    thread::spawn(say).join().unwrap();
    assert_eq!(heard.lines(), 0, "that thread is not ours");
    with_default(&log, say);
    assert_eq!(heard.lines(), 1);
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn lines(&self) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap())
            .lines()
            .count()
    }
}

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

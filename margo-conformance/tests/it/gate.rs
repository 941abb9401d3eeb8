//! The gate: what is cut, and what comes back.

use margo_conformance::gate::Gate;
use margo_conformance::program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn cables_are_cut_and_mended() {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = echo.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    let gate = Gate::to(&target).await;

    let mut open = TcpStream::connect(gate.host()).await.unwrap();
    assert!(echoes(&mut open).await);
    gate.close().await;
    assert!(!echoes(&mut open).await, "it was open when the gate closed");
    assert!(!connects(&gate).await, "the gate is closed");
    gate.open();
    assert!(connects(&gate).await);
    gate.open();
    assert!(
        connects(&gate).await,
        "opening an open gate changes nothing"
    );
}

#[tokio::test]
async fn nobody_behind_the_gate_is_an_end() {
    let target = format!("127.0.0.1:{}", program::free_port());
    assert!(!connects(&Gate::to(&target).await).await);
}

async fn connects(gate: &Gate) -> bool {
    match TcpStream::connect(gate.host()).await {
        Ok(mut stream) => echoes(&mut stream).await,
        Err(_) => false,
    }
}

async fn echoes(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 4];
    stream.write_all(b"ping").await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && answer == *b"ping"
}

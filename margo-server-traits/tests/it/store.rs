//! Every store keeps the contract.

#[cfg(feature = "contract")]
use std::sync::Arc;

#[cfg(feature = "contract")]
use margo_server_traits::store::{MemoryStore, contract};

#[cfg(feature = "contract")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    contract::all(Arc::new(MemoryStore::new())).await;
}

#[cfg(all(feature = "contract", feature = "sqlite"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_the_contract() {
    use margo_server_traits::store::SqliteStore;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fleet.db");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    contract::all(store.clone()).await;
    contract::fill(&*store).await;
    store.close().await;
    drop(store);
    contract::is_filled(&SqliteStore::open(&path).await.unwrap()).await;
}

//! Tests that each install, one at a time: what the crate's documentation
//! recommends. Two on purpose, although libvirt takes one loop per process.

use std::time::Duration;

use tokio::sync::Mutex;
use virt_event_tokio::install;

mod support;

use support::{Count, LIMIT};

static IN_TURN: Mutex<()> = Mutex::const_new(());

async fn use_libvirt() {
    let _turn = IN_TURN.lock().await;
    let driver = install().unwrap();
    let count = Count::default();
    let counter = count.clone();
    let timer = virt_event::add_timeout(Duration::from_millis(1), move || counter.add()).unwrap();
    count.grows(3).await;
    drop(timer);
    driver.drain(LIMIT).await.unwrap();
    driver.detach();
}

#[tokio::test]
async fn one_test() {
    use_libvirt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_test() {
    use_libvirt().await;
}

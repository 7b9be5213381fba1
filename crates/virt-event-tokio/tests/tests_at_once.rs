//! Tests that run at once and share a driver: what the crate's documentation
//! recommends. Two on purpose, although libvirt takes one loop per process.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::runtime::Runtime;
use virt_event_tokio::{Driver, install_on};

mod support;

use support::Count;

static LIBVIRT: LazyLock<(Runtime, Driver)> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let driver = install_on(runtime.handle()).unwrap();
    (runtime, driver)
});

async fn use_libvirt() {
    let (_, driver) = &*LIBVIRT;
    let count = Count::default();
    let counter = count.clone();
    let timer = virt_event::add_timeout(Duration::from_millis(1), move || counter.add()).unwrap();
    count.grows(3).await;
    drop(timer);
    assert!(driver.is_attached());
}

#[tokio::test]
async fn one_test() {
    use_libvirt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_test() {
    use_libvirt().await;
}

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::{
    DatabaseUrl,
    load::{Sources, load},
};

#[test]
fn the_demos_folder_is_ours_alone_and_goes_with_the_demo() {
    let mut loaded = load(&Sources::default()).unwrap();
    let folder = TemporaryFolder::make(&mut loaded).unwrap();
    let path = folder.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(loaded.config.data_dir, path);
    let DatabaseUrl::Sqlite(file) = &loaded.config.database.url else { panic!("not SQLite") };
    assert!(file.starts_with(&path));
    std::fs::write(file, "data").unwrap();
    drop(folder);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_port_is_taken_before_anybody_is_heard_and_only_once() {
    let socket = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    assert_ne!(address.port(), 0);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let _listener = socket.listen(BACKLOG).unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    let Err(Error::Internal(fault)) = bind(address) else { panic!("taken twice") };
    assert!(fault.chain().contains(&address.to_string()), "{fault:?}");
}

#[test]
fn connections_are_capped_unless_the_limits_are_off() {
    let mut limits = load(&Sources::default()).unwrap().config.limits;
    assert_eq!(options(&limits).connections, 1024);
    limits.enabled = false;
    assert!(options(&limits).connections > 1_000_000);
}

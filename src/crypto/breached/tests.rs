use std::path::Path;

use super::{
    build::{BuildFault, Builder},
    download::read,
    *,
};

/// The lines of these passwords, as they are published.
fn published(passwords: &[&str]) -> String {
    let line = |text: &&str| {
        let digest = sha1(&password(text));
        format!("{}:3\r\n", crate::crypto::opaque::hex(digest.as_ref()).to_uppercase())
    };
    passwords.iter().map(line).collect()
}

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

fn build(passwords: &[&str], to: &Path) -> Result<filter::Header, BuildFault> {
    let mut builder = Builder::new(to, 1, |_| {});
    read(published(passwords).as_bytes(), "a test", &mut builder, &mut 0)?;
    builder.finish()
}

fn sources(filter: Option<&Path>, service: Option<&str>) -> crate::error::Result<Breached> {
    let mut config = crate::config::load::load(&crate::config::load::Sources::default())
        .unwrap()
        .config
        .passwords;
    config.breach_filter = filter.map(Path::to_owned);
    config.breach_service = service.map(|url| url.parse().unwrap());
    Breached::new(&config)
}

#[tokio::test]
async fn the_filter_is_looked_into_and_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filter");
    build(&["open sesame open sesame", "Zuckerwatte auf dem Mond"], &file).unwrap();
    // Nobody listens there, which would only be told in the log; but nothing comes there either.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = format!("http://{}/range", listener.local_addr().unwrap());
    let breached = sources(Some(&file), Some(&service)).unwrap();
    for (text, known) in [
        ("open sesame open sesame", true),
        ("Zuckerwatte auf dem Mond", true),
        ("zuckerwatte auf dem mond", false),
        ("correct horse battery staple", false),
    ] {
        assert_eq!(breached.knows(&password(text), Asking::Nobody).await, known, "{text}");
    }
    let asked = tokio::time::timeout(std::time::Duration::from_millis(1), listener.accept()).await;
    assert!(asked.is_err(), "somebody was asked");
}

#[tokio::test]
async fn what_is_common_is_known_without_a_filter() {
    let breached = sources(None, None).unwrap();
    // As a rule of its own it is not said twice.
    assert!(!breached.knows(&password("password"), Asking::Service).await);
    let all = breached.sources(&password("password")).await.unwrap();
    assert_eq!(all, Sources { list: true, filter: None, service: None });
}

#[tokio::test]
async fn a_filter_that_has_become_unreadable_refuses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filter");
    build(&["open sesame open sesame"], &file).unwrap();
    let breached = sources(Some(&file), None).unwrap();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(100).unwrap();
    let lost = password("open sesame open sesame");
    assert!(!breached.knows(&lost, Asking::Nobody).await);
    assert!(breached.sources(&lost).await.is_err());
}

#[test]
fn a_filter_that_is_none_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("filter");
    let told = |file: &Path| match sources(Some(file), None) {
        Err(crate::error::Error::Internal(fault)) => fault.chain(),
        other => panic!("{other:?}"),
    };
    assert!(told(&file).contains("passwords.breach_filter: the file cannot be read: No such"));
    std::fs::write(&file, "AB".repeat(20) + ":7\n").unwrap();
    assert!(told(&file).contains("no filter"), "{}", told(&file));
    build(&["a", "b"], &file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert!(told(&file).contains("not whole"), "{}", told(&file));
}

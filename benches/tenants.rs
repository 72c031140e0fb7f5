//! What a server holds of many tenants: at rest, and after somebody has come to each of them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use countersign::{
    app::App,
    clock::Clock,
    domain::tenant::Slug,
    entropy::Entropy,
    flows::{Caller, tenants as flow},
};
use futures_util::future::join_all;

use super::{Server, config, free_port};

const TENANTS: usize = 10_000;
/// Tenants that are made at once, which share commits.
const LANES: usize = 100;

/// Measures both.
pub(super) async fn tenants(folder: &Path) {
    let app = App::open_with(config(folder), Clock::System, Entropy::Os).await.unwrap();
    let caller = Caller::operator("bench".to_owned());
    for first in (0..TENANTS).step_by(LANES) {
        let made = (first..first + LANES).map(|number| {
            let slug = Slug::parse(&slug(number)).unwrap();
            flow::create(&app, &caller, slug, flow::Change::default())
        });
        join_all(made).await.into_iter().for_each(|made| drop(made.unwrap()));
    }
    app.close().await;
    let server = Server::spawn(folder, free_port());
    while !server.is_live() {
        std::thread::yield_now();
    }
    std::thread::sleep(Duration::from_secs(5));
    let rest = server.mebibytes("VmRSS");
    println!("at rest, {TENANTS} tenants         {rest:8.1} MiB resident");
    let mut connection = BufReader::new(TcpStream::connect(("127.0.0.1", server.port)).unwrap());
    for number in 0..TENANTS {
        sign_in_page(&mut connection, &slug(number));
    }
    let visited = server.mebibytes("VmRSS");
    println!("the sign-in page of each shown   {visited:8.1} MiB resident");
}

fn slug(number: usize) -> String {
    format!("tenant-{number}")
}

fn sign_in_page(connection: &mut BufReader<TcpStream>, slug: &str) {
    let request = format!("GET /t/{slug}/login HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).unwrap();
    let (mut line, mut length) = (String::new(), 0);
    connection.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 200"), "{slug}: {line}");
    while line.trim_end() != "" {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
}

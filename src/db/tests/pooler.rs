//! A pooler that loses its server while it waits for the answer to a `COMMIT`.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Mutex,
};

use super::*;

/// What becomes of the next `COMMIT`.
#[derive(Debug, Clone, Copy)]
struct Loss {
    /// Whether the server has done it.
    counts: bool,
    /// The severity and the code that the client is told; `None`: its wire is cut.
    told: Option<(&'static str, &'static str)>,
}

/// Hands on what client and server say to each other, but for that answer.
struct Pooler {
    url: String,
    next: Arc<Mutex<Option<Loss>>>,
}

impl Pooler {
    /// `None` where the server is not reached by TCP.
    fn before(world: &World) -> Option<Self> {
        let DatabaseUrl::Postgres(url) = &world.config.url else { return None };
        let mut url = url::Url::parse(url.expose()).unwrap();
        let host = url.host_str().filter(|host| !host.contains('%'))?;
        let server = format!("{host}:{}", url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.set_query(Some("sslmode=disable"));
        let pooler = Self { url: url.to_string(), next: Arc::default() };
        let next = Arc::clone(&pooler.next);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(io::Result::ok) {
                let far = TcpStream::connect(&server).unwrap();
                let (to_far, to_near) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                let (asked, answered) = (Arc::clone(&next), Arc::clone(&next));
                std::thread::spawn(move || {
                    let _over = asks(near, &to_far, &asked);
                    let _gone = to_far.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || {
                    let _over = answers(far, &to_near, &answered);
                    let _gone = to_near.shutdown(Shutdown::Both);
                });
            }
        });
        Some(pooler)
    }

    async fn open(&self, world: &World) -> Db {
        let url = DatabaseUrl::Postgres(Secret::new(self.url.clone()));
        Db::open(&DatabaseConfig { url, ..world.config.clone() }).await.unwrap()
    }
}

/// From the client: where the `COMMIT` is not to count, the server gets a `ROLLBACK` in its place.
fn asks(mut from: TcpStream, mut to: &TcpStream, next: &Mutex<Option<Loss>>) -> io::Result<()> {
    // The first message has no kind.
    to.write_all(&message(&mut from)?)?;
    loop {
        let kind = kind(&mut from)?;
        let mut body = message(&mut from)?;
        let undoes = next.lock().unwrap().is_some_and(|loss| !loss.counts);
        if undoes && kind == b'Q' && body[4..] == *b"COMMIT\0" {
            body = framed(b"ROLLBACK\0");
        }
        to.write_all(&[&[kind][..], &body].concat())?;
    }
}

/// From the server: that it has ended the transaction never arrives.
fn answers(mut from: TcpStream, mut to: &TcpStream, next: &Mutex<Option<Loss>>) -> io::Result<()> {
    loop {
        let kind = kind(&mut from)?;
        let body = message(&mut from)?;
        let is_end = kind == b'C' && [b"COMMIT\0".as_slice(), b"ROLLBACK\0"].contains(&&body[4..]);
        let loss = if is_end { next.lock().unwrap().take() } else { None };
        let Some(loss) = loss else {
            to.write_all(&[&[kind][..], &body].concat())?;
            continue;
        };
        let Some((severity, code)) = loss.told else { return Ok(()) };
        let said = format!("S{severity}\0V{severity}\0C{code}\0Mthe server is gone\0\0");
        to.write_all(&[b"E".as_slice(), &framed(said.as_bytes())].concat())?;
        if severity == "FATAL" {
            return Ok(());
        }
    }
}

fn kind(from: &mut TcpStream) -> io::Result<u8> {
    let mut kind = [0];
    from.read_exact(&mut kind)?;
    Ok(kind[0])
}

/// A message behind its kind, with its length.
fn message(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut rest = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap() - 4];
    from.read_exact(&mut rest)?;
    Ok([&length[..], &rest].concat())
}

fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&length[..], body].concat()
}

const COUNT: &str = "SELECT COUNT(*) FROM t";

/// Adds a row, and another one with every further run.
async fn add(db: &Db, as_whole: bool) -> Result<()> {
    let one_more = || sql("INSERT INTO t (id) SELECT COUNT(*) + 1 FROM t");
    if as_whole {
        let written = db.write_all(vec![one_more()], Vec::new()).await?;
        assert_eq!(written, Written::All);
        return Ok(());
    }
    db.write((), move |tx, ()| Box::pin(one_more().execute(tx))).await.map(drop)
}

#[tokio::test]
async fn what_may_have_counted_is_not_run_again_and_is_a_fault() {
    for (prepared, as_whole) in [(true, true), (false, true), (true, false), (false, false)] {
        let Some(world) = on_postgres("pooler", prepared).await else { return };
        let Some(pooler) = Pooler::before(&world) else { return };
        let db = pooler.open(&world).await;
        run(&db, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
        for told in [
            Some(("FATAL", "08P01")),
            Some(("ERROR", "08P01")),
            Some(("ERROR", "08006")),
            Some(("ERROR", "40003")),
            Some(("FATAL", "57P01")),
            None,
        ] {
            for counts in [true, false] {
                let case = format!("{prepared} {as_whole} {told:?} {counts}");
                let before = count(&world.db, COUNT).await;
                *pooler.next.lock().unwrap() = Some(Loss { counts, told });
                let result = add(&db, as_whole).await;
                assert!(pooler.next.lock().unwrap().is_none(), "nothing was lost: {case}");
                // Whether a violation of the protocol is the server's or ours, the code does not
                // tell; only the connection's end does.
                let is_ours = told == Some(("ERROR", "08P01"));
                let is_fault = if is_ours {
                    matches!(result, Err(Error::Internal(_)))
                } else {
                    is_unavailable(&result)
                };
                assert!(is_fault, "{case}: {result:?}");
                assert_eq!(count(&world.db, COUNT).await - before, i64::from(counts), "{case}");
            }
        }
        // The connections that are left are good, and so is another run where the server has said
        // that it undid the first.
        let before = count(&world.db, COUNT).await;
        *pooler.next.lock().unwrap() = Some(Loss { counts: false, told: Some(("ERROR", "40001")) });
        add(&db, as_whole).await.unwrap();
        assert!(pooler.next.lock().unwrap().is_none());
        assert_eq!(count(&world.db, COUNT).await - before, 1);
    }
}

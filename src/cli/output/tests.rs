use super::*;

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let mut table = Table::new(&["slug", "name"]);
    table.row(["acme".to_owned(), "Acme".to_owned()]);
    table.row(["a-longer-one".to_owned(), "Ä\u{1b}[31m".to_owned()]);
    assert_eq!(
        table.render(),
        "SLUG          NAME\nacme          Acme\na-longer-one  Ä\u{fffd}[31m\n"
    );
}

#[test]
fn a_password_is_the_first_line_and_nothing_of_it_is_trimmed() {
    let read = |bytes: &[u8]| password_from(bytes).map(|it| it.expose().clone());
    assert_eq!(read(b" pass word \nnext\n").unwrap(), " pass word ");
    assert_eq!(read(b"tab\t\r\n").unwrap(), "tab\t");
    assert_eq!(read(b"no line end").unwrap(), "no line end");
    for wrong in [&b""[..], b"\n", b"\xff\n", &[b'x'; 5000]] {
        assert!(matches!(read(wrong), Err(Error::Invalid(_))), "{wrong:?}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    assert!(quietly(Err(ErrorKind::BrokenPipe.into())).is_ok());
    assert!(quietly(Err(ErrorKind::StorageFull.into())).is_err());
}

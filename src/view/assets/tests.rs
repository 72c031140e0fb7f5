//! What is packed is what was written, and a client gets what it can unpack.

use std::io::Read as _;

use super::*;

#[test]
fn each_packed_form_unpacks_to_the_file_and_is_smaller() {
    for asset in Asset::all() {
        let plain = asset.body(Coding::Identity);
        let (mut gzip, mut brotli) = (Vec::new(), Vec::new());
        flate2::read::GzDecoder::new(asset.body(Coding::Gzip)).read_to_end(&mut gzip).unwrap();
        let packed = asset.body(Coding::Brotli);
        brotli::Decompressor::new(packed, 4096).read_to_end(&mut brotli).unwrap();
        assert!(gzip == plain && brotli == plain, "{}", asset.path);
        assert!(packed.len() < asset.body(Coding::Gzip).len(), "{}", asset.path);
        assert!(asset.body(Coding::Gzip).len() * 2 < plain.len(), "{}", asset.path);
    }
}

#[test]
fn a_coding_counts_where_it_is_named_and_not_refused() {
    for (said, expected) in [
        ("gzip, deflate, br, zstd", Coding::Brotli),
        ("gzip, deflate", Coding::Gzip),
        ("GZIP;q=0.5", Coding::Gzip),
        ("br;q=0, gzip", Coding::Gzip),
        ("br; q=0.000", Coding::Identity),
        ("br;q=nonsense", Coding::Identity),
        ("brr, xgzip", Coding::Identity),
        ("*", Coding::Identity),
        ("", Coding::Identity),
    ] {
        assert_eq!(Coding::choose(said), expected, "{said}");
    }
}

#[test]
fn an_asset_changes_its_address_with_its_content() {
    const A: Source = Source { plain: b"a", ..CSS };
    const B: Source = Source { plain: b"b", ..CSS };
    assert_ne!(Asset::new(&A).path, Asset::new(&B).path);
    let rest = Asset::css().path.strip_prefix("/static/app.").unwrap();
    assert_eq!(rest.split_once('.').map(|(mark, kind)| (mark.len(), kind)), Some((16, "css")));
}

#[test]
fn only_the_mark_may_differ_in_an_address_of_another_release() {
    let found = |path| Asset::of_another_release(path).map(|it| it.path.as_str());
    assert_eq!(found("/static/app.0123456789abcdef.css"), Some(Asset::css().path.as_str()));
    assert_eq!(found("/static/app.0123456789abcdef.js"), Some(Asset::js().path.as_str()));
    for path in [
        "/static/app.css",
        "/static/app.0123456789abcde.css",
        "/static/app.0123456789abcdef.css.map",
        "/static/passkey.0123456789abcdef.js",
        "/static/app.0123456789abcdeg.js",
        "/app.0123456789abcdef.js",
    ] {
        assert_eq!(found(path), None, "{path}");
    }
}

//! A picture is what its bytes say.

use super::*;

/// The beginning of a PNG, which is all that is looked at.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

fn webp(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
    bytes.extend(&(width - 1).to_le_bytes()[..3]);
    bytes.extend(&(height - 1).to_le_bytes()[..3]);
    bytes
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8];
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xd9]);
    bytes
}

#[test]
fn three_kinds_are_known_by_their_bytes() {
    let judged =
        |bytes: &[u8]| judge(bytes, PictureUse::Logo).map(|it| (it.format, it.width, it.height));
    assert_eq!(judged(&png(100, 40)), Ok((PictureFormat::Png, 100, 40)));
    assert_eq!(judged(&webp(100, 40)), Ok((PictureFormat::Webp, 100, 40)));
    assert_eq!(judged(&jpeg(100, 40)), Ok((PictureFormat::Jpeg, 100, 40)));
}

#[test]
fn what_is_no_picture_of_these_kinds_is_refused() {
    for bytes in [
        &b""[..],
        b"\x89PNG\r\n\x1a\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<html><script>alert(1)</script>",
        b"GIF89a\x20\0\x20\0\0\0\0",
        b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\x20\0\0\0\x20\0\0\0",
        b"%PDF-1.7",
        b"\xff\xd8\xff",
        b"RIFF\0\0\0\0WAVEfmt ",
    ] {
        assert_eq!(judge(bytes, PictureUse::Logo), Err(Unshown::Format), "{bytes:?}");
    }
}

#[test]
fn sizes_have_bounds() {
    use PictureUse::{Favicon, Logo};
    for (bytes, purpose, expected) in [
        (png(2048, 16), Logo, None),
        (png(2049, 16), Logo, Some(Unshown::Size)),
        (png(15, 16), Logo, Some(Unshown::Size)),
        (png(0, 0), Logo, Some(Unshown::Size)),
        (png(u32::MAX, u32::MAX), Logo, Some(Unshown::Size)),
        (png(512, 512), Favicon, None),
        (png(513, 513), Favicon, Some(Unshown::Size)),
        (png(64, 32), Favicon, Some(Unshown::NotSquare)),
        ([png(64, 64), vec![0; 64 * 1024]].concat(), Favicon, Some(Unshown::TooLarge)),
        ([png(64, 64), vec![0; 64 * 1024]].concat(), Logo, None),
        ([png(64, 64), vec![0; LARGEST]].concat(), Logo, Some(Unshown::TooLarge)),
    ] {
        assert_eq!(judge(&bytes, purpose).err(), expected, "{purpose:?} {}", bytes.len());
    }
}

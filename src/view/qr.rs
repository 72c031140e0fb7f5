//! QR codes, as SVG for pages and as PNG for programs that cannot draw SVG.

use fast_qr::{
    QRBuilder, QRCode,
    convert::{Builder as _, svg::SvgBuilder},
    qr::QRCodeError,
};

use crate::error::{Context, Result};

/// The light border that scanners need, in modules (ISO/IEC 18004).
const BORDER: usize = 4;
/// Pixels of a module in the PNG.
const SCALE: usize = 6;

/// A text as a QR code.
pub struct Qr(Box<QRCode>);

/// The text may be a secret.
impl std::fmt::Debug for Qr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Qr(…)")
    }
}

impl Qr {
    /// The QR code of `text`.
    ///
    /// # Errors
    /// Where the text is longer than 2,900 bytes or so.
    pub fn new(text: &str) -> Result<Self> {
        let code = QRBuilder::new(text).build();
        let code = code.map_err(|_: QRCodeError| "the text is too long");
        code.doing("drawing a QR code").map(|code| Self(Box::new(code)))
    }

    /// The code as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        SvgBuilder::default().margin(BORDER).to_str(&self.0)
    }

    /// The code as PNG, black on white.
    ///
    /// # Errors
    /// Only through a fault of the library.
    pub fn png(&self) -> Result<Vec<u8>> {
        let side = (self.0.size + 2 * BORDER) * SCALE;
        let width = u32::try_from(side).doing("sizing a QR code")?;
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().doing("writing a PNG")?;
        let pixels: Vec<u8> = (0..side * side)
            .map(
                |place| {
                    if self.is_dark(place % side / SCALE, place / side / SCALE) { 0 } else { 255 }
                },
            )
            .collect();
        writer.write_image_data(&pixels).doing("writing a PNG")?;
        writer.finish().doing("writing a PNG")?;
        Ok(bytes)
    }

    /// Whether the module at a place, counted with the border, is dark.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let size = self.0.size;
        let (Some(x), Some(y)) = (x.checked_sub(BORDER), y.checked_sub(BORDER)) else {
            return false;
        };
        x < size && y < size && self.0.data.get(y * size + x).is_some_and(|module| module.value())
    }
}

#[cfg(test)]
mod tests {
    use super::Qr;

    #[test]
    fn the_picture_has_a_light_border_and_a_finder_in_its_corner() {
        let png = Qr::new("otpauth://totp/x").unwrap().png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let at = |x: usize, y: usize| pixels[y * info.width as usize + x];
        assert_eq!(at(0, 0), 255);
        assert_eq!(at(23, 23), 255);
        assert_eq!(at(24, 24), 0);
        assert_eq!(at(24 + 6 * 6, 24), 0);
        assert_eq!(at(24 + 6, 24 + 6), 255);
    }

    #[test]
    fn a_text_that_does_not_fit_is_refused() {
        assert!(Qr::new(&"x".repeat(5000)).is_err());
        assert!(Qr::new("x").unwrap().svg().starts_with("<svg"));
    }
}

//! Whether bytes are a picture that is shown to people: judged by what they are, whatever their
//! name or the server that sent them says.

use imagesize::ImageType;

use super::PictureFormat;

/// What a picture of a tenant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureUse {
    /// The logo, of a tenant or an application.
    Logo,
    /// The picture in the browser's tab.
    Favicon,
}

/// Bytes of a picture at most, whatever it is for.
pub const LARGEST: usize = 256 * 1024;

impl PictureUse {
    /// Bytes at most. A favicon is loaded beside each page.
    #[must_use]
    pub fn largest(self) -> usize {
        match self {
            Self::Logo => LARGEST,
            Self::Favicon => 64 * 1024,
        }
    }

    /// Pixels of a side at most.
    fn widest(self) -> usize {
        match self {
            Self::Logo => 2048,
            Self::Favicon => 512,
        }
    }
}

/// A picture that may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// What it is.
    pub format: PictureFormat,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Why bytes are not shown as a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unshown {
    /// They are no picture of a kind that is taken.
    #[error("it must be a PNG, JPEG or WebP picture")]
    Format,
    /// There are too many of them.
    #[error("it may have 256 KiB at most, and 64 KiB as a favicon")]
    TooLarge,
    /// A side is too short or too long.
    #[error("each side must have 16 to 2048 pixels, and 512 at most as a favicon")]
    Size,
    /// It is not as high as it is wide.
    #[error("a favicon must be as high as it is wide")]
    NotSquare,
}

/// Judges a picture.
///
/// # Errors
/// What keeps it from being shown.
pub fn judge(bytes: &[u8], purpose: PictureUse) -> Result<Judged, Unshown> {
    if bytes.len() > purpose.largest() {
        return Err(Unshown::TooLarge);
    }
    let format = match imagesize::image_type(bytes) {
        Ok(ImageType::Png) => PictureFormat::Png,
        Ok(ImageType::Jpeg) => PictureFormat::Jpeg,
        Ok(ImageType::Webp) => PictureFormat::Webp,
        _ => return Err(Unshown::Format),
    };
    let found = imagesize::blob_size(bytes).map_err(|_| Unshown::Format)?;
    let fits = |side: usize| (16..=purpose.widest()).contains(&side);
    if !fits(found.width) || !fits(found.height) {
        return Err(Unshown::Size);
    }
    if purpose == PictureUse::Favicon && found.width != found.height {
        return Err(Unshown::NotSquare);
    }
    let side = |side: usize| u32::try_from(side).map_err(|_| Unshown::Size);
    Ok(Judged { format, width: side(found.width)?, height: side(found.height)? })
}

#[cfg(test)]
mod tests;

//! The filter file: which passwords are known from breaches, by 24 bits and a place.
//!
//! SHA-1 spreads its values evenly, so its leading bits say in which of 2^n buckets a password
//! lies, and the next 24 bits are kept there, sorted. Three bytes for each password, then the
//! index of the buckets; a look-up reads two numbers of the index and one bucket of some 500 bytes
//! at its place in the file. Nothing is loaded, so memory stays flat however large the file is.
//! A password that is not in the file is taken for one that is in at most [`LOAD`] of 2^24 cases,
//! 1 in 65,536.
//!
//! | Bytes | What |
//! | --- | --- |
//! | 0 to 7 | `CSBREACH` |
//! | 8 to 11 | version, 1 |
//! | 12 to 15 | n |
//! | 16 to 23 | entries |
//! | 24 to 31 | the smallest count that was taken |
//! | 32 to 63 | SHA-256 of all that follows the header |
//! | 64 to 95 | SHA-256 of the bytes before |
//! | 96 … | the entries, three bytes each, then 2^n + 1 numbers of eight bytes: how many entries lie before each bucket |
//!
//! Numbers have their highest byte first.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256, digest};

const MAGIC: &[u8; 8] = b"CSBREACH";
const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER: usize = 96;
/// Bytes of an entry.
pub(super) const ENTRY: usize = 3;
/// Bytes of a number of the index.
const NUMBER: u64 = 8;
/// Entries of a bucket, on average and at most.
pub const LOAD: u64 = 256;
/// Entries of any one bucket: what is read at once fits 64 KiB.
pub(super) const LARGEST_BUCKET: u64 = 21_845;
/// Buckets at most, as a power of two: enough for 68 thousand million entries.
const MOST_BITS: u32 = 28;

/// Why a file is no filter that can be used.
#[derive(Debug, thiserror::Error)]
pub enum FilterFault {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// Something else.
    #[error("the file is no filter that `countersign breached-passwords build` has made")]
    Foreign,
    /// Of another version.
    #[error("the file has another form than this version reads; build it anew")]
    OtherVersion,
    /// Cut off, or longer than it should be.
    #[error("the file is not whole; build it anew")]
    NotWhole,
    /// Changed since it was made.
    #[error("the file is damaged; build it anew")]
    Damaged,
}

/// What the head of the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// There are two to this power of buckets.
    pub bits: u32,
    /// How many entries there are.
    pub entries: u64,
    /// The smallest count that was taken.
    pub min_count: u64,
    /// The SHA-256 of all that follows.
    pub body: [u8; 32],
}

impl Header {
    /// The bytes at the head of the file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(self.bits.to_be_bytes());
        bytes.extend(self.entries.to_be_bytes());
        bytes.extend(self.min_count.to_be_bytes());
        bytes.extend(self.body);
        let check = digest(&SHA256, &bytes);
        bytes.extend(check.as_ref());
        bytes
    }

    /// Reads the head of a file that has `length` bytes in all.
    ///
    /// # Errors
    /// Where it is no filter, of another version, not whole, or damaged.
    pub fn parse(bytes: &[u8], length: u64) -> Result<Self, FilterFault> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(FilterFault::Foreign)?;
        if u32::from_be_bytes(take(&mut rest)?) != VERSION {
            return Err(FilterFault::OtherVersion);
        }
        let header = Self {
            bits: u32::from_be_bytes(take(&mut rest)?),
            entries: u64::from_be_bytes(take(&mut rest)?),
            min_count: u64::from_be_bytes(take(&mut rest)?),
            body: take(&mut rest)?,
        };
        let check: [u8; 32] = take(&mut rest)?;
        let covered = bytes.len() - rest.len() - check.len();
        let found = digest(&SHA256, bytes.get(..covered).unwrap_or_default());
        if found.as_ref() != check {
            return Err(FilterFault::Damaged);
        }
        if header.bits > MOST_BITS || header.length() != Some(length) {
            return Err(FilterFault::NotWhole);
        }
        Ok(header)
    }

    /// Where the index begins.
    fn index_at(&self) -> Option<u64> {
        self.entries.checked_mul(ENTRY as u64)?.checked_add(HEADER as u64)
    }

    fn length(&self) -> Option<u64> {
        let numbers = (1_u64 << self.bits).checked_add(1)?;
        self.index_at()?.checked_add(numbers.checked_mul(NUMBER)?)
    }
}

/// The next bytes, which it takes off `rest`.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], FilterFault> {
    let (bytes, after) = rest.split_first_chunk().ok_or(FilterFault::NotWhole)?;
    *rest = after;
    Ok(*bytes)
}

/// As few buckets as hold `entries` with [`LOAD`] in each, as a power of two.
#[must_use]
pub(super) fn bits_for(entries: u64) -> u32 {
    entries.div_ceil(LOAD).max(1).next_power_of_two().ilog2().min(MOST_BITS)
}

/// In which of 2^`bits` buckets a key lies, and what is kept of it there.
pub(super) fn place(key: u64, bits: u32) -> (u64, [u8; ENTRY]) {
    let bucket = key.checked_shr(64 - bits).unwrap_or(0);
    let [high, middle, low, ..] = (key << bits).to_be_bytes();
    (bucket, [high, middle, low])
}

/// A filter that is open.
#[derive(Debug)]
pub struct Filter {
    file: File,
    header: Header,
    index_at: u64,
}

impl Filter {
    /// Opens a filter. Reads its head only; [`Filter::verify`] reads everything.
    ///
    /// The file stays open: one that is put in its place counts from the next start on.
    ///
    /// # Errors
    /// Where it cannot be read, is no filter, or is not whole.
    pub fn open(path: &Path) -> Result<Self, FilterFault> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut head = Vec::with_capacity(HEADER);
        (&file).take(HEADER as u64).read_to_end(&mut head)?;
        let header = Header::parse(&head, length)?;
        let index_at = header.index_at().ok_or(FilterFault::NotWhole)?;
        Ok(Self { file, header, index_at })
    }

    /// What its head says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether a password with this key is in it, or one that looks the same.
    ///
    /// Two reads at known places, of 16 bytes and of 64 KiB at most, from a local file: as much as
    /// a page fault takes, so callers need no thread for it.
    ///
    /// # Errors
    /// Where the file cannot be read, or its index cannot be right.
    pub fn knows(&self, key: u64) -> Result<bool, FilterFault> {
        let (bucket, wanted) = place(key, self.header.bits);
        let mut bounds = [0; 16];
        self.file.read_exact_at(&mut bounds, self.index_at + bucket * NUMBER)?;
        let mut rest = bounds.as_slice();
        let from = u64::from_be_bytes(take(&mut rest)?);
        let to = u64::from_be_bytes(take(&mut rest)?);
        let count = to.checked_sub(from).ok_or(FilterFault::Damaged)?;
        if to > self.header.entries || count > LARGEST_BUCKET {
            return Err(FilterFault::Damaged);
        }
        let size = usize::try_from(count).map_err(|_| FilterFault::Damaged)? * ENTRY;
        let mut entries = vec![0; size];
        self.file.read_exact_at(&mut entries, HEADER as u64 + from * ENTRY as u64)?;
        Ok(entries.as_chunks::<ENTRY>().0.binary_search(&wanted).is_ok())
    }

    /// Reads the whole file and compares it with what its head says.
    ///
    /// # Errors
    /// Where it cannot be read, or was changed since it was made.
    pub fn verify(&self) -> Result<(), FilterFault> {
        let mut context = Context::new(&SHA256);
        let mut chunk = vec![0; 1 << 20];
        let mut at = HEADER as u64;
        loop {
            let read = self.file.read_at(&mut chunk, at)?;
            if read == 0 {
                break;
            }
            context.update(chunk.get(..read).unwrap_or_default());
            at += read as u64;
        }
        if context.finish().as_ref() == self.header.body {
            Ok(())
        } else {
            Err(FilterFault::Damaged)
        }
    }
}

#[cfg(test)]
mod tests;

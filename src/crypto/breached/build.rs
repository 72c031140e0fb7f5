//! Builds a filter file from keys in any order, within bounded memory.
//!
//! Keys are gathered, sorted, and written out as runs, which are merged in the end. Where they come
//! sorted, as they are published, there is one run however many there are. What takes the place of
//! an older file is a whole one: it is written beside it, brought to the disk, and renamed.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::{File, Permissions},
    io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use tempfile::NamedTempFile;

use super::{
    download::{DownloadFault, Line, Sink},
    filter::{ENTRY, HEADER, Header, LARGEST_BUCKET, bits_for, place},
};

/// Keys in memory at once: 128 MiB.
const GATHERED: usize = 1 << 24;

/// Why a filter cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildFault {
    /// The download is not as it should be.
    #[error(transparent)]
    Download(#[from] DownloadFault),
    /// Nothing to build a filter of.
    #[error("there is no line to build a filter of")]
    Empty,
    /// Whatever these are, they are no hashes.
    #[error("the values are too alike to be SHA-1 of passwords")]
    Uneven,
    /// A file cannot be written.
    #[error("{doing} failed")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, BuildFault>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, BuildFault> {
        self.map_err(|source| BuildFault::Io { doing, source })
    }
}

/// A filter under construction.
pub struct Builder<H> {
    to: PathBuf,
    min_count: u64,
    hear: H,
    most: usize,
    gathered: Vec<u64>,
    runs: Vec<Run>,
    kept: u64,
}

impl<H> std::fmt::Debug for Builder<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("to", &self.to).finish_non_exhaustive()
    }
}

/// Sorted keys in a file without a name, which goes with us.
struct Run {
    file: BufWriter<File>,
    last: u64,
}

impl<H: FnMut(u64)> Sink for Builder<H> {
    type Fault = BuildFault;

    fn take(&mut self, line: Line) -> Result<(), BuildFault> {
        // What counts 0 is padding.
        if line.count < self.min_count.max(1) {
            return Ok(());
        }
        self.gathered.push(line.key);
        if self.gathered.len() >= self.most { self.spill() } else { Ok(()) }
    }

    fn hear(&mut self, lines: u64) {
        (self.hear)(lines);
    }
}

impl<H: FnMut(u64)> Builder<H> {
    /// A filter that will be the file `to`, of passwords that were seen at least `min_count`
    /// times. `hear` is told now and then how many lines were read.
    pub fn new(to: &Path, min_count: u64, hear: H) -> Self {
        let to = to.to_owned();
        Self {
            to,
            min_count,
            hear,
            most: GATHERED,
            gathered: Vec::new(),
            runs: Vec::new(),
            kept: 0,
        }
    }

    #[cfg(test)]
    fn gathering(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    fn folder(&self) -> &Path {
        match self.to.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Writes what is gathered to a run: the last one where it goes on from there, else a new one.
    fn spill(&mut self) -> Result<(), BuildFault> {
        const DOING: &str = "writing a temporary file";
        self.gathered.sort_unstable();
        self.gathered.dedup();
        let (Some(first), Some(last)) = (self.gathered.first(), self.gathered.last()) else {
            return Ok(());
        };
        if self.runs.last().is_none_or(|run| run.last >= *first) {
            let file = tempfile::tempfile_in(self.folder()).doing(DOING)?;
            self.runs.push(Run { file: BufWriter::with_capacity(1 << 20, file), last: *last });
        }
        let Some(run) = self.runs.last_mut() else { return Ok(()) };
        run.last = *last;
        for key in &self.gathered {
            run.file.write_all(&key.to_be_bytes()).doing(DOING)?;
        }
        self.kept += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Writes the filter.
    ///
    /// # Errors
    /// Where there is nothing in it, or a file cannot be written.
    pub fn finish(mut self) -> Result<Header, BuildFault> {
        self.spill()?;
        // Duplicates of different runs are counted twice here, which makes buckets smaller.
        let mut output = Output::new(self.folder(), bits_for(self.kept))?;
        let mut merge = Merge::new(std::mem::take(&mut self.runs))?;
        while let Some(key) = merge.next()? {
            output.add(key)?;
        }
        output.finish(&self.to, self.min_count.max(1))
    }
}

/// The runs as one, in order.
struct Merge {
    runs: Vec<BufReader<File>>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merge {
    fn new(runs: Vec<Run>) -> Result<Self, BuildFault> {
        const DOING: &str = "reading a temporary file back";
        let mut merge = Self { runs: Vec::new(), heads: BinaryHeap::new() };
        for run in runs {
            let mut file =
                run.file.into_inner().map_err(io::IntoInnerError::into_error).doing(DOING)?;
            file.seek(SeekFrom::Start(0)).doing(DOING)?;
            merge.runs.push(BufReader::with_capacity(1 << 18, file));
            merge.advance(merge.runs.len() - 1)?;
        }
        Ok(merge)
    }

    fn next(&mut self) -> Result<Option<u64>, BuildFault> {
        let Some(Reverse((key, run))) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some(key))
    }

    fn advance(&mut self, run: usize) -> Result<(), BuildFault> {
        let mut bytes = [0; 8];
        let Some(reader) = self.runs.get_mut(run) else { return Ok(()) };
        match reader.read_exact(&mut bytes) {
            Ok(()) => self.heads.push(Reverse((u64::from_be_bytes(bytes), run))),
            Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(fault) => return Err(fault).doing("reading a temporary file back"),
        }
        Ok(())
    }
}

const WRITING: &str = "writing the filter";

/// The file that takes the place of the older one in the end.
struct Output {
    file: BufWriter<NamedTempFile>,
    folder: PathBuf,
    body: Context,
    bits: u32,
    /// How many entries lie before each bucket that has begun.
    index: Vec<u64>,
    entries: u64,
    last: Option<(u64, [u8; ENTRY])>,
}

impl Output {
    fn new(folder: &Path, bits: u32) -> Result<Self, BuildFault> {
        let file = tempfile::Builder::new()
            .prefix(".breached-passwords-")
            // Passwords that everybody may download: the server may be another user than we.
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)
            .doing(WRITING)?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&[0; HEADER]).doing(WRITING)?;
        let (folder, body) = (folder.to_owned(), Context::new(&SHA256));
        Ok(Self { file, folder, body, bits, index: vec![0], entries: 0, last: None })
    }

    /// Adds a key; they come in order, perhaps more than once.
    fn add(&mut self, key: u64) -> Result<(), BuildFault> {
        let (bucket, entry) = place(key, self.bits);
        if self.last == Some((bucket, entry)) {
            return Ok(());
        }
        self.begin(bucket);
        if self.index.last().is_some_and(|start| self.entries - start >= LARGEST_BUCKET) {
            return Err(BuildFault::Uneven);
        }
        self.last = Some((bucket, entry));
        self.entries += 1;
        self.write(&entry)
    }

    /// Has all buckets up to `bucket` begun.
    fn begin(&mut self, bucket: u64) {
        while (self.index.len() as u64) <= bucket {
            self.index.push(self.entries);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BuildFault> {
        self.body.update(bytes);
        self.file.write_all(bytes).doing(WRITING)
    }

    fn finish(mut self, to: &Path, min_count: u64) -> Result<Header, BuildFault> {
        if self.entries == 0 {
            return Err(BuildFault::Empty);
        }
        self.begin(1 << self.bits);
        for number in std::mem::take(&mut self.index) {
            self.write(&number.to_be_bytes())?;
        }
        let mut body = [0; 32];
        body.copy_from_slice(self.body.finish().as_ref());
        let header = Header { bits: self.bits, entries: self.entries, min_count, body };
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error).doing(WRITING)?;
        file.as_file().write_all_at(&header.bytes(), 0).doing(WRITING)?;
        file.as_file().sync_all().doing(WRITING)?;
        file.persist(to).map_err(|fault| fault.error).doing("putting the filter in its place")?;
        File::open(&self.folder).and_then(|it| it.sync_all()).doing(WRITING)?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests;

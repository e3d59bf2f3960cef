//! A file of weights, mapped: only what is read of it is in memory, and only until it was copied.

use std::{
    fs::File,
    ops::{Deref, Range},
    path::{Path, PathBuf},
};

use memmap2::{Mmap, UncheckedAdvice};

use crate::error::{Error, Result};

pub(super) struct Mapped {
    path: PathBuf,
    map: Mmap,
}

impl Mapped {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let read = |source| Error::Read {
            path: path.into(),
            source,
        };
        let file = File::open(path).map_err(read)?;
        // SAFETY: weight files are not written to while a process uses them.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        Ok(Self {
            path: path.into(),
            map,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets go of the memory of bytes that were copied: a model would otherwise be there twice,
    /// as it is computed with and as it lies in the file.
    pub(super) fn let_go(&self, bytes: Range<usize>) {
        // SAFETY: the file's pages come back from it when they are read again. That memory stays
        // taken where the kernel refuses is no error.
        let _ = unsafe {
            self.map
                .unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len())
        };
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a mapping that are in this process' memory.
    fn resident(mapped: &Mapped) -> usize {
        let begins = format!("{:x}-", mapped.as_ptr() as usize);
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let own = maps.lines().skip_while(|line| !line.starts_with(&begins));
        let figure = |line: &str| {
            let kilobytes = line.strip_prefix("Rss:")?.trim().strip_suffix(" kB")?;
            kilobytes.parse::<usize>().ok()
        };
        own.into_iter().find_map(figure).unwrap() * 1024
    }

    #[test]
    fn what_was_let_go_is_out_of_memory_and_can_be_read_again() {
        const SIZE: usize = 1 << 20;
        let file = tempfile::NamedTempFile::new().unwrap();
        let numbers: Vec<u8> = (0..SIZE).map(|n| (n / 4096) as u8).collect();
        std::fs::write(file.path(), &numbers).unwrap();
        let mapped = Mapped::open(file.path()).unwrap();
        assert_eq!(*mapped, *numbers);
        assert_eq!(resident(&mapped), SIZE);
        // From within a page to within another one.
        mapped.let_go(5000..SIZE - 5000);
        assert!(resident(&mapped) <= 3 * 4096, "{}", resident(&mapped));
        assert_eq!(*mapped, *numbers);
    }
}

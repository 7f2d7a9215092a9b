//! An open file in memory, and the lock on a directory there.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fault_injection::content::Content;
use crate::fault_injection::fault::{Fault, LeftOut};
use crate::fault_injection::memory::Memory;
use crate::fault_injection::names::Directory;
use crate::storage::{Lock, StoredFile};

/// An open file.
pub(crate) struct MemoryFile {
    pub(crate) disk: Memory,
    pub(crate) content: Arc<Mutex<Content>>,
    /// Whether it is locked until it is closed.
    pub(crate) locks: bool,
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        if self.locks {
            self.content.lock().locked = false;
        }
    }
}

impl StoredFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        self.disk.read_call()?;
        Ok(self.content.lock().live.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.read_call()?;
        let content = self.content.lock();
        let offset = usize::try_from(offset).unwrap().min(content.live.len());
        let count = buffer.len().min(content.live.len() - offset);
        buffer[..count].copy_from_slice(&content.live[offset..offset + count]);
        drop(content);
        self.disk.count_bytes_read(count);
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let offset = usize::try_from(offset).unwrap();
        let fault = self.disk.call();
        let count = match fault {
            Ok(()) => bytes.len(),
            Err(Fault::Error(_)) => bytes.len() / 2,
            Err(Fault::Tear(count)) => count.min(bytes.len()),
            Err(_) => 0,
        };
        let mut content = self.content.lock();
        let growth = (offset + count).saturating_sub(content.live.len());
        let taken = self.disk.take_space(growth);
        let count = count - (growth - taken);
        content.write(offset, &bytes[..count]);
        match fault {
            Err(Fault::Tear(taken)) => {
                content.sync();
                if taken < bytes.len() {
                    self.disk.note_torn();
                }
                Err(Fault::Freeze.error())
            }
            Err(fault) => Err(fault.error()),
            Ok(()) if count == 0 && !bytes.is_empty() => Err(io::ErrorKind::StorageFull.into()),
            Ok(()) => Ok(count),
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.simple_call()?;
        let cut = self.content.lock().set_length(usize::try_from(length).unwrap());
        self.disk.leave_stale(&cut);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let fault = self.disk.call();
        let left_out = self.disk.is_left_out(LeftOut::Files);
        let mut content = self.content.lock();
        match fault {
            Ok(()) => {
                if !left_out {
                    content.sync();
                }
                drop(content);
                self.disk.count_sync();
                Ok(())
            }
            Err(Fault::Freeze | Fault::Tear(_)) => Err(Fault::Freeze.error()),
            Err(fault) => {
                content.forget();
                Err(fault.error())
            }
        }
    }
}

/// The lock on a directory in memory.
pub(crate) struct MemoryLock(pub(crate) Arc<Mutex<Directory>>);

/// The note is no promise, and nothing of it outlasts the lock.
impl Lock for MemoryLock {
    fn is_noted(&self) -> io::Result<bool> {
        Ok(false)
    }

    fn note_begun(&self) {}
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.lock().locked = false;
    }
}

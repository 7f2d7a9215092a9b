//! How calls fail, and what a disk leaves out.

use std::io;

/// How a call that changes or syncs something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This call and all after it: the machine is gone.
    Freeze,
    /// This call, which is a write, takes this many bytes, which reach the disk. Then the machine is gone.
    Tear(usize),
    /// This call fails, and a write takes half of its bytes.
    Error(io::ErrorKind),
    /// This call and all after it: a device that is gone, a file system that was made read-only.
    Lasting(io::ErrorKind),
    /// This call is interrupted before it does anything, and may be made again.
    Interrupt,
}

/// What a disk leaves out while it says that it has done it, so that tests can show that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// Syncs of the files in a directory.
    Files,
    /// Syncs of the directory.
    Directory,
    /// Syncs of the directories above it, when it is created.
    Ancestors,
}

/// How the call with this number fares.
pub(crate) fn outcome(number: u64, fault: Option<(u64, Fault)>) -> Result<(), Fault> {
    match fault {
        Some((at, Fault::Tear(_))) if number > at + 1 => Err(Fault::Freeze),
        Some((at, fault @ (Fault::Freeze | Fault::Lasting(_)))) if number > at => Err(fault),
        Some((at, fault)) if number == at + 1 => Err(fault),
        _ => Ok(()),
    }
}

impl Fault {
    pub(crate) fn error(self) -> io::Error {
        match self {
            Self::Freeze | Self::Tear(_) => io::Error::other("the machine is gone"),
            Self::Error(kind) | Self::Lasting(kind) => kind.into(),
            Self::Interrupt => io::ErrorKind::Interrupted.into(),
        }
    }
}

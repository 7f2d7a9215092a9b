//! Serves disks to the operating system as one FUSE file system, each disk in a folder of its own.
//!
//! Nothing is cached on the way: every call that programs make on these files reaches the disk.

use std::ffi::OsStr;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};

use crate::disk::{Disk, ROOT, Refusal};
use crate::mount::Disks;
use crate::names::Node;

/// How long the kernel may believe an answer.
const BELIEVED: Duration = Duration::ZERO;

/// An inode is the number of a disk and of a node on it. Number 0 is no disk: it stands for the folder of all disks.
const NODE_BITS: u32 = 32;

/// The file system as the kernel calls it.
pub struct Served(pub Disks);

impl From<Refusal> for Errno {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoPower => Self::EIO,
            Refusal::NotFound => Self::ENOENT,
            Refusal::Exists => Self::EEXIST,
            Refusal::NotAFolder => Self::ENOTDIR,
            Refusal::IsAFolder => Self::EISDIR,
        }
    }
}

fn split(inode: INodeNo) -> (u64, Node) {
    let INodeNo(number) = inode;
    (number >> NODE_BITS, number as Node)
}

fn inode(disk: u64, node: Node) -> u64 {
    disk << NODE_BITS | u64::from(node)
}

/// The attributes of a file or folder; a folder has no length.
fn attributes(inode: u64, length: Option<u64>) -> FileAttr {
    let kind = if length.is_some() { FileType::RegularFile } else { FileType::Directory };
    let now = SystemTime::UNIX_EPOCH;
    FileAttr {
        ino: INodeNo(inode),
        size: length.unwrap_or(0),
        blocks: length.unwrap_or(0).div_ceil(512),
        atime: now,
        mtime: now,
        ctime: now,
        crtime: now,
        kind,
        perm: 0o755,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Served {
    /// Asks the disk that an inode is on.
    fn ask<T>(
        &self,
        inode: INodeNo,
        ask: impl FnOnce(&mut Disk, Node) -> Result<T, Refusal>,
    ) -> Result<T, Errno> {
        let (number, node) = split(inode);
        let answer = self.0.with(number, |disk| ask(disk, node)).ok_or(Errno::EIO)?;
        Ok(answer?)
    }

    fn attributes(&self, of: INodeNo) -> Result<FileAttr, Errno> {
        if of == INodeNo::ROOT {
            return Ok(attributes(1, None));
        }
        let length = self.ask(of, |disk, node| disk.length(node))?;
        let INodeNo(number) = of;
        Ok(attributes(number, length))
    }

    /// Looks a name up, or makes it with `make`.
    fn entry(
        &self,
        folder: INodeNo,
        name: &OsStr,
        make: impl FnOnce(&mut Disk, Node, &str) -> Result<Node, Refusal>,
    ) -> Result<FileAttr, Errno> {
        let name = name.to_str().ok_or(Errno::EINVAL)?;
        if folder == INodeNo::ROOT {
            let number = name.parse().map_err(|_| Errno::ENOENT)?;
            let found = self.0.with(number, |_| attributes(inode(number, ROOT), None));
            return found.ok_or(Errno::ENOENT);
        }
        let (number, _) = split(folder);
        let node = self.ask(folder, |disk, folder| make(disk, folder, name))?;
        self.attributes(INodeNo(inode(number, node)))
    }
}

/// Answers with what was found, or with the error.
macro_rules! answer {
    ($reply:ident, $outcome:expr, $value:ident => $good:expr) => {
        match $outcome {
            Ok($value) => $good,
            Err(error) => $reply.error(error),
        }
    };
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.entry(parent, name, |disk, folder, name| disk.lookup(folder, name));
        answer!(reply, found, entry => reply.entry(&BELIEVED, &entry, Generation(0)));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.attributes(ino), found => reply.attr(&BELIEVED, &found));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = size.map(|size| self.ask(ino, |disk, file| disk.set_length(file, size)));
        let found = changed.unwrap_or(Ok(())).and_then(|()| self.attributes(ino));
        answer!(reply, found, found => reply.attr(&BELIEVED, &found));
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.entry(parent, name, |disk, folder, name| disk.create_folder(folder, name));
        answer!(reply, made, entry => reply.entry(&BELIEVED, &entry, Generation(0)));
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let made = self.entry(parent, name, |disk, folder, name| disk.create_file(folder, name));
        let direct = FopenFlags::FOPEN_DIRECT_IO;
        answer!(reply, made, entry => {
            reply.created(&BELIEVED, &entry, Generation(0), FileHandle(0), direct);
        });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_string_lossy();
        let done = self.ask(parent, |disk, folder| disk.remove_file(folder, &name));
        answer!(reply, done, _done => reply.ok());
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() || split(parent).0 != split(newparent).0 {
            return reply.error(Errno::EINVAL);
        }
        let (name, new_name) = (name.to_string_lossy(), newname.to_string_lossy());
        let new_folder = split(newparent).1;
        let done =
            self.ask(parent, |disk, folder| disk.rename((folder, &name), (new_folder, &new_name)));
        answer!(reply, done, _done => reply.ok());
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let found = self.attributes(ino);
        answer!(reply, found, _found => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO));
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.ask(ino, |disk, file| disk.read(file, offset, size as usize));
        answer!(reply, read, bytes => reply.data(&bytes));
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let done = self.ask(ino, |disk, file| disk.write(file, offset, data));
        answer!(reply, done, _done => reply.written(data.len() as u32));
    }

    fn copy_file_range(
        &self,
        _: &Request,
        ino_in: INodeNo,
        _: FileHandle,
        offset_in: u64,
        ino_out: INodeNo,
        _: FileHandle,
        offset_out: u64,
        len: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        if split(ino_in).0 != split(ino_out).0 {
            return reply.error(Errno::EXDEV);
        }
        let to = split(ino_out).1;
        let count = len.min(1 << 20) as usize;
        let copied = self.ask(ino_in, |disk, from| {
            let bytes = disk.read(from, offset_in, count)?;
            if !bytes.is_empty() {
                disk.write(to, offset_out, &bytes)?;
            }
            Ok(bytes.len())
        });
        answer!(reply, copied, count => reply.written(count as u32));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let done = self.ask(ino, |disk, file| disk.sync_file(file));
        answer!(reply, done, _done => reply.ok());
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let done = self.ask(ino, |disk, folder| disk.sync_folder(folder));
        answer!(reply, done, _done => reply.ok());
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let (number, _) = split(ino);
        let listed = match self.ask(ino, |disk, folder| disk.list(folder)) {
            Ok(listed) => listed,
            Err(error) => return reply.error(error),
        };
        for (place, (name, node)) in listed.into_iter().enumerate().skip(offset as usize) {
            let next = place as u64 + 1;
            let child = INodeNo(inode(number, node));
            let kind = self.attributes(child).map_or(FileType::RegularFile, |found| found.kind);
            if reply.add(child, next, kind, name) {
                break;
            }
        }
        reply.ok();
    }
}

#!/usr/bin/env python3
"""A second implementation of FORMAT.md: verifies logs with nothing but the standard library.

    verify_log.py [--key-file FILE]... DIRECTORY...

Prints one line per directory:

    verified <records> <segments> <torn bytes> <anchor>
    corrupt <segment> <offset>
    unchecked <why>

Exit status: 0 when all are verified, 1 when one is corrupt, 2 when one could not be checked.
It was written from FORMAT.md and shares no code with the crate.
"""

import binascii
import hashlib
import hmac
import os
import re
import struct
import sys

MAGIC = bytes.fromhex("8943574c0d0a1a0a")
HEADER = struct.Struct("<8sHBBI16sQQQQII32s8s32s")
FRAME = struct.Struct("<IBBHQ")
DATA, MARK, SEAL, KEY_CHANGE, LOG_START = 1, 2, 3, 4, 5


class Corrupt(Exception):
    pass


class Unchecked(Exception):
    pass


class OtherKey(Unchecked):
    pass


def key_id(key):
    tag = hmac.new(key, b"calybris-wal 1 key id", hashlib.sha256).digest()
    return int.from_bytes(tag[:8], "little")


class Chain:
    """The hashes of one log under one key, or under none."""

    def __init__(self, log_id, key):
        self.log_id, self.key = log_id, key

    def hash(self, label, content):
        whole = label.ljust(48, b"\0") + self.log_id + content
        if self.key is None:
            return hashlib.sha256(whole).digest()
        return hmac.new(self.key, whole, hashlib.sha256).digest()

    def frame_at(self, data, at, limit):
        """The frame at this offset if it verifies: kind, sequence, payload, end. Else None."""
        if at + FRAME.size > len(data):
            return None
        length, kind, flags, checksum, sequence = FRAME.unpack_from(data, at)
        covered = data[at : at + 6] + data[at + 8 : at + 16]
        if binascii.crc_hqx(covered, 0xFFFF) != checksum:
            return None
        end = at + FRAME.size + length + 32
        if length > (limit if kind == DATA else 4096) or end > len(data):
            return None
        if self.hash(b"calybris-wal 1 frame", data[at - 32 : end - 32]) != data[end - 32 : end]:
            return None
        return kind, sequence, data[at + FRAME.size : end - 32], end, flags


LENGTHS = {MARK: 16, SEAL: 56, KEY_CHANGE: 8, LOG_START: 8}


def is_known(frame, *kinds):
    """Whether a frame is a control frame of one of these kinds, and of this version of the format."""
    if frame is None:
        return False
    kind, _, payload, _, flags = frame
    return kind in kinds and len(payload) == LENGTHS[kind] and not flags


def claim_of(frame, first):
    """What a mark claims; one of a sequence before the segment's first is left from another file."""
    if is_known(frame, MARK):
        sequence, offset = struct.unpack("<QQ", frame[2])
        return offset if sequence >= first else 0
    return 0


def mended_behind(chain, data, at):
    """The frame behind one that is whole but for its hash: it continues the hash that should be."""
    if at + FRAME.size > len(data):
        return None
    length, _, _, checksum, _ = FRAME.unpack_from(data, at)
    covered = data[at : at + 6] + data[at + 8 : at + 16]
    end = at + FRAME.size + length + 32
    if binascii.crc_hqx(covered, 0xFFFF) != checksum or end > len(data):
        return None
    right = chain.hash(b"calybris-wal 1 frame", data[at - 32 : end - 32])
    return chain.frame_at(right + data[end:], 32, 0)


def claims_behind(chain, data, at):
    """The greatest offset that a durable mark behind a damaged frame claims."""
    first = HEADER.unpack_from(data)[7]
    places = (p for p in range(at, len(data) - 63) if data[p : p + 5] == b"\x10\0\0\0\x02")
    frames = [chain.frame_at(data, place, 0) for place in places]
    return max(claim_of(frame, first) for frame in frames + [mended_behind(chain, data, at)])


def fits(fields, first, before, sequence):
    """Whether a header is one of this name and this place in the log."""
    if fields[7] != first:
        return False
    if before is None:
        return len({fields[6] == 0, fields[7] == 1, not any(fields[12])}) == 1
    old, seal, next_key = before
    same = all(fields[i] == old[i] for i in (1, 2, 3, 5, 8))
    follows = fields[6] == old[6] + 1 and fields[7] == sequence + 1
    return same and follows and fields[12] == seal and fields[9] == next_key


def read_header(name, data, keys, place=None):
    """The header's fields and its chain; None for a header that was not finished. Where the place
    of the segment in its log is given, the header is held against it."""
    if int(name[:20]) == 0:
        raise Corrupt(0)
    if len(data) < HEADER.size:
        return None
    fields = HEADER.unpack_from(data)
    sums_up = hashlib.sha256(MAGIC + data[8:104]).digest()[:8] == fields[13]
    if not sums_up or fields[0] != MAGIC:
        if len(data) <= HEADER.size:
            return None
        raise Corrupt(0)
    version, algorithm, codec, flags, log_id = fields[1:6]
    key, limit, reserved = fields[9], fields[10], fields[11]
    if version != 1 or algorithm not in (1, 2) or codec != 1 or flags or reserved:
        raise Unchecked("a newer format")
    if limit > 268435456:
        raise Unchecked("a record limit that is not known")
    if algorithm == 1 and key:
        raise Unchecked("the id of a key in a log without one")
    first = int(name[:20])
    if fields[7] != first or (place and not fits(fields, first, *place)):
        if len(data) <= HEADER.size:
            return None
        raise Corrupt(0)
    if algorithm == 1 and keys:
        raise Unchecked("a key for a log without one")
    if algorithm == 2 and not keys:
        raise Unchecked("no key")
    if algorithm == 2 and key not in keys:
        raise OtherKey("another key")
    chain = Chain(log_id, keys[key] if algorithm == 2 else None)
    if chain.hash(b"calybris-wal 1 segment", data[:112]) != fields[14]:
        if len(data) <= HEADER.size:
            return None
        raise Corrupt(0)
    return fields, chain


def log_start_behind(chain, data, at):
    """The greatest log start that a frame behind a damaged one names, each verified by itself."""
    frames = [chain.frame_at(data, place, 0) for place in range(at, len(data) - 55)]
    frames += [mended_behind(chain, data, at)]
    ends = [frame[2][-8:] for frame in frames if is_known(frame, SEAL, LOG_START)]
    return max([0] + [int.from_bytes(end, "little") for end in ends])


class Progress:
    """What the frames of a segment have said so far."""

    def __init__(self, fields, sequence, record_hash, start):
        self.keyed, self.next_key = fields[2] == 2, fields[9]
        self.sequence, self.record_hash, self.start = sequence, record_hash, start
        self.records, self.durable, self.durable_sequence = 0, HEADER.size, sequence
        self.seal, self.change_at = None, None

    def accept(self, frame, at, digest):
        """Takes the next frame, or raises an error where it contradicts those before it."""
        kind, found, payload, _, flags = frame
        if self.seal or (self.change_at is not None and kind != SEAL):
            raise Corrupt(at)
        if flags:
            raise Unchecked("a frame flag that is not known")
        if found != self.sequence + (kind == DATA):
            raise Corrupt(at)
        if kind in LENGTHS and len(payload) != LENGTHS[kind]:
            raise Corrupt(at)
        if kind == DATA:
            self.sequence, self.record_hash = found, digest
            self.records += 1
        elif kind == MARK:
            synced, offset = struct.unpack("<QQ", payload)
            ahead = self.durable <= offset and self.durable_sequence <= synced
            if not (ahead and offset <= at and synced <= self.sequence):
                raise Corrupt(at)
            self.durable, self.durable_sequence = offset, synced
        elif kind == SEAL:
            claimed = struct.unpack("<Q", payload[-8:])[0]
            said = struct.pack("<QQ", self.records, at) + self.record_hash
            if not (self.records and payload[:-8] == said):
                raise Corrupt(at)
            if not self.start <= claimed <= self.sequence:
                raise Corrupt(at)
            self.start, self.seal = claimed, digest
        elif kind == LOG_START:
            claimed = struct.unpack("<Q", payload)[0]
            if not self.start <= claimed <= self.sequence:
                raise Corrupt(at)
            self.start = claimed
        elif kind == KEY_CHANGE:
            if not self.keyed:
                raise Corrupt(at)
            self.change_at, self.next_key = at, struct.unpack("<Q", payload)[0]
        else:
            raise Unchecked("a frame kind that is not known")


def pass_over(data, at, limit, said):
    """Where the frame ends that begins here, if it is the next record or a mark, whose hash is not
    looked at. Else None."""
    if at + FRAME.size > len(data):
        return None
    length, kind, flags, checksum, sequence = FRAME.unpack_from(data, at)
    covered = data[at : at + 6] + data[at + 8 : at + 16]
    end = at + FRAME.size + length + 32
    if binascii.crc_hqx(covered, 0xFFFF) != checksum or end > len(data) or flags:
        return None
    if kind == DATA and length <= limit and sequence == said.sequence + 1:
        said.sequence, said.records = sequence, said.records + 1
        said.record_hash = data[end - 32 : end]
        return end
    return end if kind == MARK and length <= 4096 and sequence == said.sequence else None


def log_start_said(fields, chain, data):
    """What the frames from the header on say, in their order, of the log's start. Records and marks
    are passed over."""
    at, said = HEADER.size, Progress(fields, fields[7] - 1, fields[14], 1)
    while at < len(data):
        passed = pass_over(data, at, fields[10], said)
        if passed is not None:
            at = passed
            continue
        frame = chain.frame_at(data, at, fields[10])
        try:
            if frame is None:
                raise Corrupt(at)
            said.accept(frame, at, data[frame[3] - 32 : frame[3]])
        except Corrupt:
            behind = at if said.change_at is None or said.seal else said.change_at
            return max(said.start, log_start_behind(chain, data, behind))
        at = frame[3]
    return said.start


def read_part(part, keys):
    """The header of a segment wherever it stands in the log; None for one that was not finished."""
    try:
        return read_header(*part, keys)
    except Corrupt:
        return "damaged"


def place_of(part, keys):
    """The index in a header and the log's id, which no key is needed for if there is one of the log."""
    try:
        header = read_part(part, keys)
    except OtherKey:
        header = (HEADER.unpack_from(part[1]), None)
    return (header[0][6], header[0][5]) if isinstance(header, tuple) else header


def is_gapless(parts, keys):
    """Whether none is missing between the first and the last; what is not known is left to whoever
    reads them in order."""
    if len(parts) <= 1:
        return True
    try:
        first = place_of(parts[0], keys)
        if not isinstance(first, tuple):
            return False
        last = place_of(parts[-1], keys)
    except Unchecked:
        return True
    if last is None:
        return is_gapless(parts[:-1], keys)
    return last == (first[0] + len(parts) - 1, first[1])


def without_dropped(directory, names, keys):
    """The names from the first segment on that the log begins with, where a gap stands before it."""
    parts = []
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            parts.append((name, file.read()))
    if is_gapless(parts, keys):
        return names
    start = 1
    for part in reversed(parts):
        header = read_part(part, keys)
        if isinstance(header, tuple) and start == 1:
            start = log_start_said(*header, part[1])
        if start > 1:
            break
    firsts = [int(name[:20]) for name in names]
    # Where the log does not say that something was dropped, all of them belong to it.
    if start == 1 or start not in firsts:
        return names
    kept = firsts.index(start)
    while kept > 0 and continues(parts[kept - 1], parts[kept], keys):
        kept -= 1
    return names[kept:]


def continues(before, after, keys):
    """Whether a segment is the one that the seal of another names."""
    try:
        header, next_header = read_part(before, keys), read_part(after, keys)
    except Unchecked:
        return False
    data = before[1]
    if not isinstance(header, tuple) or len(data) < HEADER.size + 104:
        return False
    (fields, chain), next_first = header, int(after[0][:20])
    seal = chain.frame_at(data, len(data) - 104, 0)
    if not is_known(seal, SEAL):
        return False
    records, size = struct.unpack("<QQ", seal[2][:16])
    if size != len(data) - 104 or fields[7] + records != next_first:
        return False
    if not isinstance(next_header, tuple):
        return next_header is None
    change = chain.frame_at(data, len(data) - 160, 0) if len(data) >= HEADER.size + 160 else None
    next_key = fields[9]
    if is_known(change, KEY_CHANGE) and fields[2] == 2:
        next_key = int.from_bytes(change[2], "little")
    return fits(next_header[0], next_first, (fields, data[-32:], next_key), next_first - 1)


def verify(directory, keys, visit=None):
    """The line that says what a log is. Each record is handed to `visit` once its hash has verified:
    the log's schema id, whether it is the first of its segment, its sequence, payload and hash."""
    try:
        names = sorted(n for n in os.listdir(directory) if re.fullmatch(r"\d{20}\.cwal", n))
    except FileNotFoundError:
        raise Unchecked("no log")
    if not names:
        raise Unchecked("no log")
    names = without_dropped(directory, names, keys)
    sequence, record_hash, before, torn, start = 0, None, None, 0, 1
    records_in_all = 0
    for number, name in enumerate(names):
        last = number == len(names) - 1
        first = int(name[:20])
        if before is not None and first != sequence + 1:
            raise Corrupt(min(first, sequence + 1), 0)
        try:
            with open(os.path.join(directory, name), "rb") as file:
                data = file.read()
            header = read_header(name, data, keys, (before, sequence))
            if header is None:
                if not last:
                    raise Corrupt(0)
                if number == 0:
                    if first > 1:
                        raise Corrupt(1, 0)
                    raise Unchecked("no record")
                number, torn = number - 1, len(data)
                break
            fields, chain = header
            if before is None:
                sequence, record_hash = first - 1, fields[14]
            at, progress = HEADER.size, Progress(fields, sequence, record_hash, start)
            while True:
                frame = chain.frame_at(data, at, fields[10])
                if frame is None:
                    if progress.change_at is not None and not progress.seal:
                        at, progress.next_key = progress.change_at, fields[9]
                    if at == len(data):
                        break
                    claimed = max(progress.durable, claims_behind(chain, data, at))
                    if not last or at < claimed:
                        raise Corrupt(at)
                    kept_from = int(names[0][:20])
                    if progress.start < kept_from <= log_start_behind(chain, data, at):
                        raise Corrupt(at)
                    if not any(data[at:]):
                        break
                    if progress.seal:
                        raise Corrupt(at)
                    torn = len(data) - at
                    break
                progress.accept(frame, at, data[frame[3] - 32 : frame[3]])
                if visit and frame[0] == DATA:
                    is_first = progress.records == 1
                    visit(fields[8], is_first, progress.sequence, frame[2], progress.record_hash)
                at = frame[3]
            sequence, record_hash, start = progress.sequence, progress.record_hash, progress.start
            records_in_all += progress.records
            seal, next_key = progress.seal, progress.next_key
            if not last and not seal:
                raise Corrupt(at)
            before = fields, seal, next_key
        except Corrupt as error:
            raise Corrupt(*(first, *error.args)[-2:])
    if int(names[0][:20]) > start:
        raise Corrupt(start, 0)
    if records_in_all == 0:
        raise Unchecked("no record")
    log_id = before[0][5].hex()
    return f"{records_in_all} {number + 1} {torn} cwal1:{log_id}:{sequence}:{record_hash.hex()}"


def read_keys(arguments):
    """The keys that the arguments begin with, by their ids; and the other arguments."""
    keys = {}
    while arguments and arguments[0] == "--key-file":
        with open(arguments[1], "rb") as file:
            key = file.read()
        keys[key_id(key)] = key
        arguments = arguments[2:]
    return keys, arguments


def main(arguments):
    keys, arguments = read_keys(arguments)
    status = 0
    for directory in arguments:
        try:
            print("verified", verify(directory, keys))
        except Corrupt as error:
            print("corrupt", *error.args)
            status = max(status, 1)
        except Unchecked as error:
            print("unchecked", error)
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

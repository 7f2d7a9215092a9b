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
        if (kind == DATA and length > limit) or end > len(data):
            return None
        if self.hash(b"calybris-wal 1 frame", data[at - 32 : end - 32]) != data[end - 32 : end]:
            return None
        if flags:
            raise Unchecked("a frame flag that is not known")
        return kind, sequence, data[at + FRAME.size : end - 32], end


def claim_of(frame, first):
    """What a mark claims; one of a sequence before the segment's first is left from another file."""
    if frame and frame[0] == MARK and len(frame[2]) == 16:
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
    if place and not fits(fields, int(name[:20]), *place):
        if len(data) <= HEADER.size:
            return None
        raise Corrupt(0)
    if algorithm == 1 and keys:
        raise Unchecked("a key for a log without one")
    if algorithm == 2 and key not in keys:
        raise Unchecked("another key, or none")
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
    ends = [frame[2][-8:] for frame in frames if frame and frame[0] in (SEAL, LOG_START)]
    return max([0] + [int.from_bytes(end, "little") for end in ends])


def log_start_said(chain, data, limit, start):
    """What the frames from the header on say, in their order, of the log's start."""
    at = HEADER.size
    while at < len(data):
        frame = chain.frame_at(data, at, limit)
        if frame is None:
            return max(start, log_start_behind(chain, data, at))
        if frame[0] in (SEAL, LOG_START):
            start = max(start, int.from_bytes(frame[2][-8:], "little"))
        at = frame[3]
    return start


def without_dropped(directory, names, keys):
    """The names from the first segment on that the log begins with, where a gap stands before it."""
    parts = []
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            data = file.read()
        try:
            parts.append((int(name[:20]), data, read_header(name, data, keys)))
        except Corrupt:
            parts.append((int(name[:20]), data, "damaged"))
    begun = parts[:]
    while begun and begun[-1][2] is None:
        begun.pop()
    if len(begun) <= 1:
        return names
    ends = [part[2] for part in (begun[0], begun[-1])]
    if all(isinstance(header, tuple) for header in ends):
        if ends[1][0][6] - ends[0][0][6] == len(begun) - 1:
            return names
    start = 1
    for _, data, header in reversed(parts):
        if isinstance(header, tuple) and start == 1:
            start = log_start_said(header[1], data, header[0][10], 1)
    firsts = [part[0] for part in parts]
    if start not in firsts:
        return names
    kept = firsts.index(start)
    while kept > 0 and continues(parts[kept - 1], parts[kept]):
        kept -= 1
    return names[kept:]


def continues(before, after):
    """Whether a segment is the one that the seal of another names."""
    first, data, header = before
    if not isinstance(header, tuple) or not isinstance(after[2], tuple):
        return False
    if len(data) < HEADER.size + 104:
        return False
    seal = header[1].frame_at(data, len(data) - 104, 0)
    return (
        seal is not None
        and seal[0] == SEAL
        and first + int.from_bytes(seal[2][:8], "little") == after[0]
        and after[2][0][7] == after[0]
        and after[2][0][12] == data[-32:]
    )


def verify(directory, keys):
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
        try:
            with open(os.path.join(directory, name), "rb") as file:
                data = file.read()
            header = read_header(name, data, keys, (before, sequence))
            if header is None:
                if not last:
                    raise Corrupt(0)
                if number == 0:
                    if first != 1:
                        raise Corrupt(0)
                    raise Unchecked("no record")
                number, torn = number - 1, len(data)
                break
            fields, chain = header
            if before is None:
                sequence, record_hash = first - 1, fields[14]
            at, records, durable, durable_sequence = HEADER.size, 0, HEADER.size, sequence
            seal, next_key = None, fields[9]
            change_at = None
            while True:
                frame = chain.frame_at(data, at, fields[10])
                if frame is None:
                    if change_at is not None and not seal:
                        at, next_key = change_at, fields[9]
                    if at == len(data):
                        break
                    claimed = max(durable, claims_behind(chain, data, at))
                    if not last or at < claimed:
                        raise Corrupt(at)
                    kept_from = int(names[0][:20])
                    if start < kept_from <= log_start_behind(chain, data, at):
                        raise Corrupt(at)
                    if not any(data[at:]):
                        break
                    if seal:
                        raise Corrupt(at)
                    torn = len(data) - at
                    break
                kind, found, payload, end = frame
                if seal or (change_at is not None and kind != SEAL):
                    raise Corrupt(at)
                if found != sequence + (kind == DATA):
                    raise Corrupt(at)
                if kind == DATA:
                    sequence, records, record_hash = found, records + 1, data[end - 32 : end]
                    records_in_all += 1
                elif kind == MARK:
                    synced, offset = struct.unpack("<QQ", payload)
                    if not (durable <= offset <= at and durable_sequence <= synced <= sequence):
                        raise Corrupt(at)
                    durable, durable_sequence = offset, synced
                elif kind == SEAL:
                    if payload[:-8] != struct.pack("<QQ", records, at) + record_hash:
                        raise Corrupt(at)
                    claimed = struct.unpack("<Q", payload[-8:])[0]
                    if claimed < start:
                        raise Corrupt(at)
                    start = claimed
                    seal = data[end - 32 : end]
                elif kind == LOG_START:
                    claimed = struct.unpack("<Q", payload)[0]
                    if not start <= claimed <= sequence:
                        raise Corrupt(at)
                    start = claimed
                elif kind == KEY_CHANGE:
                    if fields[2] != 2:
                        raise Corrupt(at)
                    change_at, next_key = at, struct.unpack("<Q", payload)[0]
                else:
                    raise Unchecked("a frame kind that is not known")
                at = end
            if not last and not seal:
                raise Corrupt(at)
            before = fields, seal, next_key
        except Corrupt as error:
            raise Corrupt(first, error.args[0])
    if int(names[0][:20]) > start:
        raise Corrupt(start, 0)
    if records_in_all == 0:
        raise Unchecked("no record")
    log_id = before[0][5].hex()
    return f"{records_in_all} {number + 1} {torn} cwal1:{log_id}:{sequence}:{record_hash.hex()}"


def main(arguments):
    keys, status = {}, 0
    while arguments and arguments[0] == "--key-file":
        with open(arguments[1], "rb") as file:
            key = file.read()
        keys[key_id(key)] = key
        arguments = arguments[2:]
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

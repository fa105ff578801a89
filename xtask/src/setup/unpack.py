"""Checks a wheel's SHA-256 and unpacks some of its members; `cargo xtask setup` calls it.

Usage: unpack.py WHEEL SHA256 DESTINATION MEMBER=FOLDER...

A MEMBER that ends with a slash is a whole folder; FOLDER is relative to DESTINATION. The exit status is
3 if the hash is wrong (then the real one is printed), 4 if reading or writing failed, 5 if a member is
missing.
"""

import hashlib
import os
import shutil
import sys
import zipfile

CHUNK = 1 << 20


def main():
    wheel, expected, destination = sys.argv[1:4]
    actual = sha256(wheel)
    if actual != expected:
        print(actual)
        return 3
    with zipfile.ZipFile(wheel) as archive:
        members = list(choose(archive, [rule.split("=", 1) for rule in sys.argv[4:]]))
        total = sum(info.file_size for info, _ in members)
        done = 0
        for info, place in members:
            path = os.path.join(destination, place)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(info) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
            before, done = done, done + info.file_size
            if done == total or done // (16 * CHUNK) > before // (16 * CHUNK):
                progress(done, total)
    return 0


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(CHUNK), b""):
            digest.update(block)
    return digest.hexdigest()


def choose(archive, rules):
    """Yields each wanted member with its place under the destination."""
    for name, folder in rules:
        found = False
        for info in archive.infolist():
            if info.is_dir():
                continue
            if info.filename == name:
                place = os.path.basename(name)
            elif name.endswith("/") and info.filename.startswith(name):
                place = info.filename[len(name):]
            else:
                continue
            found = True
            yield info, os.path.join(folder, place)
        if not found:
            print(name)
            sys.exit(5)


def progress(done, total):
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r     unpacked {done / 1e6:.0f} of {total / 1e6:.0f} MB{end}")
        sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        print(error)
        sys.exit(4)

"""The files in a folder, a tar or a zip archive, by name. What cannot be read is named, never passed over in silence.

Nothing is unpacked to disk.
"""

import bz2
import contextlib
import functools
import gzip
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from pipeline.files.errors import UserError
from pipeline.files.names import printable
from pipeline.images.folders import EMPTY, walk

# How to read a file, or why it cannot be read.
_Content = Callable[[], bytes] | str

_DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"]\0\0\x80": lzma.open,
}
# What the libraries raise for damaged archives; a RuntimeError for a zip archive with a password.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, ValueError, RuntimeError, IndexError, struct.error),
)
# Of a zip archive's member: that its name is UTF-8, and the extra field that holds another name in UTF-8.
_UTF8_FLAG, _UNICODE_PATH = 0x800, 0x7075


def read(
    path: Path,
    choose: Callable[[Collection[PurePosixPath]], Collection[PurePosixPath]],
    enter: Callable[[PurePosixPath], bool] = lambda folder: True,
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Name and content of each file of ``path`` that ``choose`` picks from the names of all, in no certain order.

    ``path`` is an archive, or a folder, of which only such folders are looked into as ``enter`` accepts. Links are
    followed in a folder, hard links in an archive. Raises :class:`UserError` that names the archive where it is
    damaged, or the file that cannot be read: a chosen one, or any where nothing is chosen.
    """
    try:
        with _contents(path, enter) as contents:
            chosen = choose(contents.keys())
            for name, problem in contents.items():
                if isinstance(problem, str) and (name in chosen or not (chosen or problem == EMPTY)):
                    raise UserError(f"{printable(str(path / name))}: {problem}")
            for name, content in contents.items():
                if name in chosen and not isinstance(content, str):
                    yield name, content()
    except OSError as error:
        raise UserError(f"{printable(str(error.filename or path))}: {error.strerror or error}") from None
    except _DAMAGE as error:
        raise UserError(f"{path}: not a readable tar or zip archive ({error})") from None


@contextlib.contextmanager
def _contents(path: Path, enter: Callable[[PurePosixPath], bool]) -> Iterator[dict[PurePosixPath, _Content]]:
    def name(file: Path) -> PurePosixPath:
        return PurePosixPath(file.relative_to(path))

    if path.is_dir():
        yield {name(file): problem or file.read_bytes for file, problem in walk(path, lambda file: enter(name(file)))}
        return
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        with zipfile.ZipFile(path) as archive:
            yield _zipped(archive, path)
        return
    decompress = next((opener for magic, opener in _DECOMPRESSORS.items() if start.startswith(magic)), None)
    with (
        decompress(path) if decompress else path.open("rb") as stream,
        tarfile.open(fileobj=stream, mode="r:", tarinfo=_Header) as tar,
    ):
        yield _tarred(tar, stream)


def _zipped(archive: zipfile.ZipFile, path: Path) -> dict[PurePosixPath, _Content]:
    # The last record counts the members, which zipfile does not check; of 65,535 or more it does not tell the number.
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, 1 << 17), os.SEEK_END)
        tail = file.read()
    (count,) = struct.unpack_from("<H", tail, tail.rfind(b"PK\5\6") + 10)
    members = archive.infolist()
    if count not in (len(members), 0xFFFF):
        raise zipfile.BadZipFile(f"{len(members)} of {count} members are listed")
    # Another archive before this one moves all its members.
    if members and min(member.header_offset for member in members) > 0:
        raise zipfile.BadZipFile("bytes before its first member")
    contents: dict[PurePosixPath, _Content] = {}
    folders = []
    for member in members:
        name = PurePosixPath(_zip_name(member))
        if not name.parts or "\0" in member.orig_filename:
            raise zipfile.BadZipFile(f"a member named {member.orig_filename!r}")
        if name in contents:
            raise zipfile.BadZipFile(f"two members named {printable(str(name))}")
        if member.is_dir():
            folders.append(name)
        elif stat.S_ISLNK(member.external_attr >> 16):
            contents[name] = "a symbolic link within an archive"
        else:
            contents[name] = functools.partial(archive.read, member)
    return _empty(folders, contents) | contents


def _zip_name(member: zipfile.ZipInfo) -> str:
    """The name of a member, which archivers write as UTF-8, and not all of them say so."""
    if member.flag_bits & _UTF8_FLAG:
        return member.filename
    extra, place = member.extra, 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        if kind == _UNICODE_PATH and size > 5:
            # Behind a version and a checksum.
            return extra[place + 9 : place + 4 + size].decode()
        place += 4 + size
    # What zipfile took for the code page of DOS.
    raw = member.filename.encode("cp437")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return member.filename


def _tarred(tar: tarfile.TarFile, stream: IO[bytes]) -> dict[PurePosixPath, _Content]:
    """In the order of the contents, so that a compressed archive is read in one go."""
    places: dict[PurePosixPath, tarfile.TarInfo | str] = {}
    for member in tar.getmembers():
        name, target = PurePosixPath(member.name), PurePosixPath(member.linkname)
        if not name.parts and not member.isdir():
            raise tarfile.ReadError(f"a member named {member.name!r}")
        # A later member of the same name counts, as it does when an archive is unpacked.
        if member.isreg():
            places[name] = member
        elif member.islnk():
            places[name] = places.get(target, f"a hard link to {target}, which is not before it in the archive")
        elif not member.isdir():
            places[name] = "neither a file nor a folder"
            if member.issym():
                advice = "'tar --dereference' packs the files that links lead to"
                places[name] = f"a symbolic link to {target}, within an archive; {advice}"
    while rest := stream.read(1 << 20):
        if rest.strip(b"\0"):
            raise tarfile.ReadError("bytes after its end mark")

    @functools.lru_cache(maxsize=1)
    def content(member: tarfile.TarInfo) -> bytes:
        file = tar.extractfile(member)
        assert file is not None
        return file.read()

    ordered = sorted(places.items(), key=lambda item: -1 if isinstance(item[1], str) else item[1].offset_data)
    folders = [PurePosixPath(member.name) for member in tar.getmembers() if member.isdir()]
    return _empty(folders, places) | {
        name: place if isinstance(place, str) else functools.partial(content, place) for name, place in ordered
    }


def _empty(folders: Iterable[PurePosixPath], files: Iterable[PurePosixPath]) -> dict[PurePosixPath, _Content]:
    """Those of ``folders`` that hold neither one of ``files`` nor another folder."""
    full = {parent for name in (*files, *folders) for parent in name.parents}
    return dict.fromkeys(set(folders) - full, EMPTY)


class _Header(tarfile.TarInfo):
    """A member's header. A damaged or missing one is an error, where tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {tar.offset}") from None

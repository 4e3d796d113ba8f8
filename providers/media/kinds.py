"""What a file is, by its first bytes: its name and what a data URL claims are not asked."""

HEAD_BYTES = 4096

JPEG, PNG, WEBP, GIF = "image/jpeg", "image/png", "image/webp", "image/gif"
BMP, TIFF = "image/bmp", "image/tiff"
PICTURE_TYPES = (JPEG, PNG, WEBP, GIF, BMP, TIFF)
PICTURES_TAKEN = "JPEG, PNG, WebP, GIF, BMP and TIFF are taken"
CLIPS_TAKEN = "MP4, QuickTime, WebM, Matroska, AVI, MPEG, FLV, Ogg, ASF, GIF and APNG are taken"

# The demuxer is named, never guessed: some that guessing finds (playlists) would open further files by themselves.
DEMUXERS = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "video/x-msvideo": "avi",
    "video/mp2t": "mpegts",
    "video/mpeg": "mpeg",
    "video/x-flv": "flv",
    "video/ogg": "ogg",
    "video/x-ms-asf": "asf",
    GIF: "gif",
    PNG: "apng",
}

_MAGIC = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"FLV\x01", "video/x-flv"),
    (b"OggS", "video/ogg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
)
_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "gzip"),
    (b"\0\0\x01\0", "an icon"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "a Photoshop file"),
    (b"#EXTM3U", "a playlist"),
    (b"ID3", "MP3 sound"),
    (b"fLaC", "FLAC sound"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself: run git lfs pull"),
)
_STILL_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF"}


def type_of(head: bytes) -> str | None:
    """The type of a picture or clip by its first bytes (4 KiB of them); None where it is no type known here."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return BMP
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[4:8] == b"ftyp":
        return _type_of_brand(head[8:12])
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "video/quicktime"
    if head[:1] == b"G" and head[188:189] == b"G" and head[376:377] in (b"G", b""):
        return "video/mp2t"
    return None


def _type_of_brand(brand: bytes) -> str | None:
    if brand in _STILL_BRANDS:
        return None
    return "video/quicktime" if brand == b"qt  " else "video/mp4"


def looks_like(head: bytes) -> str:
    """What a file seems to be that is none of the types known here, in a few words."""
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return _STILL_BRANDS[head[8:12]]
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if b"<svg" in start or (start.startswith(b"<?xml") and b"<svg" in head.lower()):
        return "SVG"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "a web page or XML"
    if (kind := type_of(head)) is not None:
        return kind
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:64]):
        return f"text that starts {head[:24].decode('ascii')!r}"
    return f"a file that starts {head[:8].hex(' ')}"

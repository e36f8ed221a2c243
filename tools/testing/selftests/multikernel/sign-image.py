#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Sign a kernel image, as one for UEFI Secure Boot is signed (Authenticode).
#
#	sign-image.py IMAGE TARGET [KEY CERTIFICATE]
#
# Signatures that IMAGE has are left out. KEY and CERTIFICATE are in PEM, of RSA;
# without them TARGET is not signed. It needs openssl.
#
# The digest is that of the file without the checksum, the entry of the directory
# that names the signatures, and these; the signature is a PKCS#7 message about it
# at the end of the file.
import hashlib
import struct
import subprocess
import sys

CERTIFICATES = 4  # in the directory of the optional header

SIGNED_DATA = "1.2.840.113549.1.7.2"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
RSA = "1.2.840.113549.1.1.1"
SHA256 = "2.16.840.1.101.3.4.2.1"
INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
PE_IMAGE_DATA = "1.3.6.1.4.1.311.2.1.15"


# ---- DER ------------------------------------------------------------------

def der(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def sequence(*parts):
    return der(0x30, *parts)


def set_of(*parts):
    return der(0x31, *sorted(parts))


def octets(data):
    return der(0x04, data)


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(text):
    first, second, *rest = map(int, text.split("."))
    body = bytes([40 * first + second])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | number & 0x7F)
        body += bytes(reversed(digits))
    return der(0x06, body)


def algorithm(text):
    return sequence(oid(text), der(0x05))


def elements(data):
    """The elements that follow each other, each as (tag, whole, body)."""
    while data:
        length, start = data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        yield data[0], data[:start + length], data[start:start + length]
        data = data[start + length:]


def issuer_and_serial(certificate):
    (_, _, body), = elements(certificate)
    _, _, signed = next(elements(body))
    fields = [field for field in elements(signed) if field[0] != 0xA0]
    serial, _, issuer = fields[:3]
    return sequence(issuer[1], serial[1])


# ---- the image --------------------------------------------------------------

class Image:
    def __init__(self, data):
        self.data = bytearray(data)
        header, = struct.unpack_from("<I", data, 0x3C)
        if data[:2] != b"MZ" or data[header:header + 4] != b"PE\0\0":
            sys.exit("it is no PE image: the kernel has no CONFIG_EFI_STUB")
        optional = header + 24
        if struct.unpack_from("<H", data, optional)[0] != 0x20B:
            sys.exit("it is no 64-bit PE image")
        self.checksum = optional + 64
        self.header_size, = struct.unpack_from("<I", data, optional + 60)
        count, = struct.unpack_from("<I", data, optional + 108)
        if count <= CERTIFICATES:
            sys.exit("its directory has no entry for signatures")
        self.entry = optional + 112 + 8 * CERTIFICATES
        start, size = struct.unpack_from("<II", data, self.entry)
        if start:
            if start + size != len(data):
                sys.exit("its signatures are not at its end")
            del self.data[start:]
            self.data[self.entry:self.entry + 8] = bytes(8)
        table = optional + 112 + 8 * count
        sections, = struct.unpack_from("<H", data, header + 6)
        self.sections = sorted(struct.unpack_from("<II", data, table + 40 * n + 16)[::-1]
                               for n in range(sections))
        # What is added is aligned so.
        self.data += bytes(-len(self.data) % 8)

    def digest(self):
        data, entry = self.data, self.entry
        digest = hashlib.sha256(data[:self.checksum])
        digest.update(data[self.checksum + 4:entry])
        digest.update(data[entry + 8:self.header_size])
        hashed = self.header_size
        for start, size in self.sections:
            digest.update(data[start:start + size])
            hashed += size
        digest.update(data[hashed:])
        return digest.digest()

    def add(self, message):
        message += bytes(-len(message) % 8)
        # Of revision 2, in PKCS#7.
        wrapped = struct.pack("<IHH", 8 + len(message), 0x200, 2) + message
        struct.pack_into("<II", self.data, self.entry, len(self.data), len(wrapped))
        self.data += wrapped


def message(image, key, certificate):
    # No flags, and an empty name of a file.
    kind = sequence(oid(PE_IMAGE_DATA),
                    sequence(der(0x03, b"\0"), der(0xA0, der(0xA2, der(0x80)))))
    content = kind + sequence(algorithm(SHA256), octets(image.digest()))
    attributes = set_of(
        sequence(oid(CONTENT_TYPE), set_of(oid(INDIRECT_DATA))),
        sequence(oid(MESSAGE_DIGEST), set_of(octets(hashlib.sha256(content).digest()))),
    )
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=attributes,
                               stdout=subprocess.PIPE, check=True).stdout
    signer = sequence(
        integer(1),
        issuer_and_serial(certificate),
        algorithm(SHA256),
        # The same set, with the tag that it has here.
        b"\xa0" + attributes[1:],
        algorithm(RSA),
        octets(signature),
    )
    signed = sequence(
        integer(1),
        set_of(algorithm(SHA256)),
        sequence(oid(INDIRECT_DATA), der(0xA0, sequence(content))),
        der(0xA0, certificate),
        set_of(signer),
    )
    return sequence(oid(SIGNED_DATA), der(0xA0, signed))


def main():
    if len(sys.argv) not in (3, 5):
        sys.exit("usage: sign-image.py IMAGE TARGET [KEY CERTIFICATE]")
    with open(sys.argv[1], "rb") as file:
        image = Image(file.read())
    if len(sys.argv) == 5:
        key, pem = sys.argv[3:]
        certificate = subprocess.run(["openssl", "x509", "-in", pem, "-outform", "DER"],
                                     stdout=subprocess.PIPE, check=True).stdout
        image.add(message(image, key, certificate))
    with open(sys.argv[2], "wb") as file:
        file.write(image.data)


main()

"""A small writer of DER, and of what should not be DER."""

SEQUENCE, SET, INTEGER, BITS, OCTETS, NULL, OID, BOOLEAN = 0x30, 0x31, 0x02, 0x03, 0x04, 0x05, 0x06, 0x01
UTF8, PRINTABLE, T61, IA5, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1E
DNS_NAME = 0x82


def element(tag, *parts):
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts):
    return element(SEQUENCE, *parts)


def integer(number):
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def bits(octets, unused=0):
    return element(BITS, bytes([unused]), octets)


def octets(content):
    return element(OCTETS, content)


def null():
    return element(NULL)


def boolean(octet=0xFF):
    return element(BOOLEAN, bytes([octet]))


def oid(dotted):
    arcs = [int(arc) for arc in dotted.split(".")]
    content = b""
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        content += bytes(reversed(groups))
    return element(OID, content)


def deep(levels):
    inner = b""
    for _ in range(levels):
        inner = element(SEQUENCE, inner)
    return inner


# ---- the parts of a CSR

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
SAN, KEY_USAGE, PURPOSES, CONSTRAINTS = "2.5.29.17", "2.5.29.15", "2.5.29.37", "2.5.29.19"


def algorithm(dotted, parameters=b""):
    return sequence(oid(dotted), parameters)


def dns(name):
    return element(DNS_NAME, name if isinstance(name, bytes) else name.encode())


def extension(dotted, value, critical=b""):
    return sequence(oid(dotted), critical, octets(value))


def san(*names):
    return extension(SAN, sequence(*names))


def attribute(dotted, *values):
    return sequence(oid(dotted), element(SET, *values))


def request(*extensions):
    return attribute(EXTENSION_REQUEST, sequence(*extensions))


def pair(last_arc, text, string=UTF8):
    dotted = last_arc if isinstance(last_arc, str) else f"2.5.4.{last_arc}"
    return sequence(oid(dotted), element(string, text if isinstance(text, bytes) else text.encode()))


def rdn(*pairs):
    return element(SET, *pairs)

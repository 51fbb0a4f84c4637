"""CSRs that are wrong in one place each, signed by a good key wherever that can be. The first number of a file's name is
the rule that it breaks, by docs/csr-gate.md."""

from functools import partial

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import keys
from der import *
from keys import Ec, ec_spki, rsa_spki

NAME = "xi8qz.fleet.test"
KEY = Ec("the device")
EMPTY = sequence()


def csr(key=KEY, version=integer(0), subject=EMPTY, spki=None, attributes=None, after_info=b"", identifier=None,
        signature=None, after_signature=b"", digest="sha256", no_attributes=False):
    """A good CSR, and whatever is given in place of its parts."""
    if attributes is None:
        attributes = [request(san(dns(NAME)))]
    field = b"" if no_attributes else element(0xA0, *attributes)
    info = sequence(version, subject, key.spki if spki is None else spki, field, after_info)
    signature = key.sign(info, digest) if signature is None else signature
    identifier = key.identifier(digest) if identifier is None else identifier
    return sequence(info, identifier, bits(signature), after_signature)


def names(*parts, **other):
    return csr(attributes=[request(san(*parts))], **other)


def extensions(*parts, **other):
    return csr(attributes=[request(*parts)], **other)


def one_more(dotted, value, critical=b""):
    return extensions(san(dns(NAME)), extension(dotted, value, critical))


def subject(*rdns):
    return csr(subject=sequence(*rdns))


def pem(der, label="CERTIFICATE REQUEST"):
    import base64
    text = base64.b64encode(der).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def rows(add):
    input_and_encoding(add)
    version_and_signature(add)
    ec_keys(add)
    rsa_keys(add)
    keys_in_use(add)
    attributes_and_extensions(add)
    alternative_names(add)
    subjects(add)
    names_as_text(add)
    grants(add)


def input_and_encoding(add):
    good = csr()
    add("01-too-large", "csr_too_large", "17 KiB", good + b"\0" * (17 * 1024 - len(good)))
    add("01-too-large-text", "csr_too_large", "17 KiB of text before a good one", b"#" * 17 * 1024 + pem(good))
    add("01-two-blocks", "csr_not_pem", "two PEM blocks", pem(good) + pem(good))
    add("01-certificate-label", "csr_not_pem", "labelled CERTIFICATE", pem(good, "CERTIFICATE"))
    add("01-cut-off", "csr_not_pem", "no END line", pem(good)[:-30])
    add("01-not-base64", "csr_not_pem", "an exclamation mark in the base64", pem(good).replace(b"M", b"!", 1))
    add("01-empty", "csr_not_der", "no byte at all", b"")
    add("01-html", "csr_not_pem", "a page of HTML", b"<html><body>504 Gateway Time-out</body></html>\n")
    add("01-bare-base64", "csr_not_pem", "base64 without PEM lines", b"".join(pem(good).split(b"\n")[1:-2]))
    add("01-private-key-pem", "private_key_sent", "PKCS #8 in PEM", KEY.pem())
    add("01-private-key-after", "private_key_sent", "a CSR and then its key", pem(good) + KEY.pem())
    key = KEY.private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    add("01-private-key-der", "private_key_sent", "PKCS #8 in DER", key)
    add("01-private-key-label", "private_key_sent", "PKCS #8 labelled CERTIFICATE REQUEST", pem(key))
    traditional = KEY.private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    add("01-private-key-sec1", "private_key_sent", "RFC 5915 in DER", traditional)

    rsa = serialization.load_pem_private_key(keys.sound("rsa", 2048).pem(), None).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    add("01-private-key-pkcs1", "private_key_sent", "RFC 8017 in DER", rsa)

    assert good[1] == 0x81
    add("02-indefinite", "csr_not_der", "indefinite length", b"\x30\x80" + good[3:] + b"\0\0")
    add("02-long-length", "csr_not_der", "length in four octets, not minimal", b"\x30\x84\0\0\0" + good[2:])
    add("02-long-length-inside", "csr_not_der", "the subject's length in two octets",
        csr(subject=b"\x30\x81\x00"))
    add("02-integer-padded", "csr_not_der", "version 0 in two octets", csr(version=b"\x02\x02\0\0"))
    add("02-boolean-one", "csr_not_der", "criticality TRUE as 01",
        one_more(KEY_USAGE, b"\x03\x02\x07\x80", boolean(1)))
    add("02-critical-false", "csr_not_der", "criticality FALSE written out",
        one_more(KEY_USAGE, b"\x03\x02\x07\x80", boolean(0)))
    add("02-constructed-string", "csr_not_der", "a string in pieces",
        subject(element(SET, sequence(oid("2.5.4.3"), element(0x2C, element(UTF8, NAME.encode()))))))
    add("02-high-tag", "csr_not_der", "a tag number in several octets", csr(subject=b"\x3f\x81\x10\x00"))
    add("02-oid-padded", "csr_not_der", "an object identifier with a leading 80",
        csr(subject=sequence(element(SET, sequence(b"\x06\x04\x55\x04\x80\x03", element(UTF8, b"x"))))))
    add("02-usage-trailing-zeros", "csr_not_der", "key usage with a zero bit after its last one",
        one_more(KEY_USAGE, b"\x03\x02\x00\x80"))
    add("02-ca-false-written", "csr_not_der", "cA FALSE written out", one_more(CONSTRAINTS, sequence(boolean(0))))
    add("02-unused-bits-set", "csr_not_der", "unused bits of a BIT STRING that are not zero",
        csr(spki=KEY.spki[:23] + b"\x03\x42\x01" + KEY.spki[26:]))
    add("03-after", "csr_trailing_data", "an empty SEQUENCE after the end", good + b"\x30\0")
    add("03-after-byte", "csr_trailing_data", "a NUL after the end", good + b"\0")
    add("03-after-pem", "csr_trailing_data", "a NUL after the end, in PEM", pem(good + b"\0"))
    add("03-after-signature", "csr_trailing_data", "an element after the signature", csr(after_signature=null()))
    add("03-after-attributes", "csr_trailing_data", "an element after the attributes", csr(after_info=null()))
    add("03-in-spki", "csr_trailing_data", "an element after the key", csr(spki=sequence(KEY.spki[2:], null())))
    add("03-in-parameters", "csr_trailing_data", "an element after the curve",
        csr(spki=sequence(sequence(oid(keys.EC_KEY), oid("1.2.840.10045.3.1.7"), null()), bits(KEY.point))))
    add("03-in-rsa-key", "csr_trailing_data", "an element after the RSA exponent", csr(
        key=keys.sound("rsa", 2048), spki=rsa_spki(integer(keys.sound("rsa", 2048).n), integer(65537), integer(1))),
        policy="device-rsa")
    add("03-in-extension", "csr_trailing_data", "an element after the names",
        extensions(extension(SAN, sequence(dns(NAME)) + null())))
    add("03-in-attribute", "csr_trailing_data", "an element after the attribute's values",
        csr(attributes=[sequence(oid(EXTENSION_REQUEST), element(SET, sequence(san(dns(NAME)))), null())]))
    add("03-in-common-name", "csr_trailing_data", "an element after the common name",
        subject(element(SET, sequence(oid("2.5.4.3"), element(UTF8, NAME.encode()), null()))))
    add("04-deep-attribute", "csr_too_deep", "3,500 levels in an attribute", csr(attributes=[deep(3500)]))
    add("04-deep-subject", "csr_too_deep", "3,500 levels in the subject", csr(subject=deep(3500)))
    add("04-deep-extension", "csr_too_deep", "3,500 levels in an extension", one_more(PURPOSES, deep(3500)))
    add("04-seventeen", "csr_too_deep", "one level too many", csr(attributes=[deep(15)]))
    add("05-eight-octets", "csr_not_der", "a length of eight octets", b"\x30\x88" + b"\xff" * 8)
    add("05-four-gigabytes", "csr_not_der", "a length beyond the end", b"\x30\x84\xff\xff\xff\xff")
    add("05-prefix", "csr_not_der", "the last byte missing", good[:-1])
    add("05-half", "csr_not_der", "the second half missing", good[:len(good) // 2])
    add("05-inner-length", "csr_not_der", "an inner length beyond its outer one",
        good[:4] + bytes([good[4] + 60 & 0x7F]) + good[5:])


def version_and_signature(add):
    good = csr()
    for version, what in [(1, "1"), (2, "2"), (-1, "minus-1"), (1 << 64, "2-to-64")]:
        add(f"06-version-{what}", "csr_bad_version", f"version {version}", csr(version=integer(version)))
    add("06-no-version", "csr_bad_version", "no version", csr(version=b""))

    unsupported = partial(add, expected="csr_sigalg_unsupported")
    rsa_key = keys.sound("rsa", 2048)
    unsupported("07-md5-rsa", what="MD5 with RSA", content=csr(rsa_key, digest="md5"), policy="device-rsa")
    unsupported("07-sha1-rsa", what="SHA-1 with RSA", content=csr(rsa_key, digest="sha1"), policy="device-rsa")
    unsupported("07-sha1-ecdsa", what="SHA-1 with ECDSA", content=csr(digest="sha1"))
    unsupported("07-ed25519", what="Ed25519 key and signature", content=other_key(
        ed25519.Ed25519PrivateKey.from_private_bytes(b"\x05" * 32), lambda key, info: key.sign(info), algorithm("1.3.101.112")))
    unsupported("07-ecdsa-null", what="ECDSA with NULL as its parameters, where that is not taken",
                content=csr(identifier=algorithm(keys.ECDSA["sha256"], null())), policy="device-no-null")
    unsupported("07-rsa-no-null", what="RSA without NULL as its parameters",
                content=csr(rsa_key, identifier=algorithm(keys.PKCS1["sha256"])), policy="device-rsa")
    unsupported("07-rsa-encryption", what="rsaEncryption in place of a signature algorithm",
                content=csr(rsa_key, identifier=algorithm(keys.RSA_KEY, null())), policy="device-rsa")
    unsupported("07-sha224-ecdsa", what="an identifier of SHA-224", content=csr(identifier=algorithm("1.2.840.10045.4.3.1")))

    bad = partial(add, expected="csr_bad_signature")
    at = good.index(b"xi8qz")
    bad("08-name-changed", what="one letter of the name changed afterwards", content=good[:at] + b"y" + good[at + 1:])
    bad("08-last-bit", what="the last bit of the signature flipped", content=good[:-1] + bytes([good[-1] ^ 1]))
    bad("08-r-s-one", what="r = s = 1", content=csr(signature=sequence(integer(1), integer(1))))
    bad("08-r-s-zero", what="r = s = 0", content=csr(signature=sequence(integer(0), integer(0))))
    bad("08-empty", what="an empty signature", content=csr(signature=b""))
    bad("08-other-hash", what="signed with SHA-256, said to be SHA-384",
        content=csr(identifier=KEY.identifier("sha384")))
    bad("08-other-scheme", what="an ECDSA signature said to be RSA", content=csr(identifier=rsa_key.identifier()))
    bad("08-other-key", what="the key of somebody else", content=csr(spki=Ec("somebody else").spki))
    bad("08-trailing-in-signature", what="an element after s", content=csr(signature=trailing_signature()))
    bad("08-rsa-short", what="an RSA signature without its first octet", policy="device-rsa",
        content=csr(rsa_key, signature=b"\x5b" * 255))


def trailing_signature():
    info = sequence(integer(0), EMPTY, KEY.spki, element(0xA0, request(san(dns(NAME)))))
    return KEY.sign(info) + null()


def other_key(private, sign, identifier):
    spki = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    info = sequence(integer(0), EMPTY, spki, element(0xA0, request(san(dns(NAME)))))
    return sequence(info, identifier, bits(sign(private, info)))


def ec_keys(add):
    for name, curve in [("p224", ec.SECP224R1()), ("p521", ec.SECP521R1()), ("secp256k1", ec.SECP256K1()),
                        ("brainpool256", ec.BrainpoolP256R1())]:
        add(f"09-{name}", "key_type_not_allowed", f"the curve {curve.name}", csr(Ec(name, curve)))
    add("09-ed25519-key", "key_type_not_allowed", "an Ed25519 key, said to be signed by ECDSA",
        csr(spki=sequence(algorithm("1.3.101.112"), bits(b"\7" * 32))))
    add("09-dsa", "key_type_not_allowed", "a DSA key, said to be signed by ECDSA",
        csr(spki=sequence(algorithm("1.2.840.10040.4.1"), bits(integer(5)))))
    add("09-rsa-not-taken", "key_type_not_allowed", "a sound RSA key where none is taken", csr(keys.sound("rsa", 2048)))
    add("09-rsa-pss-key", "key_type_not_allowed", "an RSA key bound to PSS",
        csr(keys.sound("rsa", 2048), spki=sequence(algorithm("1.2.840.113549.1.1.10"), bits(b"\x30\0"))), policy="device-rsa")

    point = partial(add, expected="key_invalid_point")
    curve = oid("1.2.840.10045.3.1.7")
    full, off = KEY.point, bytearray(KEY.point)
    off[-1] ^= 1
    compressed = bytes([2 | full[64] & 1]) + full[1:33]
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    for name, what, octets_of_point in [
        ("compressed", "a compressed point", compressed),
        ("hybrid", "a point in hybrid form", bytes([6 | full[64] & 1]) + full[1:]),
        ("off-curve", "a point off the curve", bytes(off)),
        ("infinity", "the point at infinity", b"\0"),
        ("zero", "the point (0, 0)", b"\4" + b"\0" * 64),
        ("empty", "no point", b""),
        ("short", "a point without its last octet", full[:-1]),
        ("long", "a point with an octet more", full + b"\0"),
        ("x-beyond-p", "x = p", b"\4" + p.to_bytes(32, "big") + full[33:]),
        ("y-beyond-p", "y beyond p", b"\4" + full[1:33] + b"\xff" * 32),
    ]:
        point(f"11-{name}", what=what, content=csr(spki=ec_spki(curve, octets_of_point)))
    point("11-other-curve", what="a P-256 point said to be on P-384", content=csr(spki=ec_spki(oid("1.3.132.0.34"), full)))
    point("11-explicit", what="explicit parameters", content=csr(spki=ec_spki(explicit_p256(), full)))
    point("11-no-curve", what="no curve", content=csr(spki=ec_spki(b"", full)))
    point("11-implicit-curve", what="NULL in place of the curve", content=csr(spki=ec_spki(null(), full)))


def explicit_p256():
    """ECParameters of P-256 written out (RFC 3279 section 2.3.5)."""
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    g = (b"\4" + bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
         + bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    field = sequence(oid("1.2.840.10045.1.1"), integer(p))
    curve = sequence(octets((p - 3).to_bytes(32, "big")), octets(b.to_bytes(32, "big")))
    return sequence(integer(1), field, curve, octets(g), integer(order), integer(1))


def rsa_keys(add):
    rsa = partial(add, policy="device-rsa")
    good = keys.sound("rsa", 2048)
    for size in (512, 1024, 2040, 2056, 8192):
        key = Modulus(size) if size == 8192 else keys.sound(f"rsa {size}", size)
        rsa(f"09-rsa-{size}", "key_size_not_allowed", f"RSA with {size} bits", csr(key))
    rsa("09-rsa-2047", "key_size_not_allowed", "RSA with 2047 bits", csr(Modulus(2047)))
    rsa("09-rsa-zero", "key_size_not_allowed", "the modulus 0", csr(good, spki=rsa_spki(integer(0), integer(65537))))
    rsa("09-rsa-no-parameters", "csr_not_der", "rsaEncryption without its NULL", csr(
        good, spki=sequence(algorithm(keys.RSA_KEY), bits(sequence(integer(good.n), integer(65537))))))
    rsa("12-e-3", "key_bad_exponent", "the exponent 3", csr(keys.sound("e3", 2048, 3)))
    for e, what in [(1, "1"), (2**32 + 1, "2-to-32-and-1"), (65536, "even"), (-65537, "negative")]:
        rsa(f"12-e-{what}", "key_bad_exponent", f"the exponent {e}", csr(good, spki=rsa_spki(integer(good.n), integer(e))))
    rsa("13-even", "key_weak", "an even modulus", csr(good, spki=rsa_spki(integer(good.n - 1), integer(65537))))
    rsa("13-negative", "key_weak", "a negative modulus", csr(
        good, spki=rsa_spki(element(INTEGER, good.n.to_bytes(256, "big")), integer(65537))))
    for factor in (3, 317, 751):
        rsa(f"13-factor-{factor}", "key_weak", f"a modulus divisible by {factor}", csr(keys.with_small_factor("small", factor)))
    rsa("13-square", "key_weak", "the square of a prime", csr(keys.square("square")))
    rsa("13-cube", "key_weak", "the cube of a prime", csr(keys.cube("cube")))
    rsa("14-close-2048", "key_close_primes", "two primes of 1024 bits, 2^516 apart", csr(keys.close("close")))
    rsa("14-close-4096", "key_close_primes", "two primes of 2048 bits, 2^1028 apart", csr(keys.close("close", 4096)))
    p = keys.prime("neighbours", 1024)
    rsa("14-neighbours", "key_close_primes", "a prime and the next one", csr(keys.Rsa(p, keys.next_prime(p + 2))))
    rsa("15-roca", "key_roca", "made as by the chips of CVE-2017-15361", csr(keys.roca("roca")))
    rsa("15-roca-again", "key_roca", "another one", csr(keys.roca("roca again")))


class Modulus:
    """A key of which only the size matters, with a signature that is none."""

    def __init__(self, size):
        self.size = size

    @property
    def spki(self):
        return rsa_spki(integer(1 << (self.size - 1) | 0x5B5B), integer(65537))

    def sign(self, message, digest):
        return b"\x5b" * ((self.size + 7) // 8)

    def identifier(self, digest):
        return algorithm(keys.PKCS1[digest], null())


def keys_in_use(add):
    add("16-blocked", "key_blocked", "an EC key on the list of blocked keys", csr(Ec("blocked")))
    add("16-blocked-rsa", "key_blocked", "an RSA key on the list", csr(keys.sound("blocked", 2048)), policy="device-rsa")
    add("17-other-device", "key_reused", "the key of another device", csr(Ec("another device")))
    add("17-identity", "key_is_identity", "the device's identity key", csr(Ec("identity")))
    add("17-account", "key_is_account", "the key of the ACME account", csr(Ec("account")))
    add("18-previous", "key_not_rotated", "the key of the certificate before", csr(Ec("previous")), policy="device-new-key")


def known():
    """The keys that the rows above are about: for the list of blocked keys, and as public keys."""
    return {
        "blocked": [Ec("blocked").spki, keys.sound("blocked", 2048).spki],
        "other-device": Ec("another device").spki,
        "identity": Ec("identity").spki,
        "account": Ec("account").spki,
        "previous": Ec("previous").spki,
    }


def attributes_and_extensions(add):
    good, value = request(san(dns(NAME))), sequence(san(dns(NAME)))
    evil = sequence(san(dns("evil.fleet.test")))
    duplicate = partial(add, expected="csr_duplicate_attribute")
    duplicate("19-two-requests", what="two extension requests", content=csr(
        attributes=[good, request(san(dns("evil.fleet.test")))]))
    duplicate("19-same-twice", what="the same extension request twice", content=csr(attributes=[good, good]))
    duplicate("19-two-values", what="two values in one request", content=csr(attributes=[attribute(EXTENSION_REQUEST, value, evil)]))
    duplicate("19-no-value", what="an extension request without a value", content=csr(attributes=[attribute(EXTENSION_REQUEST)]))
    duplicate("19-two-requests-lax", what="two extension requests, where other attributes are left out", policy="lets_encrypt",
              content=csr(attributes=[good, request(san(dns("evil.fleet.test")))]))
    twice = partial(add, expected="csr_duplicate_extension")
    twice("20-two-sans", what="two SAN extensions", content=extensions(san(dns(NAME)), san(dns("evil.fleet.test"))))
    twice("20-same-san", what="the same SAN extension twice", content=extensions(san(dns(NAME)), san(dns(NAME))))
    usage = extension(KEY_USAGE, b"\x03\x02\x07\x80")
    twice("20-two-usages", what="two key usages", content=extensions(san(dns(NAME)), usage, usage))
    twice("20-two-sans-lax", what="two SAN extensions, where other extensions are left out", policy="lets_encrypt",
          content=extensions(san(dns(NAME)), san(dns("evil.fleet.test"))))

    no = partial(add, expected="csr_extension_not_allowed")
    for name, what, der in [
        ("ca", "CA:TRUE", one_more(CONSTRAINTS, sequence(boolean()))),
        ("ca-critical", "CA:TRUE, critical", one_more(CONSTRAINTS, sequence(boolean()), boolean())),
        ("path-length", "a path length and no cA", one_more(CONSTRAINTS, sequence(integer(0)))),
        ("cert-sign", "keyCertSign", one_more(KEY_USAGE, b"\x03\x02\x02\x04")),
        ("crl-sign", "digitalSignature and cRLSign", one_more(KEY_USAGE, b"\x03\x02\x01\x82")),
        ("non-repudiation", "nonRepudiation", one_more(KEY_USAGE, b"\x03\x02\x06\xc0")),
        ("decipher-only", "decipherOnly", one_more(KEY_USAGE, b"\x03\x03\x07\x80\x80")),
        ("no-usage", "a key usage of nothing", one_more(KEY_USAGE, b"\x03\x01\x00")),
        ("code-signing", "codeSigning", one_more(PURPOSES, sequence(oid("1.3.6.1.5.5.7.3.3")))),
        ("client-auth", "clientAuth too", one_more(PURPOSES, sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")))),
        ("any-purpose", "anyExtendedKeyUsage", one_more(PURPOSES, sequence(oid("2.5.29.37.0")))),
        ("ct-poison", "the poison of Certificate Transparency", one_more("1.3.6.1.4.1.11129.2.4.3", null(), boolean())),
        ("must-staple", "must-staple", one_more("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x05")),
        ("name-constraints", "name constraints", one_more("2.5.29.30", EMPTY)),
        ("subject-key-id", "a subject key identifier", one_more("2.5.29.14", octets(b"\5" * 20))),
        ("policies", "certificate policies", one_more("2.5.29.32", sequence(sequence(oid("2.23.140.1.2.1"))))),
        ("unknown", "an unknown extension", one_more("1.3.6.1.4.1.99999.1", null())),
        ("unknown-critical", "an unknown extension, critical", one_more("1.3.6.1.4.1.99999.1", null(), boolean())),
    ]:
        no(f"21-{name}", what=what, content=der)
    no("21-must-staple-lax", what="must-staple, where other extensions are left out", policy="lets_encrypt",
       content=one_more("1.3.6.1.5.5.7.1.24", b"\x30\x03\x02\x01\x05"))
    add("21-no-purpose", "csr_not_der", "an extended key usage of nothing", one_more(PURPOSES, EMPTY))
    add("21-usage-no-bits", "csr_not_der", "a key usage that is no BIT STRING", one_more(KEY_USAGE, null()))
    add("21-san-not-list", "csr_not_der", "a SAN that is no SEQUENCE", extensions(extension(SAN, dns(NAME))))

    attribute_no = partial(add, expected="csr_attribute_not_allowed")
    attribute_no("22-password", what="a challenge password", content=csr(
        attributes=[good, attribute("1.2.840.113549.1.9.7", element(UTF8, b"secret"))]))
    attribute_no("22-unstructured-name", what="an unstructured name", content=csr(
        attributes=[attribute("1.2.840.113549.1.9.2", element(UTF8, b"box")), good]))
    attribute_no("22-microsoft", what="Microsoft's extension request", content=csr(
        attributes=[attribute("1.3.6.1.4.1.311.2.1.14", value)]))
    attribute_no("22-microsoft-os", what="Microsoft's version of the system", content=csr(
        attributes=[attribute("1.3.6.1.4.1.311.13.2.3", element(IA5, b"10.0.20348.2")), good]))
    attribute_no("22-unknown", what="an unknown attribute", content=csr(attributes=[good, attribute("1.3.6.1.4.1.99999.1")]))


def alternative_names(add):
    missing = partial(add, expected="san_missing")
    missing("23-no-attributes", what="no attributes", content=csr(attributes=[]))
    missing("23-no-attributes-field", what="the attributes left out altogether", content=csr(no_attributes=True))
    missing("23-no-extensions", what="an extension request of nothing", content=extensions())
    missing("23-no-san", what="no SAN, only a key usage", content=extensions(extension(KEY_USAGE, b"\x03\x02\x07\x80")))
    missing("23-empty-san", what="a SAN without names", content=names())
    missing("23-name-in-subject-only", what="the name only in the subject",
            content=csr(subject=sequence(rdn(pair(3, NAME))), attributes=[]))
    many = partial(add, expected="san_too_many")
    many("23-two-names", what="two names where one was granted", content=names(dns(NAME), dns("b.fleet.test")))
    many("23-2000-names", what="2,000 names", content=names(*[dns("a.b")] * 2000))
    many("23-same-twice", what="the granted name twice where one was granted", content=names(dns(NAME), dns(NAME)))
    kind = partial(add, expected="san_type_not_allowed")
    for name, what, general_name in [
        ("ip", "an IP address", element(0x87, bytes([10, 0, 0, 1]))),
        ("ipv6", "an IPv6 address", element(0x87, b"\xfd" + b"\0" * 15)),
        ("uri", "a URI", element(0x86, b"https://xi8qz.fleet.test/")),
        ("email", "an email address", element(0x81, b"root@xi8qz.fleet.test")),
        ("other-name", "an otherName", element(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), element(0xA0, element(UTF8, b"x")))),
        ("directory", "a directory name", element(0xA4, sequence(rdn(pair(3, NAME))))),
        ("registered-id", "a registered identifier", element(0x88, b"\x2a\x03")),
        ("x400", "an X.400 address", element(0xA3, EMPTY)),
        ("edi", "an EDI party name", element(0xA5, element(0xA1, element(UTF8, b"x")))),
        ("tag-9", "a kind that does not exist", element(0x89, b"x")),
        ("ia5", "an IA5String without its context tag", element(IA5, NAME.encode())),
    ]:
        kind(f"23-{name}", what=what, content=names(general_name))
    add("23-ip-beside", "san_type_not_allowed", "an IP address beside the name", names(dns(NAME), element(0x87, bytes([10, 0, 0, 1]))),
        policy="lets_encrypt", grant="-")
    add("23-duplicate", "san_duplicate", "a name twice", names(dns(NAME), dns("b.fleet.test"), dns(NAME)), policy="lets_encrypt", grant="-")
    add("23-duplicate-case", "san_duplicate", "a name twice but for case", names(dns(NAME), dns(NAME.upper())),
        policy="lets_encrypt", grant="-")
    add("23-101-names", "san_too_many", "101 names", names(*[dns(f"n{number}.fleet.test") for number in range(101)]),
        policy="lets_encrypt", grant="-")


def subjects(add):
    own = rdn(pair(3, NAME))
    no = partial(add, expected="subject_not_allowed")
    for name, what, der in [
        ("organisation", "an organisation", subject(rdn(pair(10, "Acme")))),
        ("organisation-cn", "an organisation and the name", subject(rdn(pair(10, "Acme")), own)),
        ("unit", "the name and a unit", subject(own, rdn(pair(11, "Unit")))),
        ("country", "a country", subject(rdn(pair(6, "DE", PRINTABLE)))),
        ("serial", "a serial number", subject(rdn(pair(5, "SN-0001", PRINTABLE)))),
        ("email", "an email address", subject(own, rdn(pair("1.2.840.113549.1.9.1", "root@xi8qz.fleet.test", IA5)))),
        ("two-cns", "the name twice", subject(own, own)),
        ("two-cns-differ", "two common names", subject(own, rdn(pair(3, "evil.fleet.test")))),
        ("multi-valued", "a relative name of two attributes", subject(rdn(pair(3, NAME), pair(10, "Acme")))),
        ("bmp", "a BMPString", subject(rdn(pair(3, NAME.encode("utf-16-be"), BMP)))),
        ("t61", "a T61String", subject(rdn(pair(3, NAME, T61)))),
        ("ia5", "an IA5String", subject(rdn(pair(3, NAME, IA5)))),
        ("65", "65 characters", subject(rdn(pair(3, "a" * 65)))),
        ("empty-cn", "an empty common name", subject(rdn(pair(3, "")))),
        ("nul", "a NUL at the end", subject(rdn(pair(3, NAME + "\0")))),
        ("nul-inside", "a NUL inside", subject(rdn(pair(3, NAME + "\0.evil.test")))),
        ("not-utf8", "octets that are not UTF-8", subject(rdn(pair(3, b"\xff\xfe")))),
        ("escape", "an escape sequence of a terminal", subject(rdn(pair(3, "\x1b[2J")))),
        ("star", "an asterisk in a PrintableString", subject(rdn(pair(3, "*.fleet.test", PRINTABLE)))),
    ]:
        no(f"24-{name}", what=what, content=der)
    add("24-empty-rdn", "csr_not_der", "a relative name of nothing", subject(element(SET)))
    mismatch = partial(add, expected="cn_mismatch")
    for name, text in [("other", "evil.fleet.test"), ("ip", "10.0.0.1"), ("dot", NAME + "."), ("space", NAME + " "),
                       ("parent", "fleet.test"), ("long-s", "xi8qz.fleet.teſt"), ("path", NAME + "/admin")]:
        mismatch(f"25-{name}", what=f"the common name {text!r}", content=subject(rdn(pair(3, text))))
    mismatch("25-other-lax", what="a foreign common name, where any subject is taken", policy="lets_encrypt",
             content=subject(rdn(pair(10, "Acme")), rdn(pair(3, "evil.fleet.test"))))


def names_as_text(add):
    character = partial(add, expected="name_bad_character")
    for name, text in [
        ("nul", b"xi8qz.fleet.test\0.evil.test"), ("nul-end", b"xi8qz.fleet.test\0"), ("ff", b"xi8qz\xff.fleet.test"),
        ("space", b"xi8qz .fleet.test"), ("leading-space", b" xi8qz.fleet.test"), ("underscore", b"_acme-challenge.xi8qz.fleet.test"),
        ("line-end", b"xi8qz.fleet.test\r\n"), ("right-to-left", "\u200fxi8qz.fleet.test".encode()), ("percent", b"xi8qz%2e.fleet.test"),
        ("port", b"xi8qz.fleet.test:443"), ("scheme", b"https://xi8qz.fleet.test"), ("user", b"root@xi8qz.fleet.test"),
        ("dotted-i", "xi8qz.fleet.test".replace("i", "İ").encode()), ("long-s", "xi8qz.fleet.teſt".encode()),
        ("latin1", "xi8qz-ü.fleet.test".encode("latin-1")), ("utf8", "xi8qz-ü.fleet.test".encode()),
        ("soft-hyphen", "xi8qz\u00ad.fleet.test".encode()), ("ideographic-dot", "xi8qz\u3002fleet.test".encode()),
        ("comma", b"xi8qz.fleet.test,evil.test"), ("tab", b"xi8qz.fleet.test\t"), ("slash", b"xi8qz.fleet.test/"),
    ]:
        character(f"26-{name}", what=f"the name {text!r}", content=names(dns(text)))
    malformed = partial(add, expected="name_malformed")
    long = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 57]) + ".test"
    for name, text in [
        ("empty", ""), ("dots", "a..test"), ("dot-before", ".fleet.test"), ("dot-after", NAME + "."), ("dot", "."),
        ("hyphen-before", "-a.fleet.test"), ("hyphen-after", "a-.fleet.test"), ("label-64", "a" * 64 + ".test"),
        ("254", long), ("eleven-labels", "a.b.c.d.e.f.g.h.i.fleet.test"), ("one-label", "localhost"),
        ("reserved", "bq--x.fleet.test"), ("a-label", "xn--bcher-kva.fleet.test"), ("a-label-case", "XN--bcher-kva.fleet.test"),
        ("ipv4", "10.0.0.1"), ("ipv4-hex", "10.0.0.0x1"),
    ]:
        malformed(f"27-{name}", what=f"the name {text[:40]!r}", content=names(dns(text)))
    malformed("27-reserved-lax", what="a reserved label, where A-labels are taken", content=names(dns("bq--x.fleet.test")),
              policy="lets_encrypt", grant="-")
    character("28-fold", what="a Kelvin sign, which folds to k", content=names(dns("\u212a.fleet.test".encode())), grant="k.fleet.test")


def grants(add):
    foreign = partial(add, expected="name_not_granted")
    for name, text in [
        ("prefix", "evil-" + NAME), ("suffix", NAME + ".evil.com"), ("below", "a." + NAME), ("parent", "fleet.test"),
        ("sibling", "b.fleet.test"), ("similar", "xi8qz-fleet.test"), ("digit", "x18qz.fleet.test"), ("longer", "xi8qz.fleet.testing"),
    ]:
        foreign(f"29-{name}", what=f"the name {text}", content=names(dns(text)))
    foreign("29-one-of-two", what="one of two names that were granted", content=names(dns(NAME)), grant=NAME + ",b.fleet.test")
    foreign("29-subtree-itself", what="the top of a subtree of which what lies below was granted", content=names(dns(NAME)), grant="." + NAME)
    foreign("29-subtree-beside", what="a name that ends as the subtree does", content=names(dns("evil" + NAME)), grant="." + NAME)
    star = partial(add, expected="wildcard_not_granted")
    for name, text in [("zone", "*.fleet.test"), ("own", "*." + NAME), ("two", "*.*.test"), ("inside", "f*o.fleet.test"),
                       ("second", "a.*.fleet.test"), ("alone", "*"), ("joined", "*xi8qz.fleet.test")]:
        star(f"30-{name}", what=f"the name {text}", content=names(dns(text)))
    star("30-other-base", what="a wildcard below another name than the granted one", content=names(dns("*.fleet.test")), grant="*." + NAME)
    star("30-two-of-granted", what="two asterisks where one was granted", content=names(dns("*.*." + NAME)), grant="*." + NAME)
    star("30-part-of-granted", what="part of a label where a wildcard was granted", content=names(dns("a*." + NAME)), grant="*." + NAME)
    star("30-below-subtree", what="a wildcard below a granted subtree", content=names(dns("*.a." + NAME)), grant="." + NAME)
    star("30-lets-encrypt", what="a wildcard where no grant is", content=names(dns("*.fleet.test")), policy="lets_encrypt", grant="-")

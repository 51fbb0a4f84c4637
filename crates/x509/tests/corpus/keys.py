"""Keys for the corpus, each made from its name alone: they are no secret and protect nothing."""

import hashlib
import random
from functools import cache, cached_property

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from der import NULL, algorithm, bits, element, integer, null, oid, sequence

EC_KEY, RSA_KEY = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1"
ECDSA = {"sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2", "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}
PKCS1 = {"md5": "1.2.840.113549.1.1.4", "sha1": "1.2.840.113549.1.1.5", "sha256": "1.2.840.113549.1.1.11",
         "sha384": "1.2.840.113549.1.1.12", "sha512": "1.2.840.113549.1.1.13"}
DIGEST = {"md5": "1.2.840.113549.2.5", "sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1",
          "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3"}


class Ec:
    """A key on a named curve; signatures are deterministic (RFC 6979)."""

    def __init__(self, name, curve=ec.SECP256R1()):
        secret = int.from_bytes(hashlib.sha512(name.encode()).digest(), "big") % (1 << (curve.key_size - 1)) + 1
        self.private = ec.derive_private_key(secret, curve)

    @property
    def spki(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def point(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)

    def sign(self, message, digest="sha256"):
        chosen = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
        return self.private.sign(message, ec.ECDSA(chosen[digest], deterministic_signing=True))

    def identifier(self, digest="sha256"):
        return algorithm(ECDSA[digest])

    def pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Rsa:
    """Any two numbers as factors, sound or not; the third argument is phi where they are no two primes."""

    def __init__(self, p, q, e=65537, phi=None):
        self.p, self.q, self.n, self.e = p, q, p * q, e
        self.phi = (p - 1) * (q - 1) if phi is None else phi

    @cached_property
    def d(self):
        return pow(self.e, -1, self.phi)

    @property
    def spki(self):
        return rsa_spki(integer(self.n), integer(self.e))

    def sign(self, message, digest="sha256"):
        size = (self.n.bit_length() + 7) // 8
        hashed = hashlib.new(digest, message).digest()
        info = sequence(sequence(oid(DIGEST[digest]), null()), element(4, hashed))
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(size, "big")

    def identifier(self, digest="sha256"):
        return algorithm(PKCS1[digest], null())

    def pem(self):
        numbers = rsa.RSAPrivateNumbers(
            self.p, self.q, self.d, self.d % (self.p - 1), self.d % (self.q - 1), pow(self.q, -1, self.p),
            rsa.RSAPublicNumbers(self.e, self.n))
        return numbers.private_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def rsa_spki(*parts, parameters=bytes([NULL, 0])):
    return sequence(sequence(oid(RSA_KEY), parameters), bits(sequence(*parts)))


def ec_spki(curve, point):
    return sequence(sequence(oid(EC_KEY), curve), bits(point))


# ---- numbers

SMALL = [number for number in range(3, 752) if all(number % divisor for divisor in range(2, int(number**0.5) + 1))]


def is_prime(number):
    if number % 2 == 0 or any(number % prime == 0 and number != prime for prime in SMALL):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7, 11, 13, 17, 19):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        if not any((power := power * power % number) == number - 1 for _ in range(twos - 1)):
            return False
    return True


@cache
def next_prime(number, e=65537):
    number |= 1
    while not is_prime(number) or (number - 1) % e == 0:
        number += 2
    return number


def prime(name, size, e=65537):
    """A prime whose two top bits are set, so that the product of two has twice the bits."""
    return next_prime(3 << (size - 2) | random.Random(name).getrandbits(size - 2), e)


def sound(name, size, e=65537):
    return Rsa(prime(f"{name} p", size // 2, e), prime(f"{name} q", size // 2, e), e)


def close(name, size=2048):
    """As Boulder's generator of such keys: the second prime follows the first at a small distance."""
    p = prime(name, size // 2)
    return Rsa(p, next_prime(p + (1 << (size // 4 + 4))))


def square(name):
    p = prime(name, 1024)
    return Rsa(p, p, phi=p * (p - 1))


def cube(name, size=3072):
    p = next_prime(int(1.9 * (1 << (size // 3 - 2))) * 2 | random.Random(name).getrandbits(size // 3 - 20))
    assert (p**3).bit_length() == size
    return Rsa(p * p, p, phi=p * p * (p - 1))


def with_small_factor(name, factor):
    """2048 bits, divisible by `factor`."""
    q = next_prime((1 << 2048) // factor - random.Random(name).getrandbits(2000))
    key = Rsa(factor, q)
    assert key.n.bit_length() == 2048
    return key


def roca(name, size=2048):
    """As Infineon's library made them: each prime is k·M + (65537^a mod M), M the product of the first 126 primes."""
    product, candidate, count = 2, 3, 1
    while count < 126:
        if all(candidate % divisor for divisor in range(2, int(candidate**0.5) + 1)):
            product, count = product * candidate, count + 1
        candidate += 2
    source = random.Random(name)

    def one():
        while True:
            power = pow(65537, source.getrandbits(64), product)
            k = (3 << (size // 2 - 2)) // product + source.getrandbits(30)
            p = k * product + power
            if p.bit_length() == size // 2 and is_prime(p) and (p - 1) % 65537:
                return p

    key = Rsa(one(), one())
    assert key.n.bit_length() == size
    return key

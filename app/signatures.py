"""Electronic signatures of institutions on their papers (PAdES, 电子签名法 Art 13), and the keys they are made with.

The keys lie in a folder outside the database, one PKCS #12 file for each institution, encrypted with a passphrase. An
authority's certificate and key (`authority.p12`) in it lets missing ones be issued on demand: for demonstrations, a
self-made one. A real authority issues the files, and its certificate alone is put there as `*.pem`.
"""

import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path

from asn1crypto import parser as asn1_parser, pem, x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import PdfSignatureMetadata, sign_pdf
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import SimpleSigner
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko_certvalidator import ValidationContext

# A signature that nobody vouches for is an answer here, not a mishap to be logged with its traceback.
logging.getLogger("pyhanko.sign.validation").setLevel(logging.CRITICAL)

AUTHORITY = "authority"
_VALID = timedelta(days=3 * 365)
_AUTHORITY_VALID = timedelta(days=10 * 365)
_FIELD = "Signature"


class NoKey(Exception):
    """There is no key for an institution, and no authority here that could issue one."""


class Keyring:
    """The folder with the keys."""

    def __init__(self, folder: str | Path, passphrase: str):
        self.folder, self._passphrase = Path(folder), passphrase.encode()

    def signer(self, organization_id: int, name: str) -> SimpleSigner:
        """The signer of an institution; its key is issued if there is none and an authority is in the folder."""
        path = self._path(str(organization_id))
        if not path.exists():
            self._issue(organization_id, name)
        # Of an authority that issues RSA keys: PSS, since the padding of PKCS #1 v1.5 is too weak for new signatures.
        loaded = SimpleSigner.load_pkcs12(str(path), passphrase=self._passphrase, prefer_pss=True)
        if loaded is None:
            raise NoKey(f"the key of institution {organization_id} cannot be read")
        return loaded

    def make_authority(self, name: str) -> None:
        """Make an authority of one's own, if there is none: its signatures prove nothing to anybody else."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        usage = x509.KeyUsage(
            **dict.fromkeys(_USAGES, False) | {"key_cert_sign": True, "crl_sign": True, "digital_signature": True}
        )
        certificate = (
            _certificate(subject, subject, key.public_key(), _AUTHORITY_VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        self._write(AUTHORITY, pkcs12.serialize_key_and_certificates(
            AUTHORITY.encode(), key, certificate, None, serialization.BestAvailableEncryption(self._passphrase)
        ))  # fmt: skip

    @cached_property
    def trusted(self) -> list[asn1.Certificate]:
        """The certificates of the authorities whose signatures count."""
        found = [_read_pem(path.read_bytes()) for path in sorted(self.folder.glob("*.pem"))]
        if self._path(AUTHORITY).exists():
            _key, certificate = self._authority()
            found.append(asn1.Certificate.load(certificate.public_bytes(serialization.Encoding.DER)))
        return found

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.p12"

    def _authority(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key, certificate, _more = pkcs12.load_key_and_certificates(self._path(AUTHORITY).read_bytes(), self._passphrase)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate is None:
            raise NoKey("the authority's key is of another kind")
        return key, certificate

    def _issue(self, organization_id: int, name: str) -> None:
        if not self._path(AUTHORITY).exists():
            raise NoKey(f"there is no key of institution {organization_id} in {self.folder}")
        authority_key, authority = self._authority()
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(**dict.fromkeys(_USAGES, False) | {"digital_signature": True, "content_commitment": True})
        certificate = (
            _certificate(_name(name, organization_id), authority.subject, key.public_key(), _VALID)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        encryption = serialization.BestAvailableEncryption(self._passphrase)
        file = pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, [authority], encryption)
        self._write(str(organization_id), file)

    def _write(self, name: str, content: bytes) -> None:
        """Put a file there whole and for its owner alone; if two do so at once, the first one stays."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:  # made with mode 0600
            file.write(content)
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, self._path(name))


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _name(name: str, organization_id: int | None = None) -> x509.Name:
    """A distinguished name; what is longer than 64 bytes is cut, as X.520 wants it."""
    short = name.encode()[:64].decode(errors="ignore")
    attributes = [x509.NameAttribute(NameOID.COUNTRY_NAME, "CN")]
    attributes += [x509.NameAttribute(oid, short) for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)]
    if organization_id is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, str(organization_id)))
    return x509.Name(attributes)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _read_pem(content: bytes) -> asn1.Certificate:
    _kind, _headers, der = pem.unarmor(content, multiple=False)  # type: ignore[misc]
    return asn1.Certificate.load(der)


# --- Signing and checking ------------------------------------------------------------------------


@dataclass(frozen=True)
class Signature:
    """What a document's signature is worth: the bytes as signed, by a key that a known authority vouches for."""

    intact: bool
    trusted: bool
    signer: str
    signed_at: datetime | None


def sign(pdf: bytes, signer: SimpleSigner, *, reason: str, location: str) -> bytes:
    """The document with a signature that allows no change after it."""
    metadata = PdfSignatureMetadata(
        field_name=_FIELD,
        md_algorithm="sha256",
        reason=reason,
        location=location,
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    signed: BytesIO = sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), metadata, signer=signer)
    return signed.getvalue()


def check(pdf: bytes, trusted: list[asn1.Certificate]) -> Signature | None:
    """What the signature of a document is worth; None if it has none. Asks nobody over the network."""
    broken = Signature(intact=False, trusted=False, signer="", signed_at=None)
    try:
        found = PdfFileReader(BytesIO(pdf)).embedded_signatures
        if not found:
            return None
        status = validate_pdf_signature(found[0], ValidationContext(trust_roots=trusted, allow_fetching=False))
    except (PdfError, SignatureValidationError, SigningError, ValueError, TypeError, LookupError, AttributeError):
        return broken
    whole = status.coverage == SignatureCoverageLevel.ENTIRE_FILE and _is_padded_with_nothing(found[0].pkcs7_content)
    unchanged = status.modification_level in (None, ModificationLevel.NONE)
    intact = status.intact and status.valid and whole and unchanged and len(found) == 1
    name = status.signing_cert.subject.native.get("common_name", "")
    return Signature(intact, intact and status.trusted, name, status.signer_reported_dt)


def _is_padded_with_nothing(container: bytes) -> bool:
    """The room left for the signature is the only part that it does not cover: nothing may hide there."""
    return not any(container[asn1_parser.peek(container) :])

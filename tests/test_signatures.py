"""电子签名: a signed paper is checked, changed by a byte, cut, continued, and signed by a stranger."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader

from app.papers import certificate
from app.signatures import Keyring, NoKey, Signature, check, sign
from tests.test_papers import PAPER


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    made = Keyring(tmp_path_factory.mktemp("secret") / "keys", "a passphrase")
    made.make_authority("演示证书中心")
    return made


@pytest.fixture(scope="module")
def plain():
    return certificate(PAPER)


@pytest.fixture(scope="module")
def signed(keyring, plain):
    return sign(plain, keyring.signer(5, "西湖区计量检定所"), reason="检定证书签发", location="杭州")


def checked(pdf, keyring) -> Signature:
    found = check(pdf, keyring.trusted)
    assert found is not None
    return found


def test_a_signed_paper_is_intact_and_vouched_for(keyring, signed, plain):
    found = checked(signed, keyring)

    assert (found.intact, found.trusted, found.signer) == (True, True, "西湖区计量检定所")
    assert found.signed_at is not None
    assert signed.startswith(plain)


def test_keys_are_of_a_kind_that_is_strong_enough(keyring):
    """P-256 has the strength of 128 bits."""
    certificate = keyring.signer(5, "西湖区计量检定所").signing_cert

    assert certificate.public_key.curve == ("named", "secp256r1")
    assert certificate.signature_algo == "ecdsa"
    assert certificate.hash_algo == "sha256"


def test_an_rsa_key_signs_with_pss(keyring, plain, tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "西湖区计量检定所")])
    days = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=9)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(b"a passphrase"))
    (tmp_path / "7.p12").write_bytes(file)
    signed = sign(plain, Keyring(tmp_path, "a passphrase").signer(7, "x"), reason="检定证书签发", location="杭州")

    [signature] = PdfFileReader(BytesIO(signed)).embedded_signatures
    assert "rsassa_pss" in str(signature.signer_info.native)
    assert checked(signed, keyring).intact


def test_one_changed_byte_is_seen_wherever_it_is(keyring, signed):
    dice = random.Random(7)
    begins, ends = signed.index(b"/Contents <"), signed.index(b">", signed.index(b"/Contents <"))
    places = [dice.randrange(len(signed)) for _ in range(60)] + [begins + 12, ends - 1, len(signed) - 3, 0]

    for place in places:
        changed = bytearray(signed)
        changed[place] ^= 1
        found = check(bytes(changed), keyring.trusted)
        assert found is None or not found.intact, place


def test_what_is_cut_or_continued_is_not_intact(keyring, signed):
    assert not checked(signed + b"\n% more", keyring).intact
    assert not checked(signed[:-40], keyring).intact
    assert not checked(b"%PDF-1.7 nothing", keyring).intact


def test_without_a_signature_there_is_nothing_to_check(keyring, plain):
    assert check(plain, keyring.trusted) is None


def test_nobody_vouches_for_a_stranger(keyring, plain, tmp_path):
    stranger = Keyring(tmp_path / "keys", "x")
    stranger.make_authority("演示证书中心")

    found = checked(sign(plain, stranger.signer(5, "西湖区计量检定所"), reason="", location=""), keyring)

    assert (found.intact, found.trusted) == (True, False)


def test_another_signature_on_top_is_not_the_institutions_document(keyring, signed):
    with pytest.raises(Exception, match=r"signature|field|modif"):
        sign(signed, keyring.signer(6, "别的所"), reason="", location="")


def test_without_a_key_and_an_authority_there_is_no_signer(tmp_path):
    with pytest.raises(NoKey, match="institution 5"):
        Keyring(tmp_path / "keys", "x").signer(5, "西湖区计量检定所")


def test_keys_are_for_their_owner_alone_and_want_the_passphrase(keyring):
    keyring.signer(5, "西湖区计量检定所")

    assert keyring.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in keyring.folder.iterdir()} == {0o600}
    with pytest.raises(NoKey):
        Keyring(keyring.folder, "another").signer(5, "西湖区计量检定所")


def test_a_key_that_many_ask_for_at_once_is_made_once(keyring):
    with ThreadPoolExecutor(8) as pool:
        signers = list(pool.map(lambda _n: keyring.signer(77, "新所"), range(16)))

    assert len({one.signing_cert.serial_number for one in signers}) == 1


def test_the_authority_stays_the_one_it_is(keyring):
    before = [each.serial_number for each in keyring.trusted]

    keyring.make_authority("又一个")

    assert [each.serial_number for each in Keyring(keyring.folder, "a passphrase").trusted] == before


def test_a_long_name_fits_into_a_certificate(keyring):
    assert keyring.signer(78, "很长的机构名称" * 20).signing_cert.subject.native["serial_number"] == "78"

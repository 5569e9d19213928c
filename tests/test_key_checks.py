"""DATA_KEY and the folder of keys must fit the database: with others nothing starts, and nothing is written."""

import shutil
from contextvars import Context

import pytest
from sqlalchemy import delete, func, select

from app import audit, create_app, signatures
from app.domain import certificates, key_checks
from app.models import AuditEntry, KeyCheck, db
from config import Config


@pytest.fixture
def keys(app, rows):
    """The folder of keys with an authority in it, remembered in the database."""
    certificates.keyring().make_authority("测试签发机构")
    key_checks.record()
    rows.flush()
    folder = certificates.keyring().folder
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def problem():
    with pytest.raises(key_checks.KeyProblem) as caught:
        key_checks.verify()
    return str(caught.value)


def test_the_keys_of_before_fit(keys):
    key_checks.verify()
    key_checks.record()
    assert db.session.scalar(select(func.count()).select_from(KeyCheck)) == 2


def test_another_data_key_does_not_fit(app, keys, monkeypatch):
    monkeypatch.setitem(app.config, "DATA_KEY", "another one, another one, another")
    assert "DATA_KEY is not the one with which this database was written" in problem()


def test_another_folder_of_keys_does_not_fit(app, keys, monkeypatch, tmp_path):
    monkeypatch.setitem(app.config, "KEYS", str(tmp_path))
    assert "The folder KEYS lacks the certificate of an authority that signed here before" in problem()
    signatures.Keyring(tmp_path, "any passphrase").make_authority("另一个签发机构")
    assert "cannot be opened with this DATA_KEY" in problem()


def test_an_authority_that_was_taken_away_on_purpose_is_forgotten_by_command(app, keys, monkeypatch, tmp_path):
    monkeypatch.setitem(app.config, "KEYS", str(tmp_path))
    fingerprint = problem().rpartition(": ")[2].rstrip(".")
    assert app.test_cli_runner().invoke(args=["keys", "forget", "0000"]).exit_code == 1
    assert app.test_cli_runner().invoke(args=["keys", "forget", fingerprint]).exit_code == 0
    key_checks.verify()


def test_a_database_from_before_is_judged_by_its_audit_log(app, rows, keys, monkeypatch):
    audit.record("export", "page", None, "x")
    rows.commit()
    rows.execute(delete(KeyCheck))
    key_checks.verify()
    monkeypatch.setitem(app.config, "DATA_KEY", "another one, another one, another")
    assert "DATA_KEY is not the one" in problem()


@pytest.mark.parametrize("command", [["prepare"], ["serve", "--port=0"], ["work"]])
def test_with_a_wrong_key_nothing_starts_and_nothing_is_written(settings, office, command):
    key_checks.record()
    db.session.commit()
    before = db.session.scalar(select(func.count()).select_from(AuditEntry))
    wrong = create_app(Config({
        "DATABASE_URL": settings.SQLALCHEMY_DATABASE_URI, "SECRET_KEY": settings.SECRET_KEY,
        "DATA_KEY": "another one, another one, another", "FILES": settings.FILES, "KEYS": settings.KEYS,
    }))  # fmt: skip
    result = Context().run(lambda: wrong.test_cli_runner().invoke(args=command))
    with wrong.app_context():
        db.engine.dispose()

    assert (result.exit_code, "DATA_KEY 与写入本数据库时所用的不一致" in result.output) == (1, True)
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == before

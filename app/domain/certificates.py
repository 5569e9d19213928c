"""检定证书 and 检定结果通知书: numbered without gaps, signed, never changed; an error voids one and issues another."""

import zipfile
from collections.abc import Sequence
from datetime import date, timedelta
from tempfile import TemporaryFile
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import ARRAY, BigInteger, Date, String, case, exists, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.orm import aliased

from app import audit, ciphers, counting, files, papers, signatures
from app.access import EVERYTHING, Principal, principal, seeing
from app.domain import capabilities, deadlines, holidays, issuing_rules, jobs, publications, reasons, scans
from app.domain.instruments import WARNED_BEFORE
from app.domain.jobs import Finished
from app.domain.results import IN_SERVICE, acting_member, held, refuse_own
from app.errors import RuleError
from app.models import (
    Appointment,
    Capability,
    Certificate,
    Institution,
    Instrument,
    IssuingRule,
    Job,
    Organization,
    Result,
    StaffMember,
    Task,
    db,
)
from app.papers import CertificatePaper, StandardUsed
from app.states import (
    APPROVE,
    CORRECT,
    EFFECTIVE,
    FAIL,
    FALL_DUE,
    IN_USE,
    OPEN,
    REPLACE,
    REVOKE_CERTIFICATE,
    RUN_OUT,
    TO_APPROVE,
    UNVERIFY,
    VALID,
    VERIFY,
    VOID,
    VOID_CERTIFICATE,
    WAITING,
)
from app.workflow import Chosen, Outcome, count, fire, how_many, is_chosen, lock

SHORTEST_REASON, LONGEST_REASON = 4, 500
VERIFICATION_KINDS = {"initial": "首次检定", "subsequent": "后续检定", "in_service": "使用中检查"}
DOCUMENTS, ZIP = "certificate_documents", "certificate_zip"
MOST_IN_A_ZIP = 5000
LEFT_OVER_AFTER = timedelta(minutes=10)
DOCUMENT_LOCK = 0x646F63  # "doc"
MOST_LEFT_OVER = 500


# --- Issuing -------------------------------------------------------------------------------------


def approve(chosen: Chosen, by: Principal) -> Outcome:
    """批准: issue the certificates, in the order of the tasks, and say of each instrument whether it may be used."""
    me, asked = acting_member(by), how_many(chosen)
    if me is None or not me.approves:
        raise RuleError(_("Only a member of the staff who is named as approver may approve."))
    ids = held(chosen, TO_APPROVE)
    if not ids:
        return Outcome(asked, 0)
    refuse_own(ids, me, by)
    issued = _issue(ids, me, by)
    count("certificate", issued)
    done = fire(APPROVE, ids, by, told=_how_issued, finished_at=func.now()).done
    fire(REPLACE, _replaced(issued), by)
    settle(_instruments_of(issued), by)
    publications.publish_issued(issued)
    ask_for_documents(by)
    return Outcome(asked, done)


def _how_issued(task: Any) -> Any:
    """What the history keeps: how long it took, and whether no ability stands behind it any more (办法 Art 10)."""
    able = exists().where(
        Capability.institution_id == task.institution_id,
        Capability.state == EFFECTIVE,
        Instrument.id == task.instrument_id,
        Instrument.city_code == task.city_code,
        capabilities.covers_instrument(),
    )
    return counting.punctuality(task).concat(func.jsonb_build_object(counting.BEYOND, ~able, type_=JSONB))


def _issue(ids: Sequence[int], approver: StaffMember, by: Principal) -> list[int]:
    """A certificate for each result. Gives their ids."""
    numbers = issuing_rules.take(by.organization_id or 0, len(ids), holidays.today())
    given = select(
        func.unnest(literal(list(ids), ARRAY(BigInteger))).label("task_id"),
        func.unnest(literal(numbers, ARRAY(String))).label("no"),
    ).subquery("given")
    before = aliased(Certificate)
    replaced = select(func.max(before.id)).where(before.task_id == Task.id, before.state == VOID).scalar_subquery()
    facts = {
        "task_id": Task.id,
        "instrument_id": Task.instrument_id,
        "using_unit_id": Task.using_unit_id,
        "institution_id": Task.institution_id,
        "city_code": Task.city_code,
        "region_code": Task.region_code,
        "no": given.c.no,
        "kind": case((Result.passed, "verification"), else_="rejection"),
        "approver": literal(approver.name),
        "approver_id": literal(approver.id),
        "replaces_id": replaced,
        "about": particulars(),
        **{name: getattr(Result, name) for name in FOUND},
    }
    rows: Any = (
        select(*(value.label(name) for name, value in facts.items()))
        .join_from(Task, given, given.c.task_id == Task.id)
        .join(Result, Result.task_id == Task.id)
        .join(Instrument, Instrument.id == Task.instrument_id)
        .join(Appointment, Appointment.id == Task.appointment_id)
        .order_by(Task.id)
    )
    return list(db.session.scalars(insert(Certificate).from_select(list(facts), rows).returning(Certificate.id)))


FOUND = (
    "passed", "verification_kind", "verified_on", "valid_until", "regulation", "standards", "temperature", "humidity",
    "place", "indications", "failures", "verifier", "checker", "verifier_id", "checker_id",
)  # fmt: skip


def particulars() -> Any:
    """SQL: the instrument and its using unit as they are printed."""
    return func.jsonb_build_object(
        "using_unit", Appointment.applicant,
        "name", Instrument.name,
        "model", Instrument.model,
        "serial_no", Instrument.serial_no,
        "manufacturer", Instrument.manufacturer,
        "measuring_range", Instrument.measuring_range,
        "accuracy_class", Instrument.accuracy_class,
        "use_place", Instrument.use_place,
    )  # fmt: skip


def _replaced(issued: Sequence[int]) -> Any:
    replaced = Certificate.replaces_id
    return select(replaced.label("id")).where(Certificate.id.in_(issued), replaced.is_not(None))


def _instruments_of(certificate_ids: Sequence[int]) -> list[int]:
    found = select(Certificate.instrument_id).where(Certificate.id.in_(certificate_ids)).distinct()
    return list(db.session.scalars(found))


def settle(instrument_ids: Sequence[int], by: Principal) -> None:
    """Let the instruments stand as their newest valid certificate says; without one they are not verified.

    An inspection in service that was passed leaves them as they were.
    """
    newest = _newest(instrument_ids).subquery("newest")
    passed = select(newest).where(newest.c.passed).subquery("passed")
    failed = select(newest).where(~newest.c.passed).subquery("failed")
    verified_on, until = passed.c.verified_on, passed.c.valid_until
    fire(VERIFY, instrument_ids, by, proposal=passed, last_verified_on=verified_on, valid_until=until)
    fire(FAIL, instrument_ids, by, proposal=failed, last_verified_on=failed.c.verified_on, valid_until=None)
    instrument = Instrument.__table__.c
    without = instrument.id.not_in(select(newest.c.id))
    fire(UNVERIFY, instrument_ids, by, only=without, last_verified_on=None, valid_until=None)
    today = holidays.today()
    fire(RUN_OUT, instrument_ids, by, only=instrument.valid_until < today)
    fire(FALL_DUE, instrument_ids, by, only=instrument.valid_until <= today + WARNED_BEFORE)


def _newest(instrument_ids: Sequence[int]) -> Any:
    """The newest valid certificate of each instrument, whoever issued it."""
    issued = Certificate.__table__.c
    return (
        select(issued.instrument_id.label("id"), issued.passed, issued.verified_on, issued.valid_until)
        .ext(distinct_on(issued.instrument_id))
        .where(issued.instrument_id.in_(instrument_ids), issued.state == VALID)
        .where(~(issued.passed & (issued.verification_kind == IN_SERVICE)))
        .order_by(issued.instrument_id, issued.verified_on.desc(), issued.id.desc())
    )


def correct(chosen: Chosen, reason: str, by: Principal) -> Outcome:
    """更正: void certificates of one's own and take their tasks up again; what is then issued replaces them."""
    text = reasons.checked(reason, shortest=SHORTEST_REASON, longest=LONGEST_REASON)
    asked = how_many(chosen)
    lock(Instrument, select(Certificate.instrument_id).where(is_chosen(Certificate.id, chosen)))
    rows = db.session.execute(
        select(Certificate.id, Certificate.task_id, Certificate.instrument_id)
        .where(is_chosen(Certificate.id, chosen), Certificate.state == VALID)
        .order_by(Certificate.id)
        .with_for_update(of=Certificate)
    ).all()
    if not rows:
        return Outcome(asked, 0)
    _refuse_out_of_use([row.instrument_id for row in rows])
    _refuse_booked([row.instrument_id for row in rows])
    ids = [row.id for row in rows]
    fire(REVOKE_CERTIFICATE, ids, by, reason=text, published_at=None)
    done = fire(VOID_CERTIFICATE, ids, by, reason=text, void_reason=text).done
    anew = deadlines.to_finish(literal(holidays.today(), Date))
    fire(CORRECT, [row.task_id for row in rows], by, reason=text, finished_at=None, due_on=anew)
    settle([row.instrument_id for row in rows], by)
    return Outcome(asked, done)


def _refuse_out_of_use(instrument_ids: Sequence[int]) -> None:
    out_of_use = (Instrument.id.in_(instrument_ids), Instrument.use_state != IN_USE)
    number = db.session.scalar(select(func.count()).where(*out_of_use))
    if number:
        text = _(
            "%(number)s of these instruments are stopped or scrapped: nothing can be verified anew.", number=number
        )
        raise RuleError(text)


def _refuse_booked(instrument_ids: Sequence[int]) -> None:
    booked = select(func.count()).where(Task.instrument_id.in_(instrument_ids), Task.state.in_(sorted(OPEN)))
    if db.session.scalar(booked):
        raise RuleError(_("An instrument among these is booked again already: its new verification replaces this one."))


# --- Documents -----------------------------------------------------------------------------------


def ask_for_documents(by: Principal) -> None:
    """Let the worker make the documents that are missing, unless it is about to anyway."""
    waiting = select(Job.id).where(Job.account_id == by.account_id, Job.kind == DOCUMENTS, Job.state == WAITING)
    if db.session.scalar(waiting.limit(1)) is None:
        jobs.ask(DOCUMENTS, by, by_system=True)


def make_documents(job: Job) -> Finished:
    """Make, sign and keep the documents of one's own institution that are missing, each in a transaction of its own."""
    ids = _missing(Certificate.institution_id == principal().organization_id)
    made = 0
    for id in jobs.step_by_step(job, ids):
        made += _make_unless_taken(id)
        db.session.commit()
    return Finished(_("%(number)s documents were made and signed.", number=made))


def make_left_over() -> int:
    """Make the documents that no job made, e.g. because there was no key yet. Gives how many."""
    made = 0
    for id in _missing(Certificate.issued_at < func.now() - LEFT_OVER_AFTER)[:MOST_LEFT_OVER]:
        try:
            made += _make_unless_taken(id)
        except RuleError:
            continue
        finally:
            db.session.commit()
    return made


def _missing(which: Any) -> list[int]:
    """Certificates issued here whose document is missing; those from before this system have none until asked for."""
    missing = select(Certificate.id).where(Certificate.file.is_(None), Certificate.about.is_not(None), which)
    return list(db.session.scalars(missing.order_by(Certificate.id)))


def _document(certificate_id: int) -> str:
    """Return the name under which a certificate's signed document is kept, which is made now if it never was."""
    db.session.execute(select(func.pg_advisory_xact_lock(*_lock(certificate_id))))
    return _kept(certificate_id) or _made(certificate_id)


def _make_unless_taken(certificate_id: int) -> bool:
    """Make a document unless it is there, or somebody else is just making it; return whether it was made.

    The certificate itself is not locked: whoever publishes it meanwhile does not wait for its signature.
    """
    is_free = db.session.scalar(select(func.pg_try_advisory_xact_lock(*_lock(certificate_id))))
    if not is_free or _kept(certificate_id):
        return False
    _made(certificate_id)
    return True


def _lock(certificate_id: int) -> tuple[int, int]:
    return DOCUMENT_LOCK, certificate_id % 2**31


def _kept(certificate_id: int) -> str | None:
    name: str | None = db.session.scalar(select(Certificate.file).where(Certificate.id == certificate_id))
    return name


def _made(certificate_id: int) -> str:
    """Make, sign and keep the document of a certificate; the caller holds its lock, so nobody else does."""
    with seeing(EVERYTHING):
        paper = paper_of(certificate_id)
        signed = signatures.sign(
            papers.certificate(paper),
            _signer_of(certificate_id, paper.institution),
            reason=paper.title,
            location=paper.institution_address,
        )
        name = files.keep(signed)
        put = update(Certificate).where(Certificate.id == certificate_id).values(file=name)
        db.session.execute(put.execution_options(synchronize_session=False))
        return name


def _signer_of(certificate_id: int, institution: str) -> Any:
    issuer = select(Certificate.institution_id).where(Certificate.id == certificate_id)
    try:
        return keyring().signer(int(db.session.execute(issuer).scalar_one() or 0), institution)
    except signatures.NoKey as missing:
        text = _("There is no key to sign with for %(institution)s yet.", institution=institution)
        raise RuleError(text) from missing


def keyring() -> signatures.Keyring:
    return signatures.Keyring(files.keys(), ciphers.passphrase("keys of institutions"))


def paper_of(certificate_id: int) -> CertificatePaper:
    """What is printed: the certificate as issued; of one from before this system, the instrument as it is now."""
    before = aliased(Certificate)
    row = db.session.execute(
        select(
            Certificate,
            func.coalesce(Certificate.about, particulars()).label("about"),
            Organization.name.label("institution"),
            Institution,
            IssuingRule.seal,
            before.no.label("replaces"),
        )
        .join(Task, Task.id == Certificate.task_id)
        .join(Appointment, Appointment.id == Task.appointment_id)
        .join(Instrument, Instrument.id == Certificate.instrument_id)
        .join(Organization, Organization.id == Certificate.institution_id)
        .join(Institution, Institution.organization_id == Organization.id)
        .outerjoin(IssuingRule, IssuingRule.institution_id == Organization.id)
        .outerjoin(before, before.id == Certificate.replaces_id)
        .where(Certificate.id == certificate_id)
    ).one()
    issued, house, about = row.Certificate, row.Institution, row.about
    return CertificatePaper(
        kind=issued.kind,
        no=issued.no,
        code=code_of(issued),
        check_url=scans.address(scans.CERTIFICATE, issued.id),
        institution=row.institution,
        authorization_no=house.authorization_no,
        institution_address=house.address,
        institution_phone=house.phone,
        using_unit=about["using_unit"],
        instrument=about["name"],
        model=about["model"],
        serial_no=about["serial_no"],
        manufacturer=about["manufacturer"],
        measuring_range=about["measuring_range"],
        accuracy_class=about["accuracy_class"],
        regulation=issued.regulation,
        verification_kind=VERIFICATION_KINDS[issued.verification_kind],
        verified_on=issued.verified_on,
        valid_until=issued.valid_until,
        standards=tuple(_standard(each) for each in issued.standards),
        temperature=issued.temperature or "",
        humidity=issued.humidity or "",
        place=issued.place or "",
        indications=tuple((one, two, three) for one, two, three in issued.indications),
        failures=issued.failures or "",
        verifier=issued.verifier,
        checker=issued.checker,
        approver=issued.approver,
        issued_on=issued.issued_at.astimezone(holidays.ZONE).date(),
        replaces=row.replaces,
        seal=files.read(row.seal) if row.seal else None,
    )


def _standard(used: dict[str, Any]) -> StandardUsed:
    return StandardUsed(
        name=used["name"],
        measuring_range=used["measuring_range"],
        uncertainty=used["uncertainty"],
        certificate_no=used["certificate_no"],
        valid_until=date.fromisoformat(used["valid_until"]),
    )


def code_of(certificate: Certificate) -> str:
    """The verification code as it is printed: four groups of four."""
    code = certificate.code
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


# --- Taking away ---------------------------------------------------------------------------------


def find(certificate_id: int) -> Certificate | None:
    """A certificate that the acting person sees."""
    found: Certificate | None = db.session.get(Certificate, certificate_id)
    return found


def are_of(instrument_id: int) -> bool:
    """Whether the acting person sees a certificate of an instrument."""
    found = select(Certificate.id).where(Certificate.instrument_id == instrument_id).limit(1)
    return db.session.scalar(found) is not None


def signature(certificate: Certificate) -> signatures.Signature | None:
    """What the signature of a certificate's document is worth; None if there is no document yet."""
    return signatures.check(files.read(certificate.file), keyring().trusted) if certificate.file else None


def document(certificate: Certificate, by: Principal) -> str:
    """The signed document to take away, made now if it never was; gives the name under which it is kept."""
    name = certificate.file or _document(certificate.id)
    audit.record("download", "certificate", certificate.id, certificate.no, by=by)
    return name


def ask_for_zip(chosen: Chosen, by: Principal) -> Job:
    """Let the worker put the documents of many certificates into one file."""
    ids = list(
        db.session.scalars(select(Certificate.id).where(is_chosen(Certificate.id, chosen)).limit(MOST_IN_A_ZIP + 1))
    )
    if len(ids) > MOST_IN_A_ZIP:
        raise RuleError(
            _("At most %(most)s certificates go into one file. Please narrow the filter.", most=MOST_IN_A_ZIP)
        )
    audit.record("download", "certificate", by=by, done=len(ids))
    return jobs.ask(ZIP, by, ids=ids)


def make_zip(job: Job) -> Finished:
    """The documents of the certificates asked for, each under its number."""
    asked = select(Certificate).where(Certificate.id.in_(job.asked["ids"])).order_by(Certificate.id)
    found = list(db.session.scalars(asked))
    with TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for certificate in jobs.step_by_step(job, found):
                archive.writestr(file_name(certificate), files.read(certificate.file or _document(certificate.id)))
                db.session.commit()
        kept = files.keep_stream(file)
    text = _("%(number)s certificates in one file.", number=len(found))
    return Finished(text, kept, f"{_('Certificates')}-{holidays.today():%Y%m%d}.zip")


def file_name(certificate: Certificate) -> str:
    """The name of a certificate's document."""
    return f"{files.plain_name(certificate.no)}.pdf"

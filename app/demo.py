"""Demo data and demo accounts: one for each role, at organizations whose pages are full."""

from dataclasses import dataclass
from typing import Any

from flask_appbuilder.security.sqla.models import Role
from sqlalchemy import Select, distinct, func, select, update

from app import ciphers, files, seeding
from app.access import EVERYTHING
from app.domain import catalogue_versions, certificates, holidays, manufacturers
from app.models import Account, CatalogueItem, Inspection, IssuingRule, Organization, RoleGrant, StaffMember, Task, db
from app.seeding import kinds, staff
from app.seeding.seals import demo_seal
from app.states import NOT_CONCLUDED, OFFERED

INSTRUMENTS, SEED = 20_000, 1
PASSWORD = "Jianding#2026"  # noqa: S105 -- of accounts that the start page announces; none exists without `--demo`
COUNTY, CITY = "330106", "330100"


@dataclass(frozen=True)
class Person:
    """A demo account: who it is, and at which organization."""

    username: str
    name: str
    position: str
    role: str | None
    organization: Select[int]


def _authority(jurisdiction: str) -> Select[int]:
    return select(Organization.id).where(Organization.kind == "authority", Organization.jurisdiction == jurisdiction)


def _busiest_institution() -> Select[int]:
    """The one in the city to which most tasks are offered."""
    return (
        select(Organization.id)
        .join(Task, Task.institution_id == Organization.id)
        .where(Task.state == OFFERED, func.left(Organization.region_code, 4) == CITY[:4])
        .group_by(Organization.id)
        .order_by(func.count().desc(), Organization.id)
        .limit(1)
    )


def _liveliest_unit() -> Select[int]:
    """The using unit in the county whose tasks are in most different states."""
    return (
        select(Organization.id)
        .join(Task, Task.using_unit_id == Organization.id)
        .where(Task.region_code == COUNTY)
        .group_by(Organization.id)
        .order_by(func.count(distinct(Task.state)).desc(), func.count().desc(), Organization.id)
        .limit(1)
    )


PEOPLE = (
    Person("guojia-guanli", "郑卫平", "安全管理员", "NationalAdministrator", _authority("")),
    Person("guojia-xitong", "唐亚楠", "系统管理员", "SystemAdministrator", _authority("")),
    Person("zhejiang-guanli", "叶文斌", "安全管理员", "ProvincialAdministrator", _authority("33")),
    Person("hangzhou-guanli", "钱雪梅", "安全管理员", "CityAdministrator", _authority("3301")),
    Person("xihu-guanli", "徐立群", "安全管理员", "CountyAdministrator", _authority(COUNTY)),
    Person("guojia", "周建国", "计量司 处长", "Supervisor", _authority("")),
    Person("zhejiang", "陈志远", "计量处 处长", "Supervisor", _authority("33")),
    Person("hangzhou", "沈国华", "计量处 处长", "Supervisor", _authority("3301")),
    Person("xihu", "方晓敏", "计量科 科长", "Supervisor", _authority(COUNTY)),
    Person("xihu-fenpei", "吴佳怡", "检定任务分配岗", "AssignmentOfficer", _authority(COUNTY)),
    Person("hangzhou-gongshi", "许文婷", "信息公示岗", "PublicationOfficer", _authority("3301")),
    Person("xihu-biaozhun", "邵丽萍", "社公标管理岗", "StandardOfficer", _authority(COUNTY)),
    Person("hangzhou-biaozhun", "顾建华", "社公标审核岗", "StandardOfficer", _authority("3301")),
    Person("guojia-mulu", "韩晓东", "强检目录管理岗", "CatalogueOfficer", _authority("")),
    Person("hangzhou-jiancha-2", "阮明", "计量监督检查岗", "InspectionOfficer", _authority("3301")),
    Person("hangzhou-jiancha", "董浩然", "计量监督检查岗", "InspectionOfficer", _authority("3301")),
    Person("xihu-jiancha", "范思远", "计量监督检查岗", "InspectionOfficer", _authority(COUNTY)),
    Person("xihu-jiancha-2", "石磊", "计量监督检查岗", "InspectionOfficer", _authority(COUNTY)),
    Person("zhejiang-fenxi", "何俊杰", "统计分析岗", "Analyst", _authority("33")),
    Person("guojia-shenji", "宋明远", "审计岗", "Auditor", _authority("")),
    Person("ningbo", "俞海波", "计量处 处长", "Supervisor", _authority("3302")),
    Person("chengdu", "唐光明", "计量处 处长", "Supervisor", _authority("5101")),
    Person("jigou", "金晓燕", "业务受理员", "InstitutionClerk", _busiest_institution()),
    Person("jigou-jianding", "高翔", "检定员", "InstitutionVerifier", _busiest_institution()),
    Person("jigou-heyan", "罗静", "核验员", "InstitutionVerifier", _busiest_institution()),
    Person("jigou-pizhun", "梁伟民", "技术负责人", "InstitutionApprover", _busiest_institution()),
    Person("jigou-guanli", "蒋志强", "综合办 主任", "InstitutionAdministrator", _busiest_institution()),
    Person("danwei", "朱丽华", "设备科 计量管理员", "UsingUnitClerk", _liveliest_unit()),
    Person("danwei-guanli", "孙海燕", "总经理办公室", "UsingUnitAdministrator", _liveliest_unit()),
    Person("xin", "林子涵", "新入职人员（尚无角色）", None, _authority(COUNTY)),
)


# Which of the seeded staff of their institution these accounts are.
STAFF = {"jigou-heyan": staff.CHECKER, "jigou-pizhun": staff.APPROVER, "jigou-jianding": staff.CHECKER + 2}


def create_unless_there() -> None:
    """Seed an empty database, and add the demo accounts and their keys if there are none; commits."""
    if not db.session.scalar(select(Organization.id).limit(1)):
        seeding.seed(INSTRUMENTS, SEED)
    if not db.session.scalar(select(Account.id).where(Account.demo).limit(1)):
        _publish_catalogue()
        _register_manufacturers()
        _add_accounts()
        _join_staff()
        _send_out()
        _seal()
        db.session.commit()
    certificates.keyring().make_authority("演示用证书（无法律效力）")


def accounts() -> list[tuple[str, str, str]]:
    """The demo accounts there are: user name, password, and who it is."""
    rows = (
        select(Account, Organization.name)
        .outerjoin(Organization, Organization.id == Account.organization_id)
        .where(Account.demo)
        .order_by(Account.id)
    )
    return [
        (account.username, PASSWORD, f"{organization} {account.position} {account.first_name}")
        for account, organization in db.session.execute(rows)
    ]


def _publish_catalogue() -> None:
    """As if the nation had vouched for it: else the portal had nothing to choose from."""
    everything = list(db.session.scalars(select(CatalogueItem.id)))
    catalogue_versions.confirm(everything, EVERYTHING)
    catalogue_versions.publish(everything, EVERYTHING)


def _register_manufacturers() -> None:
    """The makers of the demo instruments, confirmed, some with former names, and how many each has made."""
    for maker in kinds.sample("makers"):
        former = tuple(filter(None, maker["former_names"].split(manufacturers.SEPARATOR)))
        manufacturers.add(manufacturers.Entry(maker["name"], former), EVERYTHING)
    manufacturers.learn(holidays.today(), EVERYTHING)


def _add_accounts() -> None:
    password = ciphers.hashed_password(PASSWORD)
    roles = {role.name: role for role in db.session.scalars(select(Role))}
    db.session.add_all(_account(number, person, password, roles) for number, person in enumerate(PEOPLE, start=1))
    db.session.flush()
    db.session.add_all(_grants())


def _account(number: int, person: Person, password: str, roles: dict[str, Any]) -> Account:
    return Account(
        username=person.username,
        first_name=person.name,
        last_name="",
        email=f"{person.username}@example.org",
        password=password,
        active=True,
        position=person.position,
        phone=f"1380000{number:04d}",
        organization_id=db.session.scalar(person.organization),
        roles=[roles[person.role]] if person.role else [],
        has_role=person.role is not None,
        demo=True,
    )


def _grants() -> list[RoleGrant]:
    held = select(Account.id, Role.name).join(Account.roles).where(Account.demo)
    return [
        RoleGrant(account_id=account_id, role=role, by_name="演示数据", by_organization="")
        for account_id, role in db.session.execute(held)
    ]


def _join_staff() -> None:
    """The accounts of verifier, checker and approver are members of the staff, under their names."""
    for username, number in STAFF.items():
        account = db.session.scalars(select(Account).where(Account.username == username)).one()
        member = db.session.get_one(StaffMember, (account.organization_id or 0) * staff.PEOPLE + number)
        member.account_id, member.name = account.id, account.first_name


def _send_out() -> None:
    """The inspections to come of the demo offices are for their inspectors."""
    mine = select(Account).where(Account.demo, Account.username.contains("jiancha")).order_by(Account.id)
    people: dict[int, list[dict[str, Any]]] = {}
    for account in db.session.scalars(mine):
        people.setdefault(account.organization_id or 0, []).append({"id": account.id, "name": account.first_name})
    for office, inspectors in people.items():
        to_come = Inspection.state.in_(sorted(NOT_CONCLUDED))
        sent = update(Inspection).where(Inspection.authority_id == office, to_come)
        db.session.execute(sent.values(inspectors=inspectors))


def _seal() -> None:
    """The institution of the demo accounts prints its certificates with a seal."""
    house = db.session.get_one(Organization, db.session.scalar(_busiest_institution()))
    rule = db.session.scalars(select(IssuingRule).where(IssuingRule.institution_id == house.id)).one()
    rule.seal = files.keep(demo_seal(house.name))

"""All tables: columns, constraints, relationships, and the mixins that say who sees a row. No rules, no queries."""

from flask_appbuilder import Model as Model

from app.models.accounts import (
    AccessKey as AccessKey,
    Account as Account,
    AccountSession as AccountSession,
    Attempt as Attempt,
    Captcha as Captcha,
    NumberList as NumberList,
    OwnedByAccount as OwnedByAccount,
    PendingDeed as PendingDeed,
    Role as Role,
    RoleGrant as RoleGrant,
    SavedView as SavedView,
    SharedByAccount as SharedByAccount,
    UsedPassword as UsedPassword,
    held_role as held_role,
)
from app.models.base import (
    Audited as Audited,
    Big as Big,
    KeptByAuthority as KeptByAuthority,
    KeptByUsingUnit as KeptByUsingUnit,
    Moment as Moment,
    OfferedByInstitution as OfferedByInstitution,
    OwnedByInstitution as OwnedByInstitution,
    OwnedByUsingUnit as OwnedByUsingUnit,
    RegionCode as RegionCode,
    SeenByInspected as SeenByInspected,
    SharedByParties as SharedByParties,
    WithinRegion as WithinRegion,
    db as db,
)
from app.models.inspections import (
    Inspection as Inspection,
    InspectionDraw as InspectionDraw,
    InstitutionVersion as InstitutionVersion,
)
from app.models.institutions import (
    Capability as Capability,
    CertificateNumber as CertificateNumber,
    IssuingRule as IssuingRule,
    MeasurementStandard as MeasurementStandard,
    Qualification as Qualification,
    ServiceRegion as ServiceRegion,
    StaffMember as StaffMember,
    StandardDocument as StandardDocument,
    WeeklyCapacity as WeeklyCapacity,
)
from app.models.operation import (
    AuditChain as AuditChain,
    AuditEntry as AuditEntry,
    ClockRun as ClockRun,
    Dump as Dump,
    Job as Job,
    KeyCheck as KeyCheck,
    LedgerImport as LedgerImport,
    MonthlyReport as MonthlyReport,
    Notification as Notification,
)
from app.models.reference import (
    AlarmThreshold as AlarmThreshold,
    AnnouncedChange as AnnouncedChange,
    CatalogueItem as CatalogueItem,
    Deadline as Deadline,
    Holiday as Holiday,
    Institution as Institution,
    Manufacturer as Manufacturer,
    ManufacturerName as ManufacturerName,
    Organization as Organization,
    ProvinceRule as ProvinceRule,
    PublicationRule as PublicationRule,
    Region as Region,
    UsingUnit as UsingUnit,
    Workday as Workday,
)
from app.models.verification import (
    Appointment as Appointment,
    Certificate as Certificate,
    Event as Event,
    Findings as Findings,
    Instrument as Instrument,
    MonthEnd as MonthEnd,
    Photo as Photo,
    Result as Result,
    Tally as Tally,
    Task as Task,
)

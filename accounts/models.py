"""Organisations, users, roles and what leads to them.

E-mail addresses stand in clear for now (docs/adr/0004): allauth and axes look them up by equality.
"""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from accounts.limited import few_named
from accounts.passwords import MAX_LENGTH, normalise
from core.assurance import Level
from core.ids import new_id
from core.scope import ScopedManager, ScopedModel
from protection.fields import SealedField

REQUIRED_ACR = [
    ("", "Any sign-in"),
    ("aal1", "aal1: one factor"),
    ("aal2", "aal2: two factors"),
    ("phr", "phr: a passkey"),
    ("phrh", "phrh: a passkey that stays in its hardware"),
]
REQUIRED_TIER = [
    (0, "Any device"),
    (1, "Tier 1: enrolled"),
    (2, "Tier 2: partly in order"),
    (3, "Tier 3: in order"),
    (4, "Tier 4: in order, its key in hardware"),
]


class Organisation(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"], ScopedManager["User"]):
    """Scoped by `.within(organisation)`, but without it open: allauth asks `User.objects`.

    Signing in begins by an address alone. Our own code says `.within(…)` or `User.unscoped`;
    tests/accounts/test_scope.py reads the source and holds us to it.
    """

    use_in_migrations = True  # allauth's data migrations ask for `User.objects`

    def get_queryset(self) -> "models.QuerySet[User]":
        return models.QuerySet(self.model, using=self._db)

    def create_user(
        self, *, email: str, organisation: Organisation, now: datetime,
        password: str | None = None, **fields: Any,
    ) -> "User":  # fmt: skip
        user = self.model(
            email=email.strip().lower(), organisation=organisation, created_at=now, **fields
        )
        user.set_password(password)
        user.save(using=self._db)
        return user


class EveryUserManager(BaseUserManager["User"]):
    """Users of every organisation: signing in begins by an address alone."""


class User(AbstractBaseUser, PermissionsMixin):  # type: ignore[django-manager-missing]
    """A person. email is unique over the installation, so it also names the organisation.

    security_stamp: changes with every credential; a session that carries another value is over.
    person_id: whose account it is. Accounts of one person share it, so that nobody answers a
    request of their own by another account; an administrator links them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="users")
    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=150, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    security_stamp = models.UUIDField(default=uuid.uuid4, editable=False)
    person_id = models.UUIDField(default=new_id, editable=False)
    created_at = models.DateTimeField()

    unscoped: ClassVar[EveryUserManager] = EveryUserManager()
    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        default_manager_name = "unscoped"
        base_manager_name = "unscoped"
        constraints = [
            models.UniqueConstraint(
                fields=["id", "organisation"], name="accounts_user_organisation"
            ),
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="accounts_email_is_lower"
            ),
        ]
        indexes = [models.Index(fields=["person_id"], name="accounts_user_person")]

    def __str__(self) -> str:
        return self.name or self.email

    def set_password(self, raw_password: str | None) -> None:
        super().set_password(None if raw_password is None else normalise(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the password; one that is too long to be anybody's is not looked at."""
        if raw_password is None or len(raw_password) > MAX_LENGTH:
            return False
        return super().check_password(normalise(raw_password))


class Role(ScopedModel):
    """A named set of rights. required_acr: how strongly its holder must be signed in.

    required_tier: the least trust in the device that it is used from, 0 for any; on another it
    is withheld.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="roles")
    name = models.SlugField(max_length=64)
    description = models.CharField(max_length=200, blank=True)
    required_acr = models.CharField(max_length=8, blank=True, choices=REQUIRED_ACR)
    required_tier = models.PositiveSmallIntegerField(choices=REQUIRED_TIER, default=0)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="accounts_role_name"),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="accounts_role_organisation"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def required_level(self) -> Level:
        return Level.from_acr(self.required_acr)


class Group(ScopedModel):
    """People of one organisation who hold the same roles."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="people_groups")
    name = models.SlugField(max_length=64)
    roles = models.ManyToManyField(Role, through="GroupRole", related_name="people_groups")
    members = models.ManyToManyField(User, through="GroupMember", related_name="people_groups")

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="accounts_group_name"),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="accounts_group_organisation"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class GroupRole(ScopedModel):
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, models.CASCADE)
    role = models.ForeignKey(Role, models.CASCADE)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["group", "role"], name="accounts_group_role_once")
        ]


class GroupMember(ScopedModel):
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    group = models.ForeignKey(Group, models.CASCADE)
    user = models.ForeignKey(User, models.CASCADE)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(fields=["group", "user"], name="accounts_group_member_once")
        ]


class RoleAssignmentQuerySet(models.QuerySet["RoleAssignment"]):
    def live(self, now: datetime) -> "RoleAssignmentQuerySet":
        """Those that hold at `now`: begun, not ended. Half-open: [starts_at, ends_at)."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), starts_at__lte=now, ended_at=None)

    def standing(self) -> "RoleAssignmentQuerySet":
        """Those that no grant made: what counts where rights are given."""
        return self.filter(grant_id=None)


class RoleAssignment(ScopedModel):
    """A role of a user. ends_at: when it stops by itself; ended_at: when noted.

    **Elevated** where a grant made it (grant_id), else **standing**. An elevated one has an end,
    and may count in one login session, on one device or from one address only; required_acr and
    required_tier are what the grant asks of them beyond the role. It counts only while each of its
    conditions (`AssignmentCondition`) holds, and not while it is suspended. resources: to what it
    is limited, `[{type, id}]`; such a role is in no token, and counts where policy is asked.
    rules: what has to hold of whoever uses it, and where, judged at each use
    (`sessions.conditions`): `{conditions, request, workload}`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    user = models.ForeignKey(User, models.CASCADE, related_name="role_assignments")
    role = models.ForeignKey(Role, models.CASCADE, related_name="assignments")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    grant_id = models.UUIDField(null=True, editable=False)
    session_id = models.UUIDField(null=True, editable=False)
    device_id = models.UUIDField(null=True, editable=False)
    address = models.GenericIPAddressField(null=True, editable=False)
    required_acr = models.CharField(max_length=8, blank=True, choices=REQUIRED_ACR, editable=False)
    required_tier = models.PositiveSmallIntegerField(
        choices=REQUIRED_TIER, default=0, editable=False
    )
    suspended_at = models.DateTimeField(null=True, editable=False)
    resources = models.JSONField(null=True, editable=False)
    rules = models.JSONField(null=True, editable=False)

    unscoped = models.Manager.from_queryset(RoleAssignmentQuerySet)()  # type: ignore[misc]

    @property
    def limit(self) -> str:
        """The first of the resources that it is limited to, in words; "" without a limit."""
        return few_named(self.resources)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["user", "role"],
                condition=Q(ended_at=None, grant_id=None),
                name="accounts_one_standing_assignment",
            ),
            models.UniqueConstraint(fields=["grant_id", "role"], name="accounts_one_elevation"),
            models.UniqueConstraint(
                fields=["id", "organisation"], name="accounts_assignment_organisation"
            ),
            models.CheckConstraint(
                condition=Q(
                    grant_id=None,
                    session_id=None,
                    device_id=None,
                    address=None,
                    required_acr="",
                    required_tier=0,
                    suspended_at=None,
                    resources=None,
                    rules=None,
                )
                | Q(grant_id__isnull=False, ends_at__isnull=False),
                name="accounts_assignment_elevated",
            ),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
                name="accounts_assignment_period",
            ),
        ]
        indexes = [
            models.Index(  # how every use of a session finds them
                fields=["user"], condition=Q(ended_at=None), name="accounts_live_assignments"
            ),
        ]


class AssignmentCondition(ScopedModel):
    """What an elevated role hangs on: it counts only while this person is active and not locked.

    Where a group or a role is named, only while the person is in it, or holds it without a grant.
    Plain ids, since what is deleted meanwhile has to fail the condition, not to take it along.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    assignment = models.ForeignKey(RoleAssignment, models.CASCADE, related_name="conditions")
    user_id = models.UUIDField()
    group_id = models.UUIDField(null=True)
    role_id = models.UUIDField(null=True)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(group_id=None) | Q(role_id=None), name="accounts_condition_of_one_kind"
            ),
        ]


class LockTarget(models.TextChoices):
    USER = "user"
    ROLE = "role"
    CLIENT = "client"
    DEVICE = "device"
    SESSION = "session"
    ADDRESS = "address"
    CREDENTIAL = "credential"
    GRANT = "grant"


class LockQuerySet(models.QuerySet["Lock"]):
    def live(self, now: datetime) -> "LockQuerySet":
        """Those that hold at `now`: not lifted, not over. Half-open: [created_at, ends_at)."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), lifted_at=None)


class Lock(ScopedModel):
    """Stops whatever it names, in every use, until it ends or is lifted.

    target: the id of the row (a client's is its `client_id`, a credential's its factor's
    `row_id`), or for addresses a network in CIDR form. Several may hold at once, for different
    reasons. reason: for administrators. message: for whom it stops.
    needs_recovery: a recovery of the account lifts it, too; otherwise an administrator, or time.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    target_type = models.CharField(max_length=16, choices=LockTarget.choices)
    target = models.CharField(max_length=200)
    reason = models.CharField(max_length=200)
    message = models.CharField(max_length=200, blank=True)
    needs_recovery = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=100)
    ends_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=100, blank=True)

    unscoped: ClassVar = models.Manager.from_queryset(LockQuerySet)()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("created_at")),
                name="accounts_lock_period",
            ),
            models.UniqueConstraint(  # also how every use of a session finds what stops it
                fields=["organisation", "target", "target_type", "reason"],
                condition=Q(lifted_at=None),
                name="accounts_one_lock_for_a_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["organisation"],
                condition=Q(lifted_at=None, target_type="address"),
                name="accounts_locked_addresses",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target_type} {self.target}"


class Invitation(ScopedModel):
    """A one-time way in. digest: SHA-256 of the token in the mailed link."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+")
    email = models.EmailField(max_length=254)
    role = models.ForeignKey(Role, models.SET_NULL, null=True, blank=True, related_name="+")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, editable=False)


class Profile(ScopedModel):
    """What people say of themselves, by the names of OpenID Connect Core 1.0 §5.1; "" is unsaid.

    birthdate: YYYY-MM-DD, or 0000-MM-DD without the year. address: members of §5.1.1 that are said.
    preferred_username: one person's within the organisation, since applications show it as a name.
    """

    user = models.OneToOneField(
        User, models.CASCADE, primary_key=True, related_name="profile", editable=False
    )
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    given_name = models.CharField(max_length=100, blank=True)
    family_name = models.CharField(max_length=100, blank=True)
    middle_name = models.CharField(max_length=100, blank=True)
    nickname = models.CharField(max_length=100, blank=True)
    preferred_username = models.CharField(max_length=64, blank=True)
    profile = models.URLField(max_length=500, blank=True)
    picture = models.URLField(max_length=500, blank=True)
    website = models.URLField(max_length=500, blank=True)
    gender = models.CharField(max_length=50, blank=True)
    birthdate = models.CharField(max_length=10, blank=True)
    zoneinfo = models.CharField(max_length=64, blank=True)
    locale = models.CharField(max_length=35, blank=True)
    phone_number = models.CharField(max_length=16, blank=True)
    phone_number_verified = models.BooleanField(default=False)
    address = models.JSONField(default=dict, blank=True)
    changed_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                "organisation",
                Lower("preferred_username"),
                condition=~Q(preferred_username=""),
                name="accounts_one_preferred_username",
            )
        ]


class GuessBudget(models.Model):
    """Failed guesses at any secret of one account, whatever the path.

    key: keyed digest of the e-mail address, so unknown addresses are counted alike.
    total: failures since the last success; window_*: those of the current window.
    """

    key = models.BinaryField(max_length=32, primary_key=True)
    total = models.PositiveIntegerField(default=0)
    window_failures = models.PositiveIntegerField(default=0)
    window_started_at = models.DateTimeField()


class OutgoingMail(models.Model):
    """A message to be delivered, sealed, since it may hold links that open accounts.

    attempts: tries so far; next_attempt_at: when to try again; sent_at: done.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message = SealedField(organisation=None)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(sent_at=None),
                name="accounts_mail_due",
            )
        ]


ANY = "*"


class RolePermission(ScopedModel):
    """What holders of a role may do. resource_type, action: words of applications, `*` for any."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    role = models.ForeignKey(Role, models.CASCADE, related_name="permissions")
    resource_type = models.CharField(max_length=128)
    action = models.CharField(max_length=128)

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["role", "resource_type", "action"], name="accounts_permission_once"
            ),
            models.CheckConstraint(
                condition=~Q(resource_type="") & ~Q(action=""), name="accounts_permission_named"
            ),
        ]
        indexes = [
            models.Index(  # how a decision finds who may do what to a type
                fields=["organisation", "resource_type"], name="accounts_permission_of_type"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.resource_type}"


class Classification(models.TextChoices):
    """How much harm it does in the wrong hands; `policies/authzen.rego` says what each asks for."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"


class Resource(ScopedModel):
    """Something that applications guard, as far as policy has to know of it.

    type, name: the applications' own words; together they name it in its organisation.
    properties: what else policy looks at. owner: who decides about it, if that is one person.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    type = models.CharField(max_length=128)
    name = models.CharField(max_length=255)
    classification = models.CharField(
        max_length=16, choices=Classification.choices, default=Classification.INTERNAL
    )
    properties = models.JSONField(default=dict, blank=True)
    owner = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta(ScopedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "type", "name"], name="accounts_resource_name"
            ),
            models.CheckConstraint(
                condition=Q(classification__in=Classification.values),
                name="accounts_resource_classified",
            ),
            models.CheckConstraint(
                condition=~Q(type="") & ~Q(name=""), name="accounts_resource_named"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.name}"

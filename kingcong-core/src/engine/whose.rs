//! Who asks at a handle, for whose rows, and the one place where both are checked.

use std::sync::Arc;

use serde::Serialize;

use super::{Inner, KingCong};
use crate::{
    access::{Access, Denied, Door, Recorded, RoleName, Scope, Target},
    error::Error,
    id::{Actor, AuditId, InvalidId, TenantId, UserId},
    ledger::{Owner, WalletKey},
    money::Unit,
    store::{AuditOutcome, Command, NewAudit},
};

/// Who asks at a handle, and for whose rows.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Who.
    access: Arc<Access>,
    /// For whose rows.
    whose: Whose,
}

/// Whose rows a handle asks for.
#[derive(Clone, Debug)]
enum Whose {
    /// Those of every tenant.
    All,
    /// One tenant's, if its name can be one.
    Tenant(Result<TenantId, InvalidId>),
}

impl Caller {
    /// Who asks at a handle where nothing is said: the operator, for the main tenant.
    pub(super) fn system() -> Self {
        Self { access: Arc::new(Access::system()), whose: Whose::Tenant(Ok(TenantId::main())) }
    }

    /// The rows that were chosen, before any role narrows them.
    fn chosen(&self) -> Result<Scope, Error> {
        match &self.whose {
            Whose::All => Ok(Scope::All),
            Whose::Tenant(tenant) => Ok(Scope::Tenant(tenant.clone()?)),
        }
    }
}

/// A door that a caller was let through.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    door: Door,
    access: Arc<Access>,
    scope: Scope,
}

impl Entered {
    /// The door.
    pub(super) const fn door(&self) -> Door {
        self.door
    }

    /// The rows that may be seen.
    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The one tenant that is asked for.
    pub(super) fn tenant(&self) -> Result<&TenantId, Error> {
        self.scope.tenant().ok_or_else(|| {
            let (value, bounds) = ("every one".to_owned(), "one tenant: choose it with `of`");
            Error::Argument { argument: "tenant", value, bounds }
        })
    }

    /// The rows of one user. A user outside of the scope is not found.
    pub(super) fn user(&self, user: &UserId) -> Result<Scope, Error> {
        let tenant = self.tenant()?;
        if !self.scope.covers(tenant, user) {
            return Err(Error::NotFound { what: "user", name: user.to_string() });
        }
        Ok(Scope::User(tenant.clone(), user.clone()))
    }

    /// An owner's wallet. One outside of the scope is not found.
    pub(super) fn wallet(&self, owner: Owner, unit: Unit) -> Result<WalletKey, Error> {
        let key = WalletKey { tenant: self.tenant()?.clone(), owner, unit };
        self.check_wallet(&key)?;
        Ok(key)
    }

    /// Whether this wallet may be moved.
    pub(super) fn check_wallet(&self, key: &WalletKey) -> Result<(), Error> {
        if self.scope.covers_wallet(key) {
            return Ok(());
        }
        Err(Error::NotFound { what: "wallet of", name: key.owner.to_string() })
    }
}

impl KingCong {
    /// A handle at which somebody acts in a role, with the same doors. It finds the rows that the role reaches
    /// ([`Role::reach`](crate::access::Role::reach)), and refuses the doors that are not for the role. What is done and
    /// what is refused is audited in the actor's name. The host authenticates: who has a handle may ask for another.
    ///
    /// A role of one tenant asks for that tenant, any other for the one that this handle asks for.
    ///
    /// ```
    /// # use kingcong_core::{Error, KingCong, Request, access::{Access, Role}, id::JobId};
    /// # async fn example(kc: KingCong, id: JobId) -> Result<(), Error> {
    /// let an = kc.acting(Access::new("an", Role::member("acme", "an")?)?);
    /// an.job(id).status().await?; // not found, unless it is this user's
    /// an.wallets().get("an").await?;
    /// let refused = an.config().get().await;
    /// assert!(matches!(refused, Err(Error::Forbidden { .. })));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn acting(&self, access: Access) -> Self {
        let whose = match access.role.tenant() {
            Some(tenant) => Whose::Tenant(Ok(tenant.clone())),
            None => self.caller.whose.clone(),
        };
        Self { caller: Caller { access: Arc::new(access), whose }, ..self.clone() }
    }

    /// A handle that asks for this tenant: its jobs, wallets and voices. What belongs to another is not found, and what
    /// is submitted or booked is this tenant's. A name that cannot be one is told at the first door, and a tenant that
    /// the handle's role does not reach is not found there.
    ///
    /// ```
    /// # use kingcong_core::{Error, KingCong, ledger::Owner};
    /// # async fn example(kc: KingCong) -> Result<(), Error> {
    /// let acme = kc.of("acme");
    /// acme.wallets().purchase(Owner::Tenant, "package-1", "order-17").await?;
    /// assert_eq!(acme.wallets().get(Owner::Tenant).await?.balance.get(), 1_000_000);
    /// assert_eq!(kc.wallets().get(Owner::Tenant).await?.balance.get(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(&self, tenant: impl AsRef<str>) -> Self {
        self.choosing(Whose::Tenant(TenantId::new(tenant)))
    }

    /// A handle that asks for every tenant, for roles that are of no single one. It finds every job, and lists every
    /// wallet; what is submitted or booked, and whatever names a user, is one tenant's and refused.
    #[must_use]
    pub fn of_all(&self) -> Self {
        self.choosing(Whose::All)
    }

    fn choosing(&self, whose: Whose) -> Self {
        Self { caller: Caller { whose, ..self.caller.clone() }, ..self.clone() }
    }

    /// Asks whether this handle's caller may use a door, as every door does first: for doors that a host or a face
    /// builds beside the library's own. It answers whose rows may be seen there.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the role may not use the door, which is audited; [`Error::AccessExpired`] when the
    /// access has ended; a tenant whose name cannot be one, or that the role does not reach.
    pub async fn enter(&self, door: Door) -> Result<Scope, Error> {
        Ok(self.entered(door).await?.scope)
    }

    /// Lets the caller through a door, or refuses.
    pub(super) async fn entered(&self, door: Door) -> Result<Entered, Error> {
        let access = Arc::clone(&self.caller.access);
        let chosen = self.caller.chosen()?;
        match access.scope_at(door, &chosen, self.inner.store_now()) {
            Ok(scope) => Ok(Entered { door, access, scope }),
            Err(Denied::Expired { until }) => {
                Err(Error::AccessExpired { actor: access.actor.clone(), until })
            }
            Err(Denied::Elsewhere) => {
                let name = chosen.tenant().map_or_else(|| "every one".to_owned(), ToString::to_string);
                Err(Error::NotFound { what: "tenant", name })
            }
            Err(Denied::Role) => {
                let role = access.role.name();
                self.inner.record_refusal(door, &access, &chosen).await;
                Err(Error::Forbidden { door, role })
            }
        }
    }
}

/// The detail of what is told by its door and target alone.
#[derive(Serialize)]
pub(super) struct NoDetail {}

impl Inner {
    /// The audit row of what is done at a door, with a detail that has no secret in it.
    pub(super) fn audit(&self, entered: &Entered, target: &Target, detail: &impl Serialize) -> NewAudit {
        let access = &entered.access;
        self.audit_as(&access.actor, access.role.name(), entered.door.name(), target, detail)
    }

    /// The audit row of what this actor does in this role.
    pub(super) fn audit_as(
        &self,
        actor: &Actor,
        role: RoleName,
        door: &'static str,
        target: &Target,
        detail: &impl Serialize,
    ) -> NewAudit {
        NewAudit {
            id: AuditId::from_uuid(self.ids.uuid()),
            tenant: target.tenant().cloned(),
            actor: actor.clone(),
            role,
            door,
            target: Some(target.to_string()),
            outcome: AuditOutcome::Done,
            detail: json(detail),
        }
    }

    /// Writes down that a role asked at a door that is not for it. The caller is refused whether or not that succeeds.
    async fn record_refusal(&self, door: Door, access: &Access, chosen: &Scope) {
        let (actor, role) = (&access.actor, access.role.name());
        tracing::warn!(%door, %actor, %role, "access refused");
        let recorded = self.refusals.lock().count(self.clock.elapsed());
        if recorded == Recorded::InLogAlone {
            return;
        }
        let audit = NewAudit {
            id: AuditId::from_uuid(self.ids.uuid()),
            tenant: access.role.tenant().or(chosen.tenant()).cloned(),
            actor: actor.clone(),
            role,
            door: door.name(),
            target: None,
            outcome: AuditOutcome::Refused,
            detail: json(&NoDetail {}),
        };
        if let Err(error) = self.execute(Command::Audit(Box::new(audit))).await {
            tracing::warn!(%door, %actor, %error, "a refused access was not written to the audit");
        }
    }
}

fn json(detail: &impl Serialize) -> String {
    serde_json::to_string(detail).expect("details are texts, numbers and lists of them under names")
}

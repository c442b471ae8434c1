//! Submitting: replay, gate, plan, quote, admit.

use std::sync::Arc;

use super::{Inner, KingCong, apart, job::JobHandle, tenants::suspended, whose::Entered};
use crate::{
    access::{Door, Scope},
    error::Error,
    id::{HoldId, JobId, TaskId},
    keys::PoolId,
    ledger::{Owner, WalletKey},
    measure::Measure,
    money::{Amount, Unit},
    store::{Admit, Admitted, Command, NewTask, NotAdmitted, Outcome},
    work::{
        CheckedRequest, KnownVoice, Payer, Plan, PlanBasis, PlanError, Request, RequestError, VoiceChoice,
    },
};

/// A request with more bytes of text or of a recording is checked and planned on a thread for blocking work; fewer take
/// less time than the way there and back, some tens of microseconds.
const AT_ONCE_BYTES_MAX: usize = 4 * 1024;

/// How often a plan is made again because the configuration or the tenant changed meanwhile.
const PLANS_MAX: u32 = 3;

/// What a request would cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Into how many tasks it would be cut.
    pub tasks: usize,
    /// How many characters it would be sold as.
    pub characters: u64,
    /// What would be held: the most that it can cost.
    pub held: Amount,
    /// In this unit.
    pub unit: Unit,
    /// What is available in the wallet that would pay.
    pub available: Amount,
}

impl Estimate {
    /// Whether the wallet has enough.
    #[must_use]
    pub fn is_sufficient(&self) -> bool {
        self.held <= self.available
    }
}

impl KingCong {
    /// What a request would cost now, without touching anything.
    ///
    /// # Errors
    /// As [`KingCong::submit`], except for what only the wallet decides.
    pub async fn estimate(&self, request: impl Into<Request>) -> Result<Estimate, Error> {
        let request = request.into();
        let entered = self.entered(Door::Estimate).await?;
        let request = check(request, &entered).await?;
        let (plan, _) = self.inner.plan(&request).await?;
        let wallet = self.inner.store.wallet(&payer(&request, plan.unit)).await?;
        Ok(Estimate {
            tasks: plan.tasks.len(),
            characters: plan.tasks.iter().map(|task| task.quantities.most_of(Measure::Character)).sum(),
            held: plan.held,
            unit: plan.unit,
            available: wallet.map_or(Amount::ZERO, |wallet| wallet.available()),
        })
    }

    /// Submits a request: its money is held and its tasks are queued, both or neither.
    ///
    /// With an idempotency key the same request gives the same job, for ever; refusals for money are remembered too,
    /// so use a new key after topping up.
    ///
    /// # Errors
    /// A request that is wrong, a service in maintenance or without route, key, voice or price, a voice that another
    /// user cloned, a suspended tenant, a wallet that has not enough, a full queue, or a store that fails. Nothing is
    /// written then, except a remembered refusal.
    ///
    /// # Cancellation safety
    /// Dropping the future stops the waiting: the request may have been admitted. Submit it again with the same
    /// idempotency key to know.
    pub async fn submit(&self, request: impl Into<Request>) -> Result<JobHandle, Error> {
        self.inner.check_open()?;
        let request = request.into();
        let entered = self.entered(Door::Submit).await?;
        let request = check(request, &entered).await?;
        let admitted = match self.inner.replay(&request).await? {
            Some(admitted) => admitted,
            None => match self.inner.admit(&request).await {
                // Another call under its key may have been admitted before there was no plan any more.
                Err(error @ Error::NoPlan { .. }) => self.inner.replay(&request).await?.ok_or(error)?,
                admitted => admitted?,
            },
        };
        Ok(JobHandle::new(self.clone(), admitted.job))
    }
}

/// Checks a request, the most of which is reading and hashing its text. Its user and the wallet that pays must be
/// within the scope: a member orders for itself alone, and pays with its own wallet.
async fn check(request: Request, entered: &Entered) -> Result<Arc<CheckedRequest>, Error> {
    let tenant = entered.tenant()?.clone();
    let request = if request.bytes() <= AT_ONCE_BYTES_MAX {
        request.check(tenant)?
    } else {
        apart(move || request.check(tenant)).await??
    };
    entered.user(&request.user)?;
    entered.check_wallet(&payer(&request, Unit::CREDIT))?;
    Ok(Arc::new(request))
}

/// The wallet that pays for a request.
fn payer(request: &CheckedRequest, unit: Unit) -> WalletKey {
    let owner = match request.payer {
        Payer::User => Owner::User(request.user.clone()),
        Payer::Tenant => Owner::Tenant,
    };
    WalletKey { tenant: request.tenant.clone(), owner, unit }
}

impl Inner {
    /// The answer that the request's idempotency key was given before, whatever the configuration says now.
    async fn replay(&self, request: &CheckedRequest) -> Result<Option<Admitted>, Error> {
        let Some(idempotency) = &request.idempotency else { return Ok(None) };
        let Some(row) = self.store.idempotency(&idempotency.key).await? else { return Ok(None) };
        Ok(Some(row.answer_to(idempotency)?))
    }

    /// The plan for a request, with the version of the configuration that it was made with.
    async fn plan(self: &Arc<Self>, request: &Arc<CheckedRequest>) -> Result<(Plan, i64), Error> {
        if let Some(at) = request.start_at.filter(|at| *at > self.store_now().plus(Request::AHEAD_MAX)) {
            let bounds = "at most 366 days ahead".to_owned();
            return Err(RequestError::OutOfBounds { what: "start_at", value: at.to_string(), bounds }.into());
        }
        self.check_voice(request).await?;
        let voice = self.known_voice(request).await?;
        match self.plan_as_known(request, voice.clone()).await {
            // Another process may just have added a key.
            Err(Error::NoPlan { error: PlanError::NoKey { .. }, .. }) => {
                self.refresh().await?;
                self.plan_as_known(request, voice).await
            }
            plan => plan,
        }
    }

    /// The plan as far as this process knows configuration and keys.
    async fn plan_as_known(
        self: &Arc<Self>,
        request: &Arc<CheckedRequest>,
        voice: Option<KnownVoice>,
    ) -> Result<(Plan, i64), Error> {
        if request.ask.bytes_to_cut() <= AT_ONCE_BYTES_MAX {
            return self.plan_now(request, voice.as_ref());
        }
        let (inner, request) = (Arc::clone(self), Arc::clone(request));
        apart(move || inner.plan_now(&request, voice.as_ref())).await?
    }

    fn plan_now(&self, request: &CheckedRequest, voice: Option<&KnownVoice>) -> Result<(Plan, i64), Error> {
        let snapshot = self.snapshot();
        let system = &snapshot.configuration.system;
        let basis = PlanBasis {
            system,
            prices: &snapshot.configuration.prices,
            at: self.store_now(),
            keyed: &snapshot.keyed,
            capabilities: &snapshot.capabilities,
            task_characters_max: self.settings.task_characters_max,
            abbreviations: &self.settings.abbreviations,
        };
        match Plan::new(request, basis, voice) {
            Ok(plan) => Ok((plan, snapshot.configuration.version)),
            Err(error) => {
                let message = Box::new(error.message(system));
                Err(Error::NoPlan { error, message })
            }
        }
    }

    /// The cloned voice that the request names, if it is this user's.
    async fn known_voice(&self, request: &CheckedRequest) -> Result<Option<KnownVoice>, Error> {
        let Some(VoiceChoice::Cloned(id)) = request.ask.voice() else { return Ok(None) };
        let own = Scope::User(request.tenant.clone(), request.user.clone());
        let voice = self.store.voice(&own, *id).await?;
        Ok(voice.map(|voice| KnownVoice {
            key: voice.key,
            route: voice.route,
            upstream_voice: voice.upstream_voice.into(),
        }))
    }

    async fn admit(self: &Arc<Self>, request: &Arc<CheckedRequest>) -> Result<Admitted, Error> {
        for _ in 0..PLANS_MAX {
            let (plan, version) = self.plan(request).await?;
            let admit = self.admission(request, &plan, version);
            let pools = pools(&plan);
            match self.execute(Command::Admit(Box::new(admit))).await? {
                Outcome::Admit(Ok(admitted)) => {
                    for (pool, route) in pools {
                        if admitted.pools.contains(&pool) {
                            self.wake(pool, &route);
                        }
                    }
                    return Ok(admitted);
                }
                Outcome::Admit(Err(NotAdmitted::Stale)) => {
                    self.learn_tenant(&request.tenant).await?;
                    self.refresh().await?;
                }
                Outcome::Admit(Err(NotAdmitted::Suspended)) => return Err(suspended(&request.tenant)),
                Outcome::Admit(Err(NotAdmitted::Refused(refusal))) => return Err(refusal.into()),
                Outcome::Admit(Err(NotAdmitted::Conflict)) => return Err(Error::IdempotencyConflict),
                Outcome::Admit(Err(NotAdmitted::QueueFull { route, waiting })) => {
                    return Err(Error::QueueFull { route, waiting });
                }
                other => unreachable!("admitting answers with an admission, not {other:?}"),
            }
        }
        Err(Error::Contended)
    }

    fn admission(&self, request: &CheckedRequest, plan: &Plan, configuration_version: i64) -> Admit {
        let mut ids: Vec<_> = plan.tasks.iter().map(|_| self.ids.uuid()).collect();
        ids.sort_unstable();
        Admit {
            idempotency: request.idempotency,
            configuration_version,
            tenant_version: self.tenants.version(&request.tenant),
            prices_during: plan.prices_during.clone(),
            job: JobId::from_uuid(self.ids.uuid()),
            hold: HoldId::from_uuid(self.ids.uuid()),
            tenant: request.tenant.clone(),
            user: request.user.clone(),
            wallet: payer(request, plan.unit),
            operation: plan.operation,
            service: request.service.clone(),
            held: plan.held,
            denominator: plan.denominator,
            deadline: request.deadline.unwrap_or(self.settings.deadline),
            start_at: request.start_at,
            weight: request.weight,
            shares: plan.shares.clone(),
            only_key: plan.only_key,
            tasks: plan
                .tasks
                .iter()
                .zip(ids)
                .map(|(task, id)| NewTask {
                    id: TaskId::from_uuid(id),
                    work: Arc::clone(&task.work),
                    quantities: task.quantities.clone(),
                    routes: Arc::clone(&task.routes),
                })
                .collect(),
            queue_max: i64::from(self.settings.queue_max),
        }
    }
}

/// The pools that a plan's tasks may wait in, with their routes.
fn pools(plan: &Plan) -> Vec<(PoolId, crate::id::Route)> {
    let routes = plan.tasks.first().map(|task| task.routes.iter()).into_iter().flatten();
    routes
        .map(|route| {
            let pool = plan.only_key.map_or_else(|| PoolId::shared(route.route()), PoolId::of_key);
            (pool, route.route().clone())
        })
        .collect()
}

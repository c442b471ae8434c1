//! The doors of the library: what a caller may ask for, by name.

use std::fmt;

macro_rules! doors {
    ($($(#[$doc:meta])* $door:ident: $name:literal,)*) => {
        /// A door: one thing that a caller may ask the library for. Its name is the same in the audit, in errors and in
        /// every language.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Door {
            $($(#[$doc])* $door,)*
        }

        impl Door {
            /// Every door.
            pub const ALL: &[Self] = &[$(Self::$door),*];

            /// Its name, such as `wallets.get`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$door => $name,)*
                }
            }
        }
    };
}

doors! {
    /// [`KingCong::estimate`](crate::KingCong::estimate).
    Estimate: "estimate",
    /// [`KingCong::submit`](crate::KingCong::submit).
    Submit: "submit",
    /// [`KingCong::jobs`](crate::KingCong::jobs).
    Jobs: "jobs",
    /// [`JobHandle::status`](crate::JobHandle::status).
    JobStatus: "job.status",
    /// [`JobHandle::wait`](crate::JobHandle::wait).
    JobWait: "job.wait",
    /// [`JobHandle::events`](crate::JobHandle::events), and each event of them.
    JobEvents: "job.events",
    /// [`JobHandle::cancel`](crate::JobHandle::cancel).
    JobCancel: "job.cancel",
    /// [`JobHandle::retry`](crate::JobHandle::retry).
    JobRetry: "job.retry",
    /// [`JobHandle::result`](crate::JobHandle::result).
    JobResult: "job.result",
    /// [`JobHandle::audio`](crate::JobHandle::audio), and each range of it.
    JobAudio: "job.audio",
    /// [`JobHandle::subtitles`](crate::JobHandle::subtitles).
    JobSubtitles: "job.subtitles",
    /// [`JobHandle::task_output`](crate::JobHandle::task_output).
    JobTaskOutput: "job.task_output",
    /// [`KingCong::status`](crate::KingCong::status).
    Status: "status",
    /// [`KingCong::verify`](crate::KingCong::verify).
    Verify: "verify",
    /// [`KingCong::monitor`](crate::KingCong::monitor).
    Monitor: "monitor",
    /// [`KingCong::pulse`](crate::KingCong::pulse).
    Pulse: "pulse",
    /// A copy of the database, where the store can make one.
    Backup: "backup",
    /// Old rows moved to files, where the store can do so.
    Archive: "archive",
    /// [`WalletDoors::get`](crate::engine::WalletDoors::get).
    WalletsGet: "wallets.get",
    /// [`WalletDoors::list`](crate::engine::WalletDoors::list).
    WalletsList: "wallets.list",
    /// [`WalletDoors::history`](crate::engine::WalletDoors::history).
    WalletsHistory: "wallets.history",
    /// [`WalletDoors::purchase`](crate::engine::WalletDoors::purchase), also of what was ordered.
    WalletsPurchase: "wallets.purchase",
    /// [`WalletDoors::refund`](crate::engine::WalletDoors::refund).
    WalletsRefund: "wallets.refund",
    /// [`WalletDoors::adjust`](crate::engine::WalletDoors::adjust).
    WalletsAdjust: "wallets.adjust",
    /// [`PackageDoors::list`](crate::engine::PackageDoors::list).
    PackagesList: "packages.list",
    /// [`PackageDoors::set`](crate::engine::PackageDoors::set).
    PackagesSet: "packages.set",
    /// [`PackageDoors::remove`](crate::engine::PackageDoors::remove).
    PackagesRemove: "packages.remove",
    /// [`PriceDoors::list`](crate::engine::PriceDoors::list).
    PricesList: "prices.list",
    /// [`PriceDoors::set`](crate::engine::PriceDoors::set).
    PricesSet: "prices.set",
    /// [`PriceDoors::withdraw`](crate::engine::PriceDoors::withdraw).
    PricesWithdraw: "prices.withdraw",
    /// [`PriceDoors::remove`](crate::engine::PriceDoors::remove).
    PricesRemove: "prices.remove",
    /// [`ConfigDoors::get`](crate::engine::ConfigDoors::get).
    ConfigGet: "config.get",
    /// [`ConfigDoors::explain`](crate::engine::ConfigDoors::explain).
    ConfigExplain: "config.explain",
    /// [`ConfigDoors::set_route`](crate::engine::ConfigDoors::set_route).
    ConfigSetRoute: "config.set_route",
    /// [`ConfigDoors::set_maintenance`](crate::engine::ConfigDoors::set_maintenance), also of services alone.
    ConfigSetMaintenance: "config.set_maintenance",
    /// [`ConfigDoors::set_weights`](crate::engine::ConfigDoors::set_weights).
    ConfigSetWeights: "config.set_weights",
    /// [`ConfigDoors::add_server`](crate::engine::ConfigDoors::add_server).
    ConfigAddServer: "config.add_server",
    /// [`ConfigDoors::update_server`](crate::engine::ConfigDoors::update_server).
    ConfigUpdateServer: "config.update_server",
    /// [`ConfigDoors::remove_server`](crate::engine::ConfigDoors::remove_server).
    ConfigRemoveServer: "config.remove_server",
    /// [`ConfigDoors::add_service`](crate::engine::ConfigDoors::add_service).
    ConfigAddService: "config.add_service",
    /// [`ConfigDoors::history`](crate::engine::ConfigDoors::history).
    ConfigHistory: "config.history",
    /// [`KeyDoors::add`](crate::engine::KeyDoors::add).
    KeysAdd: "keys.add",
    /// [`KeyDoors::list`](crate::engine::KeyDoors::list).
    KeysList: "keys.list",
    /// [`KeyDoors::get`](crate::engine::KeyDoors::get).
    KeysGet: "keys.get",
    /// [`KeyDoors::set_limits`](crate::engine::KeyDoors::set_limits).
    KeysSetLimits: "keys.set_limits",
    /// [`KeyDoors::enable`](crate::engine::KeyDoors::enable).
    KeysEnable: "keys.enable",
    /// [`KeyDoors::disable`](crate::engine::KeyDoors::disable).
    KeysDisable: "keys.disable",
    /// [`KeyDoors::remove`](crate::engine::KeyDoors::remove).
    KeysRemove: "keys.remove",
    /// [`KeyDoors::check`](crate::engine::KeyDoors::check).
    KeysCheck: "keys.check",
    /// [`AccountDoors::list`](crate::engine::AccountDoors::list).
    AccountsList: "accounts.list",
    /// [`AccountDoors::set_limits`](crate::engine::AccountDoors::set_limits).
    AccountsSetLimits: "accounts.set_limits",
    /// [`TenantDoors::set`](crate::engine::TenantDoors::set).
    TenantsSet: "tenants.set",
    /// [`TenantDoors::get`](crate::engine::TenantDoors::get).
    TenantsGet: "tenants.get",
    /// [`TenantDoors::list`](crate::engine::TenantDoors::list).
    TenantsList: "tenants.list",
    /// [`VoiceDoors::offered`](crate::engine::VoiceDoors::offered).
    VoicesOffered: "voices.offered",
    /// [`VoiceDoors::cloned`](crate::engine::VoiceDoors::cloned).
    VoicesCloned: "voices.cloned",
    /// [`ReportDoors::errors`](crate::engine::ReportDoors::errors).
    ReportsErrors: "reports.errors",
    /// [`ReportDoors::usage`](crate::engine::ReportDoors::usage).
    ReportsUsage: "reports.usage",
    /// [`ReportDoors::split`](crate::engine::ReportDoors::split).
    ReportsSplit: "reports.split",
    /// [`ReportDoors::audit`](crate::engine::ReportDoors::audit).
    ReportsAudit: "reports.audit",
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Names are told apart by their bytes, on every database: some compare texts without regard to case, accents or
//! spaces at the end, unless they are told not to.

use kingcong_core::{
    access::Scope,
    clock::Timestamp,
    id::{PackageId, TenantId, UserId},
    ledger::{Owner, WalletKey},
    money::{Amount, Unit},
    pricing::PriceList,
    store::{AdminAct, AdminAnswer, Command, JobFilter, JobReads, Outcome, WalletReads, conformance},
};
use kingcong_sqlx::SqlStore;

use crate::{
    databases::on_every_database,
    world::{Ids, admit, furnish, price, purchase, route},
};

/// MySQL and MariaDB hold texts for equal that differ in spaces at the end: no name has any.
#[test]
fn names_that_end_in_a_space_are_refused() {
    assert!(UserId::new("anna ").is_err());
    assert!(TenantId::new("shop ").is_err());
    assert!(PackageId::new("package-1 ").is_err());
    let mut priced = price(&route("ai33"));
    priced.model = Some("v3 ".into());
    assert!(PriceList::default().set(priced, Timestamp::EPOCH).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_orders_that_differ_in_a_byte_are_different() {
    on_every_database(async |url| {
        let store = SqlStore::connect(url).await.unwrap();
        let mut ids = Ids::default();
        let mut writer = furnish(&store, &mut ids, 1, 0).await;
        let users = ["anna", "Anna", "ánna", "a\u{301}nna", "an na", "an  na", "anna.", "ß", "ss"];
        let wallet_of = |name: &str| WalletKey {
            tenant: TenantId::main(),
            owner: Owner::User(UserId::new(name).unwrap()),
            unit: Unit::CREDIT,
        };
        for (user, amount) in users.iter().zip(1..) {
            for order in ["order", "order ", "Order"] {
                let mut bought = purchase(&mut ids, 0, amount, Some(&format!("{user} {order}")));
                let Command::Admin(admin) = &mut bought else { unreachable!("a purchase is an act") };
                let AdminAct::Credit(credit) = &mut admin.act else { unreachable!("it moves money") };
                credit.wallet = wallet_of(user);
                let outcomes = writer.write(&store, vec![bought]).await;
                assert!(
                    matches!(outcomes[..], [Outcome::Admin(AdminAnswer::Credit(Ok(_)))]),
                    "{url}: {outcomes:?}"
                );
            }
            let mut asked = admit(&mut ids, 0, &["a"], None);
            (asked.user, asked.wallet) = (UserId::new(user).unwrap(), wallet_of(user));
            let outcomes = writer.write(&store, vec![Command::Admit(Box::new(asked))]).await;
            assert!(matches!(outcomes[..], [Outcome::Admit(Ok(_))]), "{url}: {outcomes:?}");
        }
        for (user, amount) in users.iter().zip(1..) {
            let found = store.wallet(&wallet_of(user)).await.unwrap().unwrap();
            assert_eq!((found.balance, found.last_entry), (Amount::new(3 * amount), 3), "{url}: {user}");
            let of = Some(UserId::new(user).unwrap());
            let filter = JobFilter { user: of, limit: 10, ..JobFilter::default() };
            assert_eq!(store.jobs(&Scope::All, &filter).await.unwrap().len(), 1, "{url}: {user}");
        }
        conformance::recount(&store).await;
    })
    .await;
}

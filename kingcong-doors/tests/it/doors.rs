//! What is asked and answered, as JSON.

use kingcong_doors::{Code, Library, MasterKeySource, Names, OpenOptions, Problem};
use serde_json::{Value, json};

/// Who knocks.
const ADMIN: &str = r#"{"as":{"actor":"admin-7","role":"operator"}}"#;
/// The same, for every tenant.
const ADMIN_OF_ALL: &str = r#"{"as":{"actor":"admin-7","role":"operator"},"of":"all"}"#;

/// A library in memory, with the owner's set-up.
pub(crate) async fn opened() -> Library {
    opened_with(Names::Python).await
}

/// The same, for a face that writes names so.
pub(crate) async fn opened_with(names: Names) -> Library {
    let opening = json!({ "url": "memory:", "preset": "kingcong", "master_key": "random" });
    let opening = OpenOptions::from_json(&opening.to_string(), names).unwrap();
    Library::open(opening, Vec::new(), None).await.unwrap()
}

/// What a door answers.
pub(crate) async fn ask(library: &Library, door: &str, with: Value) -> Value {
    let knock = json!({ "door": door, "with": with }).to_string();
    let answer = library.knock(&knock, Some(ADMIN), None).await.unwrap();
    serde_json::from_str(&answer.json).unwrap()
}

/// The newest audit rows, of every tenant and of none.
async fn audit(library: &Library, limit: u32) -> Value {
    let knock = json!({ "door": "reports.audit", "with": { "limit": limit } }).to_string();
    let answer = library.knock(&knock, Some(ADMIN_OF_ALL), None).await.unwrap();
    serde_json::from_str(&answer.json).unwrap()
}

/// How a door refuses.
async fn refused(library: &Library, door: &str, with: Value) -> Problem {
    let knock = json!({ "door": door, "with": with }).to_string();
    library.knock(&knock, Some(ADMIN), None).await.unwrap_err()
}

fn speech(text: &str) -> Value {
    let subject = json!({ "speech": { "text": text, "voice": { "upstream": "v" } } });
    json!({ "user": "u", "service": "elevenlabs", "subject": subject })
}

#[test]
fn a_master_key_that_is_given_as_text_is_not_shown() {
    let source = MasterKeySource::Text("canary-of-a-master-key".to_owned());
    assert!(!format!("{source:?}").contains("canary"), "{source:?}");
}

#[tokio::test]
async fn amounts_are_numbers_where_units_are_whole_and_texts_where_they_are_not() {
    let library = opened().await;
    let package = json!({ "id": "usd-5", "label": "5 USD", "credits": "5.000000001", "unit": "usd", "price": "5",
        "currency": "usd", "switch": "on" });
    ask(&library, "packages.set", json!({ "package": package })).await;
    ask(&library, "wallets.purchase", json!({ "user": "u", "package": "usd-5", "order": "o-1" })).await;
    ask(&library, "wallets.purchase", json!({ "user": "u", "package": "package-1", "order": "o-2" })).await;
    let dollars = ask(&library, "wallets.get", json!({ "user": "u", "unit": "usd" })).await;
    assert_eq!((&dollars["balance"], &dollars["unit"]), (&json!("5.000000001"), &json!("usd")));
    let credits = ask(&library, "wallets.get", json!({ "user": "u", "unit": "credit" })).await;
    assert_eq!((&credits["balance"], &credits["unit"]), (&json!(1_000_000), &json!("credit")));
    // Beyond 2^53 a number would lose digits in JavaScript.
    let much = json!({ "user": "rich", "change": "9007199254740993", "reason": "r", "idempotency_key": "k",
        "unit": "credit" });
    assert_eq!(ask(&library, "wallets.adjust", much).await["balance_after"], json!("9007199254740993"));
    library.close().await;
}

/// Payment gateways repeat themselves, also when what was sold is not on sale any more or costs something else.
#[tokio::test]
async fn an_order_that_was_booked_is_answered_whatever_became_of_its_package() {
    let library = opened().await;
    let package = |credits: &str, unit: &str, switch: &str| {
        json!({ "package": { "id": "p", "label": "P", "credits": credits, "unit": unit, "price": "5",
            "currency": "usd", "switch": switch } })
    };
    let order = |order: &str| json!({ "user": "u", "package": "p", "order": order });
    ask(&library, "packages.set", package("1.5", "usd", "on")).await;
    let booked = ask(&library, "wallets.purchase", order("o-1")).await;
    assert_eq!(
        booked,
        json!({ "amount": "1.5", "became_debt": "0", "paid_debt": "0", "balance_after": "1.5" })
    );
    let more = ask(&library, "wallets.purchase", order("o-2")).await;
    assert_eq!(more["balance_after"], json!("3"));

    for (door, with) in [
        ("packages.set", package("2", "usd", "on")),
        ("packages.set", package("2", "credit", "on")),
        ("packages.set", package("2", "credit", "off")),
        ("packages.remove", json!({ "package": "p" })),
    ] {
        ask(&library, door, with).await;
        assert_eq!(ask(&library, "wallets.purchase", order("o-1")).await, booked, "{door}");
    }
    for (with, code) in [
        (order("o-3"), Code::NotFound),
        (json!({ "user": "v", "package": "p", "order": "o-1" }), Code::IdempotencyConflict),
        (json!({ "user": "u", "package": "package-1", "order": "o-1" }), Code::IdempotencyConflict),
        (json!({ "user": "u", "package": "no-package", "order": "o-1" }), Code::IdempotencyConflict),
    ] {
        assert_eq!(refused(&library, "wallets.purchase", with).await.code, code);
    }
    let wallet = ask(&library, "wallets.get", json!({ "user": "u", "unit": "usd" })).await;
    assert_eq!((&wallet["balance"], &wallet["entries"]), (&json!("3"), &json!(2)));
    library.close().await;
}

#[tokio::test]
async fn voices_are_cloned_only_where_a_gateway_can() {
    let library = opened().await;
    let estimate = async |service: &str| {
        let secret = format!("sk-canary-of-{service}");
        let key = json!({ "server": "ai33", "service": service, "secret": secret });
        ask(&library, "keys.add", key).await;
        let voice = json!({ "name": "An", "content_type": "audio/mpeg" });
        let request = json!({ "user": "u", "service": service, "subject": { "clone_voice": voice } });
        let knock = json!({ "door": "estimate", "with": { "request": request } }).to_string();
        library.knock(&knock, None, Some("ID3".into())).await
    };
    let held = estimate("minimax").await.unwrap().json;
    assert!(held.contains(r#""held":10000"#), "{held}");
    let refused = estimate("elevenlabs").await.unwrap_err();
    assert_eq!((refused.code, refused.retryable), (Code::InvalidRequest, false), "{refused}");
    assert_eq!(refused.fields["asked"], json!(["voice cloning"]));
    assert_eq!(refused.fields["able"], json!(["ai33_minimax"]));
    library.close().await;
}

#[tokio::test]
async fn a_key_tells_its_limits() {
    let library = opened().await;
    let new = |service: &str, limits: Value| {
        let secret = format!("sk-canary-of-{service}");
        json!({ "server": "ai33", "service": service, "secret": secret, "limits": limits })
    };
    let limits =
        |at_once: u32, per_minute: u32| json!({ "max_in_flight": at_once, "per_minute": per_minute });
    let added = ask(&library, "keys.add", new("elevenlabs", limits(3, 40))).await;
    assert_eq!(added["limits"], limits(3, 40));
    // Without any of its own it has what the server's keys have.
    let servers = ask(&library, "config.get", json!({})).await["servers"].clone();
    let ai33 = servers.as_array().unwrap().iter().find(|server| server["id"] == "ai33").unwrap();
    assert_eq!(ask(&library, "keys.add", new("minimax", Value::Null)).await["limits"], ai33["limits"]);
    let id = json!({ "key": added["id"] });
    let mut changed = limits(5, 60);
    changed["key"] = added["id"].clone();
    assert_eq!(ask(&library, "keys.set_limits", changed).await["limits"], limits(5, 60));
    for door in ["keys.disable", "keys.enable", "keys.get"] {
        assert_eq!(ask(&library, door, id.clone()).await["limits"], limits(5, 60), "{door}");
    }
    let list = ask(&library, "keys.list", json!({})).await;
    for key in list.as_array().unwrap() {
        let kept = if key["id"] == added["id"] { &limits(5, 60) } else { &ai33["limits"] };
        assert_eq!(&key["limits"], kept);
    }
    let starts = json!({ "key": added["id"], "per_minute": 7 });
    assert_eq!(ask(&library, "keys.set_limits", starts).await["limits"], limits(5, 7), "the other stays");
    assert_eq!(ask(&library, "keys.remove", id).await["limits"], limits(5, 7));
    library.close().await;
}

#[tokio::test]
async fn an_account_tells_its_limits_and_keeps_them_until_they_are_changed() {
    let library = opened().await;
    let limits =
        |at_once: u32, per_minute: u32| json!({ "max_in_flight": at_once, "per_minute": per_minute });
    let new = |service: &str, named: Value| {
        let secret = format!("sk-canary-of-{service}");
        let limits = ("account_limits", named);
        json!({ "server": "ai33", "service": service, "secret": secret, "account": "us", limits.0: limits.1 })
    };
    let refused = async |with: Value| {
        let knock = json!({ "door": "keys.add", "with": with }).to_string();
        library.knock(&knock, None, None).await.unwrap_err()
    };
    let first = refused(new("elevenlabs", Value::Null)).await;
    assert_eq!((first.code, &first.fields["account"]), (Code::KeyRefused, &json!("us")), "{first}");
    let key = ask(&library, "keys.add", new("elevenlabs", limits(3, 40))).await;
    let other = refused(new("minimax", limits(3, 41))).await;
    assert_eq!((other.code, other.retryable), (Code::KeyRefused, false), "{other}");
    for part in ["\"us\"", "ai33", "3 calls in flight and 40 starts a minute", "accounts.set_limits"] {
        assert!(other.message.contains(part), "{other}");
    }
    let kept = json!({ "server": "ai33", "account": "us", "max_in_flight": 3, "per_minute": 40 });
    assert_eq!(Value::Object(other.fields.clone()), kept);
    let same = ask(&library, "keys.add", new("minimax", Value::Null)).await;

    let account = json!({ "server": "ai33", "account": "us", "max_in_flight": 9 });
    let changed = ask(&library, "accounts.set_limits", account).await;
    assert_eq!((&changed["limits"], &changed["in_flight"]), (&limits(9, 40), &json!(0)), "the other stays");
    assert_eq!(changed["keys"], json!([key, same]));
    assert_eq!(ask(&library, "accounts.list", json!({})).await, json!([changed]));
    let last = audit(&library, 1).await;
    assert_eq!(last[0]["door"], "accounts.set_limits");
    let unknown = json!({ "door": "accounts.set_limits", "with": { "server": "ai84", "account": "us" } });
    let unknown = library.knock(&unknown.to_string(), None, None).await.unwrap_err();
    assert_eq!((unknown.code, &unknown.fields["name"]), (Code::NotFound, &json!("us of ai84")));
    library.close().await;
}

#[tokio::test]
async fn a_request_goes_in_and_its_report_comes_out() {
    let library = opened().await;
    ask(&library, "wallets.purchase", json!({ "user": "u", "package": "package-1", "order": "o-1" })).await;
    ask(
        &library,
        "keys.add",
        json!({ "server": "ai33", "service": "elevenlabs", "secret": "sk-canary-of-tests" }),
    )
    .await;
    let estimate = ask(&library, "estimate", json!({ "request": speech("Xin chào!") })).await;
    assert_eq!(
        estimate,
        json!({
            "tasks": 1, "characters": 9, "held": 9, "available": 1_000_000, "unit": "credit", "is_sufficient": true
        })
    );
    // A day ahead, so that nothing is sent anywhere.
    let mut later = speech("Xin chào!");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    later["start_at"] = json!(i64::try_from(now).unwrap() + 86_400_000_000);
    let job = ask(&library, "submit", json!({ "request": later })).await;
    let stream = ask(&library, "job.events", json!({ "job": job })).await;
    let report = ask(&library, "job.cancel", json!({ "job": job })).await;
    assert_eq!((&report["job"]["state"], &report["released"]), (&json!("cancelled"), &json!(9)));
    assert_eq!(report["tasks"][0]["state"], json!("failed"));
    let retry = json!({ "job": job, "idempotency_key": "again", "deadline_ms": 60_000 });
    let problem = refused(&library, "job.retry", retry).await;
    assert_eq!((problem.code, &problem.fields["state"]), (Code::RetryRefused, &json!("cancelled")));
    assert_eq!(problem.fields["job"], job);
    let mut kinds = Vec::new();
    loop {
        let event = ask(&library, "events.next", json!({ "stream": stream })).await;
        if event.is_null() {
            break;
        }
        kinds.push(event["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds.last().map(String::as_str), Some("ended"));
    assert_eq!(ask(&library, "events.next", json!({ "stream": stream })).await, Value::Null);
    let audit = audit(&library, 10).await;
    assert!(
        audit.as_array().unwrap().iter().any(|row| row["actor"] == "admin-7" && row["door"] == "keys.add")
    );
    assert!(!audit.to_string().contains("sk-canary-of-tests"));
    library.close().await;
}

/// Between an order and the word that it was paid, a package may become something else.
#[tokio::test]
async fn a_package_that_is_not_what_was_ordered_is_not_booked() {
    let library = opened().await;
    let package = |credits: &str, price: &str| {
        json!({ "package": { "id": "p", "label": "P", "credits": credits, "unit": "credit", "price": price,
            "currency": "usd", "switch": "on" } })
    };
    let order = |order: &str, user: &str, credits: &str, price: &str| {
        json!({ "user": user, "package": "p", "order": order,
            "ordered": { "credits": credits, "unit": "credit", "price": price, "currency": "usd" } })
    };
    ask(&library, "packages.set", package("1000", "5")).await;
    let booked = ask(&library, "wallets.purchase", order("o-1", "u", "1000", "5.00")).await;
    assert_eq!(booked["balance_after"], json!(1000));
    for (credits, price) in [("1001", "5"), ("1000", "4.99"), ("10", "5")] {
        let refusal = refused(&library, "wallets.purchase", order("o-2", "u", credits, price)).await;
        assert_eq!(refusal.code, Code::AmountRefused, "{refusal}");
        let figures = ["ordered_credits", "credits", "price"].map(|name| refusal.fields[name].to_string());
        assert_eq!(figures, [credits.to_owned(), "1000".to_owned(), "\"5\"".to_owned()]);
        for words in
            [format!("{credits} credit for {price} usd was ordered"), "1000 credit for 5 usd".to_owned()]
        {
            assert!(refusal.message.contains(&words), "{refusal}");
        }
    }
    ask(&library, "packages.set", package("10800000", "5")).await;
    let late = refused(&library, "wallets.purchase", order("o-3", "u", "1000", "5")).await;
    assert_eq!(late.code, Code::AmountRefused);
    assert_eq!(
        ask(&library, "wallets.purchase", order("o-1", "u", "1000", "5")).await,
        booked,
        "it was booked"
    );
    for other in [
        order("o-1", "v", "1000", "5"),
        order("o-1", "u", "10800000", "5"),
        json!({ "user": "u", "package": "p", "order": "o-1" }),
    ] {
        assert_eq!(refused(&library, "wallets.purchase", other).await.code, Code::IdempotencyConflict);
    }
    ask(&library, "packages.set", package("1000", "5")).await;
    let again = ask(&library, "wallets.purchase", order("o-2", "u", "1000", "5")).await;
    assert_eq!(again["balance_after"], json!(2000), "what was refused used no order up");
    for (user, entries) in [("u", 2), ("v", 0)] {
        let wallet = ask(&library, "wallets.get", json!({ "user": user, "unit": "credit" })).await;
        assert_eq!(wallet["entries"], json!(entries));
    }
    library.close().await;
}

#[tokio::test]
async fn a_correction_answers_what_moved_and_what_became_debt() {
    let library = opened().await;
    let adjust = |change: i64, key: &str| {
        let (user, reason) = ("u", "by an admin");
        json!({ "user": user, "change": change, "reason": reason, "idempotency_key": key, "unit": "credit" })
    };
    ask(&library, "wallets.adjust", adjust(50, "gift")).await;
    let fee = json!({ "amount": -50, "became_debt": 30, "paid_debt": 0, "balance_after": 0 });
    for _ in 0..2 {
        assert_eq!(ask(&library, "wallets.adjust", adjust(-80, "fee")).await, fee);
    }
    let gift = ask(&library, "wallets.adjust", adjust(100, "more")).await;
    assert_eq!(gift, json!({ "amount": 100, "became_debt": 0, "paid_debt": 30, "balance_after": 70 }));
    library.close().await;
}

#[tokio::test]
async fn what_is_left_out_of_a_record_has_its_default() {
    let library = opened().await;
    let mini = json!({ "id": "mini", "label": "Mini", "credits": 100, "price": "0.99" });
    ask(&library, "packages.set", json!({ "package": mini })).await;
    let packages = ask(&library, "packages.list", json!({})).await;
    let kept = packages.as_array().unwrap().iter().find(|package| package["id"] == "mini").unwrap();
    assert_eq!([&kept["unit"], &kept["currency"], &kept["switch"]], ["credit", "usd", "on"]);

    let ordered = json!({ "credits": 100, "price": "0.99" });
    let order = json!({ "user": "u", "package": "mini", "order": "o", "ordered": ordered });
    assert_eq!(ask(&library, "wallets.purchase", order).await["amount"], 100);

    let price = json!({
        "server": "ai33", "service": "minimax", "operation": "speech",
        "lines": [{ "measure": "character", "price": "0.5" }],
    });
    ask(&library, "prices.set", json!({ "price": price })).await;
    let prices = ask(&library, "prices.list", json!({})).await;
    let is_it = |price: &&Value| price["lines"][0]["price"] == "0.5";
    let mut kept = prices.as_array().unwrap().iter().find(is_it).unwrap().clone();
    assert_eq!([&kept["unit"], &kept["switch"], &kept["lane"]], ["credit", "on", "shared"]);
    assert_eq!([&kept["overrun"], &kept["lines"][0]["per"]], [&json!(false), &json!(1)]);
    // A price that was read can be set again as it is, once its version is the next.
    kept["version"] = json!(kept["version"].as_u64().unwrap() + 1);
    ask(&library, "prices.set", json!({ "price": kept })).await;
    library.close().await;
}

#[tokio::test]
async fn maintenance_is_of_everything_or_of_services() {
    let library = opened().await;
    for (given, is_full, services) in [
        (json!({ "services": ["minimax"] }), false, json!(["minimax"])),
        (json!({ "is_full": true }), true, json!([])),
        (json!({}), false, json!([])),
    ] {
        ask(&library, "config.set_maintenance", json!({ "maintenance": given })).await;
        let kept = ask(&library, "config.get", json!({})).await["maintenance"].clone();
        assert_eq!(kept, json!({ "is_full": is_full, "services": services }));
    }
    library.close().await;
}

#[tokio::test]
async fn the_limits_of_an_address_change_stay_or_are_lifted() {
    let library = opened().await;
    let limits = json!({ "max_in_flight": 5, "per_minute": 60 });
    for (change, expected) in [
        (json!({ "egress": limits }), limits.clone()),
        (json!({ "weight": 7 }), limits),
        (json!({ "egress": "lifted" }), Value::Null),
    ] {
        ask(&library, "config.update_server", json!({ "id": "ai33", "change": change })).await;
        let server = ask(&library, "config.get", json!({})).await["servers"][0].clone();
        assert_eq!((&server["id"], &server["egress"]), (&json!("ai33"), &expected));
    }
    for (egress, field, why) in [
        (json!("gone"), "change.egress", "must be 'lifted', not gone"),
        (json!(5), "change.egress", "must be limits, or 'lifted', not 5"),
        (
            json!({ "max_in_flight": 0, "per_minute": 60 }),
            "change.egress.max_in_flight",
            "whole number from 1",
        ),
    ] {
        let with = json!({ "id": "ai33", "change": { "egress": egress } });
        let problem = refused(&library, "config.update_server", with).await;
        assert_eq!(
            (problem.code, &problem.fields["field"]),
            (Code::InvalidRequest, &json!(field)),
            "{problem}"
        );
        assert!(problem.message.contains(why), "{problem}");
    }
    library.close().await;
}

#[tokio::test]
async fn a_price_that_names_no_version_gets_the_next_one() {
    let library = opened().await;
    let line = json!({ "measure": "character", "price": "0.5", "per": 1 });
    let mut price = json!({ "server": "ai33", "service": "elevenlabs", "operation": "speech", "unit": "credit",
        "lines": [line], "switch": "on" });
    for version in [2, 3] {
        price["overrun"] = json!(version == 3);
        ask(&library, "prices.set", json!({ "price": price })).await;
        let list = ask(&library, "prices.list", json!({})).await;
        let is_same = |kept: &&Value| {
            kept["server"] == "ai33" && kept["service"] == "elevenlabs" && kept["operation"] == "speech"
        };
        let kept = list.as_array().unwrap().iter().find(is_same).unwrap();
        assert_eq!((&kept["version"], &kept["lines"][0]["price"]), (&json!(version), &json!("0.5")));
        assert_eq!(kept["overrun"], json!(version == 3));
    }
    price["version"] = json!(3);
    let knock = json!({ "door": "prices.set", "with": { "price": price } }).to_string();
    let refused = library.knock(&knock, None, None).await.unwrap_err();
    assert!(refused.message.contains("read it again"), "{refused}");
    library.close().await;
}

/// The names of doors are those of the core, but for what a face reads in parts.
#[tokio::test]
async fn every_door_of_the_core_is_known_by_its_name() {
    let library = opened().await;
    for door in kingcong_core::access::Door::ALL {
        let knock = json!({ "door": door.name(), "with": { "no such field": 1 } }).to_string();
        let refused = library.knock(&knock, None, None).await.unwrap_err();
        assert!(refused.message.contains("no such field"), "{door}: {refused}");
    }
    library.close().await;
}

#[tokio::test]
async fn a_caller_acts_in_its_role_and_sees_its_own() {
    let library = opened().await;
    let knock = async |caller: Value, door: &str, with: Value| {
        let knock = json!({ "door": door, "with": with }).to_string();
        library.knock(&knock, Some(&caller.to_string()), None).await
    };
    let operator = json!({ "as": { "actor": "admin-7", "role": "operator" }, "of": { "tenant": "acme" } });
    let member =
        |user: &str| json!({ "as": { "actor": user, "role": "member", "tenant": "acme", "user": user } });
    let own = json!({ "user": "an", "unit": "credit" });
    let order = json!({ "user": "an", "package": "package-1", "order": "o-1" });
    knock(operator, "wallets.purchase", order.clone()).await.unwrap();
    let wallet = knock(member("an"), "wallets.get", own.clone()).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&wallet.json).unwrap()["balance"], 1_000_000);
    let foreign = knock(member("bình"), "wallets.get", own).await.unwrap_err();
    assert_eq!((foreign.code, &foreign.fields["name"]), (Code::NotFound, &json!("an")));
    let forbidden = knock(member("an"), "wallets.purchase", order).await.unwrap_err();
    assert_eq!(forbidden.code, Code::Forbidden);
    assert_eq!(
        (&forbidden.fields["door"], &forbidden.fields["role"]),
        (&json!("wallets.purchase"), &json!("member"))
    );
    assert_eq!(forbidden.user_message_en, "You may not do this");
    let until = json!({ "as": { "actor": "an", "role": "auditor", "until": 7 } });
    let expired = knock(until, "reports.audit", json!({ "limit": 1 })).await.unwrap_err();
    assert_eq!((expired.code, &expired.fields["actor"]), (Code::AccessExpired, &json!("an")));
    for (caller, told) in [
        (json!({ "as": { "actor": "an", "role": "root" } }), "there is no role \"root\""),
        (json!({ "as": { "actor": "an", "role": "member", "tenant": "acme" } }), "role member has no user"),
        (json!({ "as": { "actor": "an", "role": "tenant_admin", "tenant": "" } }), "TenantId \"\" must be"),
        (json!({ "as": { "actor": "", "role": "operator" } }), "Actor \"\" must be"),
        (json!({ "by": "admin-7" }), "by is no field"),
    ] {
        let refused = knock(caller, "status", json!({})).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidRequest);
        assert!(refused.message.starts_with(told), "{refused}");
    }
    library.close().await;
}

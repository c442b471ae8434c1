//! What holds for the vault as a whole.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    clock::Timestamp,
    id::{DataKeyId, Entropy, KeyId, ServerId, SystemEntropy, TenantId},
};

const CANARY: &str = "sk-canary-0123456789-abcdef";
const NONCE: [u8; NONCE_BYTES] = [9; NONCE_BYTES];

/// "Randomness" that is always the same byte, so that keys differ in nothing but what they are bound to.
#[derive(Debug)]
struct Always(u8);

impl Entropy for Always {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn uuid(last: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(last)
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn context(id: u128, used_for: DataKeyUse, version: u32) -> DataKeyContext {
    let version = DataKeyVersion::new(version).unwrap();
    DataKeyContext { id: DataKeyId::from_uuid(uuid(id)), used_for, version }
}

fn tenant_context() -> DataKeyContext {
    context(1, DataKeyUse::Tenant(tenant("a")), 1)
}

fn binding() -> Binding {
    Binding {
        tenant: tenant("a"),
        key: KeyId::from_uuid(uuid(7)),
        version: SecretVersion::FIRST,
        purpose: Purpose::UpstreamKey,
    }
}

fn keyring(keys: impl IntoIterator<Item = OpenDataKey>) -> Keyring {
    let mut keyring = Keyring::default();
    keys.into_iter().for_each(|key| keyring.insert(key));
    keyring
}

fn canary() -> Secret {
    Secret::parse(CANARY).unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    base16ct::lower::decode_vec(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_vault_agrees_with_another_implementation() {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/data/vault_vectors.json")).unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap();
    let number = |name: &str| u32::try_from(vectors[name].as_u64().unwrap()).unwrap();

    let master = StaticMasterKey::parse(text("master")).unwrap();
    assert_eq!(master.id().as_str(), text("master_id"));

    let stored = |used_for, wrapped| DataKey {
        context: DataKeyContext {
            id: DataKeyId::from_uuid(text("data_key_id").parse().unwrap()),
            used_for,
            version: DataKeyVersion::new(number("data_key_version")).unwrap(),
        },
        wrapped,
        created: Timestamp::EPOCH,
    };
    let row = stored(
        DataKeyUse::Tenant(tenant(text("tenant"))),
        Wrapped::new(master.id(), bytes(&vectors["wrapped"])).unwrap(),
    );
    let data_key = row.open(&master).await.unwrap();
    assert_eq!(data_key.plain.expose().as_slice(), bytes(&vectors["data_key"]));
    assert_eq!(data_key.wrap(&master, Timestamp::EPOCH).await.unwrap(), row);

    let index = OpenDataKey {
        context: context(2, DataKeyUse::Fingerprints, 1),
        plain: KeyBytes::new(data_key.plain.expose()),
    };
    let keyring = keyring([data_key, index]);
    let secret = Secret::parse(text("secret")).unwrap();
    let binding = Binding {
        tenant: tenant(text("tenant")),
        key: KeyId::from_uuid(text("key_id").parse().unwrap()),
        version: SecretVersion::new(number("secret_version")).unwrap(),
        purpose: Purpose::UpstreamKey,
    };
    let sealed = keyring.seal(&secret, &binding, bytes(&vectors["nonce"]).try_into().unwrap()).unwrap();
    assert_eq!(sealed.as_bytes(), bytes(&vectors["envelope"]));

    let server = ServerId::new(text("server")).unwrap();
    for (scope, expected) in [
        (FingerprintScope::Tenant(&binding.tenant), "fingerprint_in_tenant"),
        (FingerprintScope::Everyone, "fingerprint_among_everyone"),
    ] {
        let fingerprint = keyring.fingerprint(&server, scope, &secret).unwrap();
        assert_eq!(fingerprint.as_bytes().as_slice(), bytes(&vectors[expected]));
    }
}

#[test]
fn an_envelope_with_any_bit_changed_does_not_open() {
    let keyring = keyring([OpenDataKey::generate(tenant_context(), &SystemEntropy)]);
    let sealed = keyring.seal(&canary(), &binding(), NONCE).unwrap();
    for at in 0..sealed.as_bytes().len() {
        for bit in 0..8 {
            let mut bytes = sealed.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            let opened = keyring.open(&Envelope::from_bytes(bytes), &binding());
            assert!(opened.is_err(), "byte {at}, bit {bit}");
            if at >= 10 {
                assert_eq!(opened, Err(VaultError::Tampered { binding: Box::new(binding()) }), "byte {at}");
            }
        }
    }
    assert_eq!(keyring.open(&sealed, &binding()), Ok(canary()));
}

#[test]
fn an_envelope_cut_or_lengthened_does_not_open() {
    let keyring = keyring([OpenDataKey::generate(tenant_context(), &SystemEntropy)]);
    let sealed = keyring.seal(&canary(), &binding(), NONCE).unwrap();
    let longer = [sealed.as_bytes(), &[0]].concat();
    for bytes in (0..sealed.as_bytes().len()).map(|end| &sealed.as_bytes()[..end]).chain([longer.as_slice()])
    {
        let opened = keyring.open(&Envelope::from_bytes(bytes.to_vec()), &binding());
        assert!(opened.is_err(), "{} bytes", bytes.len());
    }
    let huge = keyring.open(&Envelope::from_bytes(vec![0; ENVELOPE_BYTES_MAX + 1]), &binding());
    assert!(matches!(huge, Err(VaultError::NotAnEnvelope { .. })));
}

#[test]
fn an_envelope_opens_only_for_what_it_was_sealed_for() {
    // Every data key here has the same bytes: only the binding can tell them apart.
    let same = |context| OpenDataKey::generate(context, &Always(5));
    let sealed = keyring([same(tenant_context())]).seal(&canary(), &binding(), NONCE).unwrap();
    let other_tenant = DataKeyUse::Tenant(tenant("b"));
    for (changed, key, binding) in [
        ("tenant", context(1, other_tenant, 1), Binding { tenant: tenant("b"), ..binding() }),
        ("key", tenant_context(), Binding { key: KeyId::from_uuid(uuid(8)), ..binding() }),
        ("version", tenant_context(), Binding { version: SecretVersion::new(2).unwrap(), ..binding() }),
        ("data key id", context(2, DataKeyUse::Tenant(tenant("a")), 1), binding()),
    ] {
        let opened = keyring([same(key)]).open(&sealed, &binding);
        assert_eq!(opened, Err(VaultError::Tampered { binding: Box::new(binding) }), "{changed}");
    }

    let mut bytes = sealed.as_bytes().to_vec();
    bytes[9] = 2;
    let relabelled = Envelope::from_bytes(bytes);
    let second = keyring([same(context(1, DataKeyUse::Tenant(tenant("a")), 2))]);
    let opened = second.open(&relabelled, &binding());
    assert_eq!(opened, Err(VaultError::Tampered { binding: Box::new(binding()) }), "data key version");
}

#[test]
fn rows_swapped_between_tenants_do_not_open() {
    let keyring =
        keyring(["a", "b"].map(|name| {
            OpenDataKey::generate(context(1, DataKeyUse::Tenant(tenant(name)), 1), &SystemEntropy)
        }));
    let of = |name| Binding { tenant: tenant(name), ..binding() };
    let sealed = keyring.seal(&canary(), &of("a"), NONCE).unwrap();
    assert_eq!(keyring.open(&sealed, &of("a")), Ok(canary()));
    assert_eq!(keyring.open(&sealed, &of("b")), Err(VaultError::Tampered { binding: Box::new(of("b")) }));
}

#[test]
fn old_data_keys_open_and_the_newest_seals() {
    let version = |version: u32| {
        OpenDataKey::generate(
            context(version.into(), DataKeyUse::Tenant(tenant("a")), version),
            &SystemEntropy,
        )
    };
    let mut keyring = keyring([version(1)]);
    let old = keyring.seal(&canary(), &binding(), NONCE).unwrap();
    keyring.insert(version(2));
    let new = keyring.seal(&canary(), &binding(), NONCE).unwrap();
    let versions = [&old, &new].map(|sealed| sealed.data_key_version().unwrap().get());
    assert_eq!(versions, [1, 2]);
    for sealed in [&old, &new] {
        assert_eq!(keyring.open(sealed, &binding()), Ok(canary()));
    }
}

#[test]
fn a_forgotten_tenant_is_told_from_one_that_was_tampered_with() {
    let index = OpenDataKey::generate(context(3, DataKeyUse::Fingerprints, 1), &SystemEntropy);
    let of = |name| DataKeyUse::Tenant(tenant(name));
    let mut keyring = keyring([
        index,
        OpenDataKey::generate(context(1, of("a"), 1), &SystemEntropy),
        OpenDataKey::generate(context(2, of("b"), 1), &SystemEntropy),
    ]);
    let sealed = keyring.seal(&canary(), &binding(), NONCE).unwrap();
    keyring.forget(&tenant("a"));
    let missing = VaultError::DataKeyMissing { used_for: of("a"), version: DataKeyVersion::FIRST };
    assert_eq!(keyring.open(&sealed, &binding()), Err(missing.clone()));
    assert_eq!(keyring.seal(&canary(), &binding(), NONCE), Err(missing));
    assert!(keyring.newest(&of("b")).is_some());
    assert!(keyring.newest(&DataKeyUse::Fingerprints).is_some());
}

#[test]
fn a_fingerprint_is_the_same_for_the_same_secret_server_and_scope_only() {
    let index = |entropy: &dyn Entropy| {
        keyring([OpenDataKey::generate(context(1, DataKeyUse::Fingerprints, 1), entropy)])
    };
    let (one, other) = (index(&Always(1)), index(&Always(2)));
    let servers = ["ai33", "ai84"].map(|name| ServerId::new(name).unwrap());
    let tenants = ["a", "b"].map(tenant);
    let secrets = [CANARY, "sk-another-0123456789"].map(|text| Secret::parse(text).unwrap());
    let mut seen = std::collections::BTreeSet::new();
    for keyring in [&one, &other] {
        for server in &servers {
            for scope in [
                FingerprintScope::Tenant(&tenants[0]),
                FingerprintScope::Tenant(&tenants[1]),
                FingerprintScope::Everyone,
            ] {
                for secret in &secrets {
                    let fingerprint = keyring.fingerprint(server, scope, secret).unwrap();
                    assert_eq!(keyring.fingerprint(server, scope, secret), Ok(fingerprint));
                    assert_eq!(Fingerprint::from_bytes(*fingerprint.as_bytes()), fingerprint);
                    assert!(seen.insert(fingerprint), "{server} {scope:?}");
                }
            }
        }
    }
    assert_eq!(
        Keyring::default().fingerprint(&servers[0], FingerprintScope::Everyone, &secrets[0]),
        Err(VaultError::DataKeyMissing {
            used_for: DataKeyUse::Fingerprints,
            version: DataKeyVersion::FIRST
        })
    );
}

#[tokio::test]
async fn a_wrong_master_key_is_named_as_such() {
    let right = StaticMasterKey::new(KeyBytes::new(&[1; KEY_BYTES]));
    let wrong = StaticMasterKey::new(KeyBytes::new(&[2; KEY_BYTES]));
    let row =
        OpenDataKey::generate(tenant_context(), &Always(5)).wrap(&right, Timestamp::EPOCH).await.unwrap();
    assert_eq!(row.wrapped.master_key(), &right.id());
    let error = row.open(&wrong).await.unwrap_err();
    assert!(matches!(error, MasterKeyError::WrongMasterKey { .. }));
    let message = error.to_string();
    for part in [right.id().as_str(), wrong.id().as_str(), "tenant a", "version 1"] {
        assert!(message.contains(part), "{part} in: {message}");
    }

    let claimed = Wrapped::new(wrong.id(), row.wrapped.as_bytes().to_vec()).unwrap();
    let error = DataKey { wrapped: claimed, ..row }.open(&wrong).await.unwrap_err();
    assert!(matches!(error, MasterKeyError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_wrapped_data_key_unwraps_only_unchanged_and_in_its_own_row() {
    let master = StaticMasterKey::new(KeyBytes::new(&[1; KEY_BYTES]));
    let row =
        OpenDataKey::generate(tenant_context(), &Always(5)).wrap(&master, Timestamp::EPOCH).await.unwrap();
    let is_damaged = |result| matches!(result, Err(MasterKeyError::Damaged { .. }));

    for context in [
        context(2, DataKeyUse::Tenant(tenant("a")), 1),
        context(1, DataKeyUse::Tenant(tenant("b")), 1),
        context(1, DataKeyUse::Tenant(tenant("a")), 2),
        context(1, DataKeyUse::Fingerprints, 1),
    ] {
        let moved = DataKey { context, ..row.clone() };
        assert!(is_damaged(moved.open(&master).await), "{}", moved.context);
    }
    let bytes = row.wrapped.as_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        for bytes in [changed, bytes[..at.max(1)].to_vec()] {
            let wrapped = Wrapped::new(master.id(), bytes).unwrap();
            assert!(is_damaged(DataKey { wrapped, ..row.clone() }.open(&master).await), "byte {at}");
        }
    }
    assert_eq!(row.open(&master).await.unwrap().plain.expose(), &[5; KEY_BYTES]);
}

#[tokio::test]
async fn changing_the_master_key_touches_no_secret() {
    let old = StaticMasterKey::new(KeyBytes::new(&[1; KEY_BYTES]));
    let new = StaticMasterKey::new(KeyBytes::new(&[2; KEY_BYTES]));
    let created = Timestamp::from_micros(77);
    let row = OpenDataKey::generate(tenant_context(), &SystemEntropy).wrap(&old, created).await.unwrap();
    let sealed = keyring([row.open(&old).await.unwrap()]).seal(&canary(), &binding(), NONCE).unwrap();

    let rewrapped = row.open(&old).await.unwrap().wrap(&new, row.created).await.unwrap();
    assert_eq!((rewrapped.wrapped.master_key(), rewrapped.created), (&new.id(), created));
    assert_eq!(keyring([rewrapped.open(&new).await.unwrap()]).open(&sealed, &binding()), Ok(canary()));
}

#[tokio::test]
async fn nothing_that_prints_shows_a_secret_or_a_key() {
    let key_text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let master = StaticMasterKey::parse(key_text).unwrap();
    let wrong = StaticMasterKey::new(KeyBytes::new(&[2; KEY_BYTES]));
    let open = OpenDataKey::generate(tenant_context(), &Always(0xab));
    let row = open.wrap(&master, Timestamp::EPOCH).await.unwrap();
    let wrong_master = row.open(&wrong).await.unwrap_err();
    let not_a_key = StaticMasterKey::parse(CANARY).unwrap_err();
    let keyring = keyring([row.open(&master).await.unwrap()]);
    let sealed = keyring.seal(&canary(), &binding(), NONCE).unwrap();
    let tampered = keyring.open(&sealed, &Binding { version: SecretVersion::LAST, ..binding() }).unwrap_err();
    let refused = Secret::parse(&format!("{CANARY}\n")).unwrap_err();

    for printed in [
        format!("{:?} {:#?} {}", canary(), canary(), canary().mask()),
        format!("{master:?} {master:#?} {}", master.id()),
        format!("{open:?} {open:#?} {row:?} {row:#?}"),
        format!("{keyring:?} {keyring:#?}"),
        format!("{sealed:?} {sealed:#?}"),
        format!("{wrong_master} {wrong_master:?} {wrong_master:#?}"),
        format!("{not_a_key} {not_a_key:?}"),
        format!("{tampered} {tampered:?} {tampered:#?}"),
        format!("{refused} {refused:?}"),
    ] {
        for hidden in [CANARY, "canary", "0123456789", key_text, "000102", "0, 1, 2", "171, 171", "abab"] {
            assert!(!printed.contains(hidden), "{hidden} in: {printed}");
        }
    }
}

proptest! {
    #[test]
    fn every_secret_opens_as_it_was_sealed(
        text in "[!-~]([ -~é😀]{6,60}|[a-z]{4094})[!-~]",
        key in any::<u128>(),
        version in 1..=u32::MAX,
        nonce in any::<[u8; NONCE_BYTES]>(),
    ) {
        let keyring = keyring([OpenDataKey::generate(tenant_context(), &Always(5))]);
        let secret = Secret::parse(&text).unwrap();
        let version = SecretVersion::new(version).unwrap();
        let binding = Binding { key: KeyId::from_uuid(uuid(key)), version, ..binding() };
        let sealed = keyring.seal(&secret, &binding, nonce).unwrap();
        let stored = Envelope::from_bytes(sealed.as_bytes().to_vec());
        prop_assert_eq!(&stored, &sealed);
        prop_assert_eq!(keyring.open(&stored, &binding), Ok(secret));
    }
}

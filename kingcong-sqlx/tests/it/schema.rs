//! Whoever knows the tables of the product's first design finds them again, on every database, and reads in them what
//! that design says.

use kingcong_core::store::{Command, KeyReads, StoreErrorKind};
use kingcong_sqlx::SqlStore;

use crate::{
    databases::{count_beside, on_every_database, run_beside},
    world::{Ids, admit, claim, claimed, done, furnish, route, settle},
};

/// The tables and columns of the first design.
const SOURCE: [(&str, &str); 6] = [
    ("kingcong_credits", "user_id, balance, total_purchased, total_spent, created_at, updated_at"),
    ("kingcong_transactions", "id, user_id, type, amount, service_used, task_id, balance_after, created_at"),
    (
        "kingcong_config",
        "id, ai33_elevenlabs_active, ai33_minimax_active, ai84_elevenlabs_active, ai84_minimax_active, \
         maintenance_mode, task_split_ratio_ai33, task_split_ratio_ai84, updated_at",
    ),
    (
        "kingcong_api_keys",
        "id, server, service, api_key, is_active, current_usage, max_threads, rate_limit_per_min, last_used",
    ),
    (
        "kingcong_tasks",
        "id, user_id, status, assigned_to, service, api_key_id, input_data, output_data, credits_cost, \
         created_at, completed_at",
    ),
    (
        "kingcong_pricing",
        "id, service_name, server, service_type, credits_per_character, credits_per_second, is_active, updated_at",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_column_of_the_source_is_there() {
    on_every_database(async |url| {
        let _store = SqlStore::connect(url).await.unwrap();
        for (table, columns) in SOURCE {
            let sql = format!("SELECT COUNT(*) FROM (SELECT {columns} FROM {table}) AS source");
            assert_eq!(count_beside(url, &sql).await, 0, "{table} of {url}");
        }
        assert_eq!(count_beside(url, "SELECT COUNT(*) FROM kingcong_audit").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_for_people_tell_what_the_source_says_they_do() {
    on_every_database(async |url| {
        let store = SqlStore::connect(url).await.unwrap();
        let mut ids = Ids::default();
        let mut writer = furnish(&store, &mut ids, 2, 2).await;
        let order = admit(&mut ids, 1, &["Xin chào", "你好", "hello"], None);
        writer.write(&store, vec![Command::Admit(Box::new(order))]).await;
        let leases = claimed(writer.write(&store, vec![claim(&mut ids, &route("ai33"), 2)]).await).leases;
        writer.write(&store, vec![settle(&leases[0], done(10))]).await;

        let used = "service_used = 'ai33_elevenlabs' AND task_id IS NOT NULL AND amount < 0";
        for (count, table, condition) in [
            (1, "kingcong_tasks", "status = 'pending'"),
            (1, "kingcong_tasks", "status = 'processing' AND output_data IS NULL"),
            (
                1,
                "kingcong_tasks",
                "status = 'completed' AND output_data IS NOT NULL AND api_key_id IS NOT NULL",
            ),
            (2, "kingcong_tasks", "assigned_to = 'ai33' AND service = 'elevenlabs'"),
            (1, "kingcong_tasks", "assigned_to = 'ai84'"),
            (4, "kingcong_api_keys", "is_active = 1 AND max_threads = 1000 AND rate_limit_per_min = 100000"),
            (1, "kingcong_api_keys", "current_usage = 1 AND server = 'ai33'"),
            (0, "kingcong_api_keys", "LENGTH(api_key) > 40"),
            (2, "kingcong_transactions", "type = 'purchase' AND user_id IS NOT NULL"),
            (1, "kingcong_transactions", &format!("type = 'usage' AND {used}")),
            (1, "kingcong_config", "ai33_elevenlabs_active = 1 AND maintenance_mode = 'none'"),
            (1, "kingcong_config", "task_split_ratio_ai33 = 70 AND task_split_ratio_ai84 = 30"),
            (2, "kingcong_pricing", "credits_per_character = '0.7' AND is_active = 1"),
        ] {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {condition}");
            assert_eq!(count_beside(url, &sql).await, count, "{sql} on {url}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_limits_are_missing_is_told() {
    on_every_database(async |url| {
        let store = SqlStore::connect(url).await.unwrap();
        furnish(&store, &mut Ids::default(), 1, 1).await;
        run_beside(url, &["DELETE FROM kingcong_limits"]).await;
        let error = store.keys().await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("kingcong_api_keys"), "{error}");
    })
    .await;
}

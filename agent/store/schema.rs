//! The tables, version by version. A version that was released is never changed: a new one is added below.

use rusqlite::{Connection, TransactionBehavior};

/// What brings a store from one version to the next: the first makes version 1 of an empty file.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The version that this opsagent writes.
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// The version of a store; 0 is an empty file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a store to the last version, each step in a transaction of its own: whoever is killed meanwhile leaves a
/// store of one of the versions. Two that do it at once wait for one another. A newer store is left as it is.
pub(super) fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    while (version(connection)? as usize) < migrations.len() {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have done it while this one waited.
        let at = version(&transaction)?;
        if let Some(step) = migrations.get(at as usize) {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", at + 1)?;
            if at == 0 {
                transaction.pragma_update(None, "application_id", super::place::APPLICATION_ID)?;
                let made = "INSERT INTO meta (name, value) VALUES ('made_by', ?1)";
                transaction.execute(made, [concat!("opsagent ", env!("CARGO_PKG_VERSION"))])?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str =
        "ALTER TABLE run ADD COLUMN more TEXT; UPDATE meta SET value = 'two' WHERE name = 'made_by';";

    #[test]
    fn steps_are_taken_in_order_each_once_and_one_that_fails_leaves_the_version_before() {
        let mut store = Connection::open_in_memory().unwrap();
        migrate(&mut store, MIGRATIONS).unwrap();
        assert_eq!(version(&store), Ok(VERSION));
        let broken = [MIGRATIONS, &[NEXT, "CREATE TABLE half (a); CREATE TABLE run (a);"]].concat();
        assert!(migrate(&mut store, &broken).is_err());
        assert_eq!(version(&store), Ok(VERSION + 1), "the step before holds");
        let half =
            store.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0));
        assert_eq!(half, Ok(0), "nothing is left of the one that failed");
        let whole = [MIGRATIONS, &[NEXT, "CREATE TABLE half (a);"]].concat();
        migrate(&mut store, &whole).unwrap();
        migrate(&mut store, &whole).unwrap();
        assert_eq!(version(&store), Ok(VERSION + 2));
        let made = store.query_row("SELECT value FROM meta", [], |row| row.get::<_, String>(0));
        assert_eq!(made.as_deref(), Ok("two"));
    }

    #[test]
    fn a_newer_store_is_left_as_it_is() {
        let mut store = Connection::open_in_memory().unwrap();
        store.pragma_update(None, "user_version", VERSION + 5).unwrap();
        migrate(&mut store, MIGRATIONS).unwrap();
        assert_eq!(version(&store), Ok(VERSION + 5));
    }
}

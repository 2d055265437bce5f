//! The tables and statements, the same for both databases but for the columns that number and time themselves.

/// `{number}` is the type of a column that numbers its rows, `{now}` the time of the day as text.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, customer TEXT NOT NULL, cents BIGINT NOT NULL, units BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'VOIDING', 'COMPLETED', 'FAILED')),
    at_provider TEXT, receipt TEXT, why TEXT,
    attempt BIGINT NOT NULL, version BIGINT NOT NULL, events BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS quotas (
    customer TEXT PRIMARY KEY, most BIGINT NOT NULL, used BIGINT NOT NULL CHECK (used >= 0));
CREATE TABLE IF NOT EXISTS history (
    number {number}, order_id TEXT NOT NULL, line TEXT NOT NULL, at_time TEXT NOT NULL DEFAULT ({now}));
CREATE INDEX IF NOT EXISTS history_by_order ON history (order_id);
CREATE TABLE IF NOT EXISTS letters (
    number {number}, charge_key TEXT NOT NULL, what TEXT NOT NULL, must_be_verified BIGINT NOT NULL, ended TEXT);
CREATE TABLE IF NOT EXISTS callbacks (
    number {number}, from_provider TEXT NOT NULL, body TEXT NOT NULL, ended TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS for_a_person (
    order_id TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (order_id, reason));
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value TEXT NOT NULL);
";

pub(super) fn sqlite_schema() -> String {
    SCHEMA.replace("{number}", "INTEGER PRIMARY KEY AUTOINCREMENT").replace("{now}", "strftime('%H:%M:%f', 'now')")
}

pub(super) fn postgres_schema() -> String {
    SCHEMA.replace("{number}", "BIGSERIAL PRIMARY KEY").replace("{now}", "to_char(clock_timestamp(), 'HH24:MI:SS.MS')")
}

/// In the order of their use, because SQLite numbers `$1` by its first appearance.
pub(super) const INSERT_ORDER: &str = "INSERT INTO orders \
    (id, customer, cents, units, state, at_provider, receipt, why, attempt, version, events) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING";
pub(super) const CHANGE_ORDER: &str = "UPDATE orders SET state = $1, at_provider = $2, receipt = $3, why = $4, \
    attempt = $5, version = $6, events = $7 WHERE id = $8 AND version = $9";
pub(super) const TAKE_QUOTA: &str = "UPDATE quotas SET used = used + $1 WHERE customer = $2 AND used + $1 <= most";
pub(super) const GIVE_QUOTA: &str = "UPDATE quotas SET used = used + $1 WHERE customer = $2";
pub(super) const ORDER: &str = "SELECT id, customer, cents, units, state, at_provider, receipt, why, attempt, version, \
    events FROM orders WHERE id = $1";
pub(super) const ORDERS: &str = "SELECT id, customer, cents, units, state, at_provider, receipt, why, attempt, version, \
    events FROM orders ORDER BY id";
pub(super) const STATES: &str = "SELECT state, COUNT(*) FROM orders GROUP BY state ORDER BY state";
pub(super) const NOTE: &str = "INSERT INTO history (order_id, line) VALUES ($1, $2)";
pub(super) const HISTORY: &str = "SELECT at_time || '  ' || line FROM history WHERE order_id = $1 ORDER BY number";
pub(super) const QUOTAS: &str = "SELECT customer, most, used FROM quotas ORDER BY customer";
pub(super) const SET_QUOTA: &str = "INSERT INTO quotas (customer, most, used) VALUES ($1, $2, 0) \
    ON CONFLICT (customer) DO UPDATE SET most = excluded.most";
pub(super) const KEEP_LETTER: &str = "INSERT INTO letters (charge_key, what, must_be_verified) VALUES ($1, $2, $3)";
pub(super) const OPEN_LETTERS: &str = "SELECT number, charge_key, what, must_be_verified, ended FROM letters \
    WHERE ended IS NULL ORDER BY number";
pub(super) const END_LETTER: &str = "UPDATE letters SET ended = $1 WHERE number = $2";
pub(super) const RECORD: &str = "INSERT INTO callbacks (from_provider, body, ended) VALUES ($1, $2, $3)";
pub(super) const RECORDED: &str = "SELECT from_provider, body, ended FROM callbacks ORDER BY number";
pub(super) const LIST_FOR_A_PERSON: &str =
    "INSERT INTO for_a_person (order_id, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING";
pub(super) const FOR_A_PERSON: &str = "SELECT order_id, reason FROM for_a_person ORDER BY order_id, reason";
pub(super) const SET_SWITCH: &str = "INSERT INTO switches (name, value) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
pub(super) const SWITCHES: &str = "SELECT name, value FROM switches ORDER BY name";

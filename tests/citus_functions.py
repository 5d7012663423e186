"""Functions whose answer may change: within a statement (volatile), or from one to the next (stable); those in use."""

# A test compares the two with the server's catalogue, for what statements use.
VOLATILE = frozenset(
    {
        "clock_timestamp",
        "nextval",
        "pg_notify",
        "random",
        "set_config",
        "pg_advisory_xact_lock",
        "pg_try_advisory_lock",
        "pg_try_advisory_xact_lock",
        "pg_cancel_backend",
        "pg_terminate_backend",
        "take_turn",
        "store_new",
        "keep_turn",
    }
)
STABLE = frozenset(
    {
        "now",
        "statement_timestamp",
        "transaction_timestamp",
        "concat",
        "concat_ws",
        "format",
        "to_char",
        "to_jsonb",
        "json_agg",
        "json_build_array",
        "current_setting",
        "current_schema",
        "current_database",
        "extract",
        "date_trunc",
        "to_regclass",
        "format_type",
        "obj_description",
        "col_description",
        "jsonb_populate_recordset",
        "json_to_recordset",
        "pg_current_snapshot",
        "pg_current_xact_id",
    }
)

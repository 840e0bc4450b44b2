"""Alembic's environment: no ini file, no log configuration, batch mode for SQLite."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import TypeDecorator, create_engine, pool

from lms.core.db import Base, UtcDateTime, prepare_engine, writing


def include_object(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:  # noqa: FBT001 (Alembic's signature)
    """Everything but SQLite's own tables."""
    return not (kind == "table" and (name or "").startswith("sqlite_"))


def render_item(kind: str, thing: Any, _autogen: object) -> str | Literal[False]:
    """Our column types are written in SQLAlchemy's own words, so that a migration never imports lms."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(thing, TypeDecorator) and type(thing).__module__.startswith("lms."):
        return f"sa.{thing.impl!r}"
    if kind == "type" and thing.__class__.__name__ == "JSON":
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def _tell(*_what: object, **_more: object) -> None:
    if applied := context.config.attributes.get("applied"):
        applied()


def run() -> None:
    """Apply migrations through one connection, one transaction for all."""
    import lms.app
    import lms.core.approvals  # noqa: F401 (loads every table of every feature)

    url = context.config.get_main_option("sqlalchemy.url") or ""
    engine = create_engine(url, poolclass=pool.NullPool)
    prepare_engine(engine)
    with writing(), engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_as_batch=True,
            render_item=render_item,
            include_object=include_object,
            compare_type=True,
            transaction_per_migration=False,
            on_version_apply=_tell,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()

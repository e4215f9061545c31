"""How Alembic reaches the database: through the engine handed over by `central_server.database.migrate`."""

from alembic import context

from central_server.database.federation_tables import RunRow

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=RunRow.metadata, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()

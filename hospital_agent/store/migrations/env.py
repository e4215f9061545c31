"""How Alembic reaches the store: through the connection handed over by `hospital_agent.store.database`."""

from alembic import context

from hospital_agent.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()

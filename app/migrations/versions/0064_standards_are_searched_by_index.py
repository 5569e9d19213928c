"""Measurement standards are searched by index: to compare each of them as it is normalized takes half a second."""

from alembic import op

revision = '0064'
down_revision = '0063'
branch_labels = None
depends_on = None

TRIGRAMS = ('name', 'code', 'certificate_no', 'public_certificate_no')


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for column in TRIGRAMS:
        op.execute(
            f"CREATE INDEX measurement_standard_{column}_trigrams ON measurement_standard"
            f" USING gin (same_text({column}) gin_trgm_ops)"
        )
    op.execute(
        "CREATE INDEX measurement_standard_name_bigrams ON measurement_standard USING gin (bigrams(same_text(name)))"
    )


def downgrade() -> None:
    op.execute("DROP INDEX measurement_standard_name_bigrams")
    for column in TRIGRAMS:
        op.execute(f"DROP INDEX measurement_standard_{column}_trigrams")

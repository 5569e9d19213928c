"""Texts are compared and found however they are written: the function `same_text`, and the indexes of searches on it."""

import sqlalchemy as sa
from alembic import op

revision = '0060'
down_revision = '0046'
branch_labels = None
depends_on = None

# What app/texts.py: same does, with the same ranges. Most texts have but a few kinds of characters, which
# the first branch does in a fifth of the time. It is not STRICT: then the planner could not put its expression in place
# of the call.
SAME_TEXT = r"""
CREATE FUNCTION same_text(term text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN term ~ '^[0-9A-Za-z()./#+ （）\u4e00-\u9fff-]*$' THEN translate(lower(term), '（） -', '()')
   ELSE normalize(lower(upper(translate(regexp_replace(normalize(term, NFKC),
     '[\u0001-\u0020\u002d\u007f-\u00a0\u00ad\u02d7\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160\u1680\u17b4-\u17b5\u180b-\u180f\u2000-\u2015\u2028-\u202f\u2043\u205f-\u206f\u2212\u2500\u2e3a-\u2e3b\u3000\u3164\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000e0100-\U000e01ef]+',
     '', 'g'), '[{【〔〖〘〚]}】〕〗〙〛•‧∙⋅・⸱', '((((((()))))))······'))), NFKC) END $$
"""

# (name, table, column, columns before or after it) of each index that answers a search.
PLACE = "left(city_code, 2), city_code, "
BEGINS = [
    ('instrument_no', 'instrument', 'instrument_no', ''),
    ('appointment_no', 'appointment', 'no', ''),
    ('certificate_no', 'certificate', 'no', ''),
    ('ab_user_begins', 'ab_user', 'username', ''),
    ('audit_entry_by_name', 'audit_entry', 'by_name', ', at'),
    ('audit_entry_subject_name', 'audit_entry', 'subject_name', ', at'),
]
TRIGRAMS = [
    ('instrument_serial_trigrams', 'instrument', 'serial_no', PLACE),
    ('instrument_name_trigrams', 'instrument', 'name', PLACE),
    ('appointment_applicant_trigrams', 'appointment', 'applicant', PLACE),
    ('organization_name_search', 'organization', 'name', ''),
    ('ab_user_name_trigrams', 'ab_user', 'first_name', ''),
]
BIGRAMS = [
    ('instrument_name_bigrams', 'instrument', 'name', PLACE),
    ('appointment_applicant_bigrams', 'appointment', 'applicant', PLACE),
    ('organization_name_bigrams', 'organization', 'name', ''),
    ('ab_user_name_bigrams', 'ab_user', 'first_name', ''),
]


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(sa.text(SAME_TEXT.replace(':', r'\:')))
    op.execute("DROP INDEX inspection_no")
    op.execute("CREATE UNIQUE INDEX inspection_no ON inspection (no)")
    op.execute("CREATE INDEX inspection_begins ON inspection (same_text(no) text_pattern_ops)")
    op.execute("CREATE INDEX organization_credit_code ON organization (same_text(credit_code) text_pattern_ops)")
    _rebuild('same_text({})')


def downgrade() -> None:
    _rebuild('{}')
    op.execute("DROP INDEX organization_credit_code")
    op.execute("DROP INDEX inspection_begins")
    op.execute("DROP INDEX inspection_no")
    op.execute("CREATE UNIQUE INDEX inspection_no ON inspection (no text_pattern_ops)")
    op.execute("DROP FUNCTION same_text(text)")


def _rebuild(text: str) -> None:
    """Make the indexes of searches anew, on the texts of their columns as this gives them."""
    for name, table, column, after in BEGINS:
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON {table} ({text.format(column)} text_pattern_ops{after})")
    for name, table, column, before in TRIGRAMS:
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON {table} USING gin ({before}{text.format(column)} gin_trgm_ops)")
    for name, table, column, before in BIGRAMS:
        op.execute(f"DROP INDEX {name}")
        op.execute(f"CREATE INDEX {name} ON {table} USING gin ({before}bigrams({text.format(column)}))")

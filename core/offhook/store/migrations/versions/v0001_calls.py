"""Calls, their turns, and the nodes that serve them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "node",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("host", sa.String, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
    )
    op.create_table(
        "call",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("business_id", sa.String, nullable=False),
        sa.Column("telephony", sa.String, nullable=False),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("carrier_call_id", sa.String, unique=True),
        sa.Column("from_number", sa.String, nullable=False),
        sa.Column("to_number", sa.String, nullable=False),
        sa.Column("language", sa.String, nullable=False),
        sa.Column("variables", sa.JSON, nullable=False),
        sa.Column("node_id", sa.String, sa.ForeignKey("node.id", ondelete="SET NULL")),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("config_hash", sa.String, nullable=False),
        sa.Column("stream_token_hash", sa.String, nullable=False, unique=True),
        sa.Column("stream_token_expires", moment, nullable=False),
        sa.Column("stream_token_used_at", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("end_reason", sa.String),
        sa.Column("end_detail", sa.String),
        sa.Column("duration_ms", sa.Double),
        sa.Column("recording_path", sa.String),
    )
    op.create_index("call_by_business", "call", ["business_id", "created_at"])
    op.create_index("call_by_time", "call", ["created_at"])
    live = sa.text("state <> 'ended'")
    op.create_index("call_live", "call", ["business_id"], sqlite_where=live, postgresql_where=live)
    op.create_table(
        "turn",
        sa.Column(
            "call_id", sa.String, sa.ForeignKey("call.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("speaker", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("heard", sa.String, nullable=False),
        sa.Column("start_ms", sa.Double, nullable=False),
        sa.Column("end_ms", sa.Double, nullable=False),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.Column("endpoint_ms", sa.Double),
        sa.Column("transcript_ms", sa.Double),
        sa.Column("first_token_ms", sa.Double),
        sa.Column("first_audio_ms", sa.Double),
        sa.Column("heard_ms", sa.Double),
    )


def downgrade() -> None:
    op.drop_table("turn")
    op.drop_table("call")
    op.drop_table("node")

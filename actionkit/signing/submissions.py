"""Which of a signature's submissions speaks for it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from actionkit.signing.models import Signature, Submission

_any = aliased(Submission)
_latest = (
    sa.select(sa.func.max(_any.id)).where(_any.signature_id == Signature.id).correlate(Signature).scalar_subquery()
)

SPEAKS_FOR_IT: sa.ColumnElement[bool] = Submission.id == sa.func.coalesce(Signature.submission_id, _latest)
"""Joins a signature to the submission that was confirmed or, before that, to its latest."""

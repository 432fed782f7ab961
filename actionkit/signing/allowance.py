"""At most three mails a day to an address, however often somebody types it into a form."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from actionkit import db
from actionkit.clock import TOLERANCE
from actionkit.prepared import Prepared
from actionkit.signing.models import MailAllowance

WINDOW = dt.timedelta(hours=24)

_use_one_mail = Prepared(
    lambda insert: (
        insert(MailAllowance.__table__)
        .values(canonical_email=sa.bindparam("address"), latest_at=sa.bindparam("moment"))
        .on_conflict_do_update(
            index_elements=["canonical_email"],
            set_={
                "latest_at": sa.bindparam("moment"),
                "second_at": MailAllowance.latest_at,
                "third_at": MailAllowance.second_at,
            },
            where=sa.or_(
                MailAllowance.third_at.is_(None),
                MailAllowance.third_at <= sa.bindparam("window"),
                MailAllowance.third_at > sa.bindparam("ahead"),  # the clock was set back since: it begins anew
            ),
        )
        .returning(MailAllowance.__table__.c.canonical_email)
    )
)


def use_allowance(address: str, moment: dt.datetime) -> bool:
    """Take one of the address's three mails in 24 hours; False if it has had them."""
    window, ahead = moment - WINDOW, moment + TOLERANCE
    return _use_one_mail.row(address=address, moment=moment, window=window, ahead=ahead) is not None


def forget_old() -> None:
    """Delete what no limit looks at any more: addresses whose last mail is older than a day."""
    db.session.execute(sa.delete(MailAllowance).where(MailAllowance.latest_at < db.now() - WINDOW))

"""The statements of the outbox: what is put, claimed, finished, tried again, and removed after its time."""

from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

# The same reason to the same target is one message, whoever finds it and however often.
PUT = text(
    """
    insert into warehouse.outbox (message_id, key, target, kind, rule, message, run_id, created_at, due_at, status,
        attempt_count)
    values (:message_id, :key, :target, :kind, :rule, :message, :run_id, :now, :due_at, 'waiting', 0)
    on conflict (message_id) do nothing returning message_id
    """
).bindparams(bindparam("message", type_=JSONB))

# All that most ticks ask: nothing is due.
IS_DUE = text("select exists (select from warehouse.outbox where status in ('waiting', 'sending') and due_at <= :now)")
# Who claims is alone at it, over all services of the database; who finds somebody at it asks again.
TURN = text("select pg_try_advisory_xact_lock(:key)")
# The message that each target is due next, unless one is on its way, or nothing is to be tried.
NEXT = text(
    """
    select distinct on (o.target) o.target, o.message_id, o.due_at from warehouse.outbox o
    where o.status in ('waiting', 'sending') and o.due_at <= :now
        and (o.status = 'waiting' or o.claimed_until < :now)
        and (cast(:target as text) is null or o.target = :target)
        and not exists (select from warehouse.target_state s where s.target = o.target and s.open_until > :now)
        and not exists (
            select from warehouse.outbox b
            where b.target = o.target and b.status = 'sending' and b.claimed_until >= :now
        )
    order by o.target, o.due_at, o.created_at, o.message_id
    """
)
SENT_LATELY = text("select target, count(*) from warehouse.delivery where ended_at > :since group by target")
CLAIM = text(
    """
    update warehouse.outbox set status = 'sending', attempt_count = attempt_count + 1, claimed_until = :until
    where message_id = any(:message_ids) and status in ('waiting', 'sending')
    returning message_id, target, message, run_id, created_at, attempt_count
    """
).bindparams(bindparam("message_ids", type_=ARRAY(Uuid())))
RENEW = text(
    "update warehouse.outbox set claimed_until = :until where message_id = any(:message_ids) and status = 'sending'"
).bindparams(bindparam("message_ids", type_=ARRAY(Uuid())))

RECORD = text(
    """
    insert into warehouse.delivery (message_id, attempt, target, started_at, ended_at, outcome, status, detail)
    values (:message_id, :attempt, :target, :started_at, :now, :outcome, :status, :detail)
    on conflict (message_id, attempt) do nothing
    """
)
# What arrived has arrived, whoever else is at it meanwhile.
ARRIVED = text(
    """
    update warehouse.outbox set status = 'sent', finished_at = :now, claimed_until = null, error = null
    where message_id = :message_id and status <> 'sent'
    """
)
# A failure counts only while nobody else has begun a later attempt.
FAILED = text(
    """
    update warehouse.outbox set status = :next, due_at = coalesce(:due_at, due_at), finished_at = :finished_at,
        claimed_until = null, error = :error
    where message_id = :message_id and attempt_count = :attempt and status = 'sending'
    """
)
FARES = text("select failure_count from warehouse.target_state where target = :target")
FARED = text(
    """
    insert into warehouse.target_state (target, failure_count, open_until, attempted_at, sent_at, error)
    values (:target, :failure_count, :open_until, :now, :sent_at, :error)
    on conflict (target) do update set failure_count = excluded.failure_count, open_until = excluded.open_until,
        attempted_at = excluded.attempted_at, sent_at = coalesce(excluded.sent_at, target_state.sent_at),
        error = excluded.error
    """
)
# A target that is well again is not kept waiting by what it missed.
HASTEN = text(
    """
    update warehouse.outbox set due_at = :now
    where target = :target and status = 'waiting' and attempt_count > 0 and due_at > :now
    """
)
# What was given up is tried once more, in the order in which it was found, and then as often as it would have been.
RESEND = text(
    """
    update warehouse.outbox set status = 'waiting', due_at = :now, finished_at = null
    where target = :target and status = 'failed' and created_at >= :since
    """
)
# What waits for its hour, such as the end of quiet hours, is not late.
WAITING = text(
    """
    select count(*), min(created_at) filter (where due_at <= :now or attempt_count > 0)
    from warehouse.outbox where status in ('waiting', 'sending')
    """
)
DROP_DELIVERIES = text("delete from warehouse.delivery where ended_at < :before")
DROP_MESSAGES = text("delete from warehouse.outbox where status in ('sent', 'failed') and finished_at < :before")
# What fires stays, and what a rule's cooldown still needs; what is left of a rule that was removed goes.
DROP_TOLD = text(
    """
    delete from warehouse.alert_state s where s.told_at < :before and not exists (
        select from warehouse.alert_rule r where r.name = s.rule
        and (s.is_firing or s.told_at + make_interval(secs => r.cooldown_seconds) >= :now)
    )
    """
)
DROP_SCRIPT_RUNS = text("delete from warehouse.script_run where started_at < :before")

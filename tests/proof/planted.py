"""
Defects for scenario K-07, each planted in a copy of the sources, with the scenario and the test that must notice.

`old` stands exactly once in the file; `new` takes its place. No scenario: a test without a number of its own notices.
"""

from typing import NamedTuple


class Defect(NamedTuple):
    """One change for the worse."""

    name: str
    path: str
    old: str
    new: str
    scenario: str
    test: str


DEFECTS = (
    Defect(
        "nothing is synced",
        "ingest/spool/journal.py",
        "        self._disk.sync(segment.fd)\n",
        "",
        "A-04",
        "tests/ingest/test_spool_syscalls.py::test_nothing_is_acknowledged_before_it_is_synced",
    ),
    Defect(
        "synced before it is written",
        "ingest/spool/journal.py",
        "        failpoints.passed(failpoints.SPOOL_WRITE_BEGUN)\n",
        "        failpoints.passed(failpoints.SPOOL_WRITE_BEGUN)\n"
        "        self._disk.sync(segment.fd)\n        self._disk.sync = lambda fd: None\n",
        "",
        "tests/ingest/test_spool_faults.py::test_every_record_is_synced_before_it_is_acknowledged_and_names_before_records",
    ),
    Defect(
        "answered before it is durable",
        "ingest/receive.py",
        "            await self.writer.append(_encode(payload))\n",
        "            self._kept = asyncio.ensure_future(self.writer.append(_encode(payload)))\n",
        "B-01",
        "tests/proof/test_failpoints.py::test_a_crash_or_an_error_at_any_failpoint_loses_and_doubles_nothing[kill-there]",
    ),
    Defect(
        "a name is not durable before records are behind it",
        "ingest/spool/journal.py",
        "            self._disk.sync_folder(self._folder)\n            failpoints",
        "            failpoints",
        "",
        "tests/ingest/test_spool_faults.py::test_every_record_is_synced_before_it_is_acknowledged_and_names_before_records",
    ),
    Defect(
        "a known event is stored again",
        "ingest/batch.py",
        "            and e.occurred_at >= :since and e.occurred_at < :until\n",
        "            and e.occurred_at >= :since and e.occurred_at < :until and false\n",
        "G-05",
        "tests/ingest/test_batch.py::test_one_event_whose_time_was_rounded_on_its_way_is_one_row",
    ),
    Defect(
        "the position is moved in a transaction of its own",
        "ingest/load.py",
        "                moved(connection, position, at, payload_count)\n",
        "                with self._engine.begin() as other:\n"
        "                    moved(other, position, at, payload_count)\n",
        "B-01",
        "tests/proof/test_failpoints.py::test_a_crash_or_an_error_at_any_failpoint_loses_and_doubles_nothing[kill-there]",
    ),
    Defect(
        "a batch whose commit was not heard of is loaded again",
        "ingest/drain.py",
        "        self._drop_committed()\n",
        "",
        "D-17",
        "tests/ingest/test_drain.py::test_a_batch_whose_commit_was_done_but_not_heard_of_is_counted_once",
    ),
    Defect(
        "a sender waits for the disk as long as it takes",
        "ingest/receive.py",
        "        async with asyncio.timeout(self._ack_seconds):\n",
        "        async with asyncio.timeout(None):\n",
        "A-05",
        "tests/ingest/test_receive.py::test_a_disk_that_does_not_answer_in_time_is_a_503_and_what_was_sent_is_kept",
    ),
    Defect(
        "an outage is a fault of the rows",
        "ingest/sqlstate.py",
        '_BISECT = ("22", "54", "21")',
        '_BISECT = ("22", "54", "21", "08", "57")',
        "D-09",
        "tests/ingest/test_sqlstate.py::test_each_code_has_its_verdict_wrapped_or_bare",
    ),
    Defect(
        "a fault of the schema is a fault of the rows",
        "ingest/sqlstate.py",
        "        return Verdict.SCHEMA\n",
        "        return Verdict.BISECT\n",
        "D-10",
        "tests/ingest/test_load_faults.py::test_a_database_that_is_not_as_it_should_be_costs_no_event",
    ),
    Defect(
        "a missing partition is a fault of the rows",
        "ingest/sqlstate.py",
        "        return Verdict.PARTITION\n",
        "        return Verdict.BISECT\n",
        "D-09",
        "tests/ingest/test_sqlstate.py::test_a_check_with_a_name_is_a_bad_row_and_one_without_is_a_missing_partition",
    ),
    Defect(
        "what a name leads to is not vetted",
        "reports/delivery/http_client.py",
        "check_addresses(self._addresses(host, port, deadline), allow_private)",
        "tuple(self._addresses(host, port, deadline))",
        "",
        "tests/reports/test_guard.py::test_a_name_is_refused_when_one_of_its_addresses_is_of_a_network",
    ),
    Defect(
        "words are markup",
        "reports/render/html.py",
        "        autoescape=True,\n",
        "        autoescape=False,  # noqa: S701\n",
        "",
        "tests/reports/test_render_hostile.py::test_a_page_is_well_formed_and_loads_and_runs_nothing",
    ),
    Defect(
        "words are formulas",
        "reports/render/csv.py",
        """    return f"'{seen}" if text""",
        """    return seen if text""",
        "",
        "tests/reports/test_render_hostile.py::test_no_cell_of_a_csv_is_a_formula",
    ),
    Defect(
        "every signature is right",
        "ingest/auth.py",
        "        is_signed |= hmac.compare_digest(ours, told) and bool(secret)\n",
        "        is_signed |= hmac.compare_digest(ours, ours) and bool(secret)\n",
        "",
        "tests/ingest/test_auth.py::test_any_other_signature_is_refused",
    ),
    Defect(
        "duplicates are not counted",
        "ingest/load.py",
        "                duplicates=loaded.known,\n",
        "                duplicates=0,\n",
        "G-02",
        "tests/ingest/test_load.py::test_a_batch_that_comes_twice_adds_nothing_and_is_counted",
    ),
    Defect(
        "a run is claimed by everyone",
        "reports/runs_sql.py",
        "    on conflict (name, scheduled_for) do nothing\n",
        "    on conflict (name, scheduled_for) do update set worker = excluded.worker\n",
        "H-02",
        "tests/reports/test_runs.py::"
        "test_four_schedulers_at_once_for_a_thousand_ticks_run_each_instant_once_though_one_is_killed_at_it",
    ),
    Defect(
        "a message is claimed though another is on its way",
        "reports/delivery/outbox_sql.py",
        "            where b.target = o.target and b.status = 'sending' and b.claimed_until >= :now\n",
        "            where b.target = o.target and b.status = 'sending' and b.claimed_until >= :now and false\n",
        "",
        "tests/reports/test_outbox.py::"
        "test_of_each_target_one_message_is_on_its_way_the_oldest_first_and_a_claim_that_ran_out_is_taken_over",
    ),
    Defect(
        "whatever a frame holds is taken for whole",
        "ingest/spool/segment.py",
        "    return end if zlib.crc32(view[at + _CRC_STARTS_AT : end], its.start) == crc else DAMAGED\n",
        "    return end\n",
        "C-03",
        "tests/ingest/test_spool_damage.py::test_a_flipped_bit_costs_its_own_record_only",
    ),
)

"""
The cases of security, the tests that hold each, and what of it no test holds.

`tests/test_security_cases.py` holds that every test named here is there.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """What is to be shown; by which tests, as `file::name` under `tests/`; `missing` is what nothing shows."""

    claim: str
    tests: tuple[str, ...]
    missing: str = ""


CASES = {
    "S-01": Case(
        "A webhook is taken if, and only if, one of the secrets signed its very bytes.",
        (
            "ingest/test_auth.py::test_a_right_signature_passes",
            "ingest/test_auth.py::test_any_other_signature_is_refused",
            "ingest/test_auth.py::test_without_the_secret_nothing_passes",
            "ingest/test_auth.py::test_the_corpus_was_signed_as_sentry_signs",
            "system/test_bad_requests.py::test_a_webhook_must_be_signed_over_its_very_bytes",
        ),
    ),
    "S-02": Case(
        "How long an answer takes tells nothing of a secret.",
        (
            "ingest/test_auth_timing.py::test_a_refusal_takes_as_long_however_near_the_signature_was",
            "ingest/test_auth_timing.py::test_an_answer_takes_as_long_whichever_secret_signed_and_haste_would_be_seen",
            "ingest/test_auth.py::test_every_secret_is_tried_whatever_the_first_gave",
        ),
        "timed within the process, not over HTTP, whose own spread is a thousand times larger",
    ),
    "S-03": Case(
        "Secrets and keys are exchanged without a refusal or a loss.",
        (
            "ingest/test_receive.py::test_a_signed_webhook_is_accepted_and_kept_as_it_came",
            "reports/test_targets.py::test_a_new_key_seals_everything_anew_and_every_secret_opens_at_every_point",
            "models/test_access.py::test_a_key_that_is_added_is_known_at_once",
        ),
        "no exchange while 300 events a second come in; none of the database's password",
    ),
    "S-04": Case(
        "Every page is for the roles that a table says, and a page without a row fails.",
        (
            "reports/test_pages_rights.py::test_every_page_has_its_row_and_every_row_its_page",
            "reports/test_pages_rights.py::test_a_role_is_let_in_where_the_table_says_and_nowhere_else",
            "reports/test_pages.py::test_every_page_but_the_login_sends_a_stranger_to_the_login",
            "reports/test_pages.py::test_a_viewer_sees_no_person_and_no_payload",
        ),
        "pages know no projects of one's own: who may log in sees all; logins of analysts are held apart (S-09)",
    ),
    "S-05": Case(
        "Forms, cookies, headers and the login let nobody in who does not belong there.",
        (
            "reports/test_pages.py::test_a_form_without_its_session_s_token_changes_nothing",
            "reports/test_pages.py::test_cookies_are_for_the_server_alone_and_for_https_where_it_is",
            "reports/test_pages.py::test_every_answer_has_headers_that_let_nothing_in",
            "reports/test_pages.py::test_a_wrong_password_and_an_unknown_name_are_answered_alike_and_guessing_is_slowed_down",
            "reports/test_pages.py::test_a_login_leads_to_where_one_wanted_to_go_and_nowhere_else",
            "reports/test_pages.py::test_tokens_and_passwords_are_nowhere_in_the_database",
            "system/test_bad_requests.py::test_a_browser_may_ask_whether_it_may_send",
        ),
    ),
    "S-06": Case(
        "No text that anybody says becomes SQL.",
        (
            "reports/test_pages_injected.py::test_no_text_finds_more_than_itself",
            "reports/test_pages_injected.py::test_a_text_may_be_in_every_place_of_a_statement_at_once",
            "reports/test_pages_injected.py::test_what_is_no_text_is_refused_or_has_no_effect",
            "reports/test_pages_injected.py::test_no_form_takes_a_text_for_more_than_a_text",
        ),
        "the shapes of statements are not read back from the server: the embedded one has no pg_stat_statements",
    ),
    "S-07": Case(
        "What a sender wrote stays text on every page and in every report.",
        (
            "reports/test_pages.py::test_what_a_sender_wrote_stays_text_everywhere",
            "reports/test_pages.py::test_no_page_needs_what_the_policy_forbids",
            "reports/test_render_hostile.py::test_a_page_is_well_formed_and_loads_and_runs_nothing",
            "reports/test_render_hostile.py::test_a_page_tells_hostile_words_as_they_are",
            "system/test_console.py::test_an_analyst_finds_one_culprit_its_chart_its_file_and_an_event_that_is_hostile",
        ),
    ),
    "S-08": Case(
        "A file that is opened in a spreadsheet calculates nothing.",
        (
            "reports/test_render_hostile.py::test_no_cell_of_a_csv_is_a_formula",
            "reports/test_render_hostile.py::test_what_a_spreadsheet_would_calculate_gets_an_apostrophe",
            "reports/test_render_hostile.py::test_a_workbook_has_no_formula_and_no_link_and_keeps_doubtful_cells_text",
            "reports/test_pages.py::test_a_file_does_nothing_in_a_spreadsheet",
        ),
        "no office program opens the files",
    ),
    "S-09": Case(
        "A login of the database can do what its role says and no more.",
        (
            "models/test_roles.py::test_an_analyst_reads_every_column_of_every_view",
            "models/test_roles.py::test_an_analyst_is_refused_whatever_limits_it_lifts",
            "models/test_roles.py::test_a_ten_minute_query_is_ended_though_the_analyst_lifted_its_limit",
            "models/test_roles.py::test_another_login_reads_and_makes_nothing",
            "models/test_rls.py::test_no_view_shows_anything_of_another_project",
            "models/test_rls.py::test_functions_tell_nobody_what_another_may_see",
            "models/test_loader_role.py::test_loading_folding_rebuilding_and_upgrading_need_a_loader_s_rights_alone",
        ),
    ),
    "S-10": Case(
        "Secrets that are kept are sealed, and for their owner alone.",
        (
            "reports/test_targets.py::test_literal_secrets_are_sealed_and_opened_only_where_the_key_and_their_row_are",
            "models/test_access.py::test_a_secret_is_made_once_for_its_owner_alone_and_stays",
            "models/test_access.py::test_the_file_is_for_its_owner_alone_and_not_written_when_nothing_changed",
            "system/test_canaries.py::test_no_planted_secret_is_in_any_row_log_file_page_or_output",
        ),
        "rows and files are searched, the bytes of PostgreSQL's own folder and of a dump are not",
    ),
    "S-11": Case(
        "What names a person or opens a door is taken out before it is kept; ordinary events are left alone.",
        (
            "ingest/test_scrub_misses_nothing.py::test_of_two_hundred_planted_secrets_none_is_kept",
            "ingest/test_scrub_misses_nothing.py::test_ordinary_events_are_left_alone",
            "ingest/test_scrub_misses_nothing.py::test_the_scan_asks_for_all_that_any_rule_would_change_in_the_corpus",
        ),
    ),
    "S-12": Case(
        "A person who is erased is gone from wherever errhouse keeps anything.",
        (
            "ingest/test_erase.py::test_nothing_of_a_person_is_left_and_every_count_is",
            "ingest/test_erase.py::test_archives_and_dictionaries_that_hold_the_person_are_named",
            "ingest/test_erase_artifacts.py::test_only_files_that_may_name_the_person_go",
            "ingest/test_erase_while_loading.py::test_a_person_who_sends_while_they_are_erased_is_erased_whole_or_there_whole",
            "system/test_erase.py::test_a_person_is_erased_while_the_service_runs",
        ),
    ),
    "S-13": Case(
        "What is depended on is pinned by hash, above the floor, and audited without a green for want of an answer.",
        (
            "test_repository.py::test_the_lock_has_a_hash_for_everything",
            "test_dependencies.py::test_nothing_locked_is_below_the_floor",
            "test_dependencies.py::test_no_lower_bound_of_ours_is_below_the_floor",
            "test_dependencies.py::test_a_source_that_knows_nothing_is_no_clean_bill",
            "test_dependencies.py::test_what_is_known_against_a_locked_version_is_told",
        ),
    ),
    "S-14": Case(
        "The log has lines of known fields, and no word of what was sent.",
        (
            "system/test_log_lines.py::test_every_line_is_json_of_known_fields_without_a_word_of_what_was_sent",
            "system/test_canaries.py::test_no_planted_secret_is_in_any_row_log_file_page_or_output",
        ),
    ),
}
